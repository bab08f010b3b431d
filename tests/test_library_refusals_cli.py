"""Damaged libraries and wrong wishes on the command line: one line each."""

from pathlib import Path

import pytest
from cli_calls import call, refused
from library_models import built, model_of, sealed_again

import edgelstm as el
from edgelstm import building
from edgelstm.runtime import library_file

NAME = "f32-table"


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Files that must be refused, by what is wrong with them."""
    sound = built(NAME, "host").data
    folder = tmp_path_factory.mktemp("broken")
    files = {
        "truncated": sound[:-1],
        "cut to its trailer": sound[-library_file.TRAILER.size :],
        "flipped": sound[:5000] + bytes([sound[5000] ^ 1]) + sound[5001:],
        "empty": b"",
        "another version": sealed_again(sound, abi=9),
        "a probe that differs": sealed_again(sound, probe=1.0),
        "another machine": built(NAME, "rpi4").data,
        "missing instructions": sealed_again(sound, needs=b"teleport"),
        "bytes": b"\x7fELF" + bytes(900),
    }
    for name, data in files.items():
        (folder / f"{name.replace(' ', '-')}.so").write_bytes(data)
    (folder / "folder.so").mkdir()
    return folder


#: `describe` reads what a library says of itself, wherever it runs and whatever it answers.
READABLE = {"a-probe-that-differs", "another-machine", "missing-instructions"}


@pytest.mark.parametrize("words", [["run"], ["bench", "--rate", "100"], ["describe"]], ids=lambda words: words[0])
def test_the_command_line_says_it_in_one_line(broken, words):
    for path in [*sorted(broken.iterdir()), broken / "absent.so"]:
        if words == ["describe"] and path.stem in READABLE:
            continue
        assert path.stem in refused(call(*words, path, given="1\n"), 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "rpi6"], "no target 'rpi6'"),
        (["--features", "+avx2"], "the host is compiled for as it is"),
        (["--target", "rpi4", "-o", "a.elstm"], "would overwrite a.elstm, the model itself"),
        (["--target", "rpi4", "-o", "b.elstm"], "b.elstm ends in .elstm, as nothing does that is built here"),
        (["-o", "absent/a.so"], "absent"),
    ],
)
def test_building_with_wrong_words(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    el.save(model_of(NAME), "a.elstm")
    before = Path("a.elstm").read_bytes()
    assert message in refused(call("build", "a.elstm", *words), 2)
    assert Path("a.elstm").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "rpi4", "--cpu", "cortex-a999"], "'cortex-a999'"),
        (["--target", "rpi4", "--features", "+teleport"], "teleport"),
    ],
)
def test_building_what_cannot_be_built(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    el.save(model_of(NAME), "a.elstm")
    assert message in refused(call("build", "a.elstm", *words), 1)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_cpu_without_the_instruction_is_one_line(tmp_path):
    el.save(model_of("int8-dynamic"), tmp_path / "a.elstm")
    said = refused(call("build", tmp_path / "a.elstm", "--target", "rpi5", "--features=-dotprod", "-o", tmp_path / "a.so"), 1)
    assert "LLVM cannot compile for rpi5" in said
    assert not (tmp_path / "a.so").exists()


@pytest.mark.parametrize("name", ["m.dll", "m.exe", "m.dylib", "m.elf", "m.SO", "m.bin", "m.lib", "m.1", "m.so.1a", "m.a.1", "m.c"])
def test_an_ending_of_another_system_is_refused(tmp_path, monkeypatch, name):
    el.save(model_of(NAME), tmp_path / "a.elstm")
    monkeypatch.setattr(building, "build", lambda *_, **__: pytest.fail("compiled first"))
    for target in ("host", "cortex-m4f"):
        said = refused(call("build", tmp_path / "a.elstm", "--target", target, "-o", tmp_path / name), 2)
        assert f"{name} ends in .{name.rpartition('.')[2]}, as nothing does that is built here: say .so for a shared library, .a " in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.elstm"]


def test_what_was_written_is_told(tmp_path):
    el.save(model_of(NAME), tmp_path / "a.elstm")
    for name, form in (("m.so.1", "a shared library"), ("m.a", "an archive")):
        result = call("build", tmp_path / "a.elstm", "-o", tmp_path / name)
        assert f" form {form} " in " ".join(result.output.split()), result.output
