"""Libraries that are damaged, foreign or for another machine: a sentence, before any of their code is loaded."""

import ctypes
import ctypes.util
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from library_models import FIELDS, built, model_of, sealed_again

import edgelstm as el
from edgelstm import device
from edgelstm.compiler import targets
from edgelstm.files.library import sealed
from edgelstm.runtime import cpu, library_file

SETTINGS = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAME = "f32-table"
SIZE = 500_000  # more than any file here

kinds = pytest.mark.parametrize("kind", [el.Stream, device.Stream])


@pytest.fixture(scope="module")
def sound():
    return built(NAME, "host").data


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.so"


@pytest.fixture
def unloaded(monkeypatch):
    """Fails the test if the system's loader is asked for a library."""

    def loaded(name, *_args, **_options):
        if name is not None:  # None: the process itself, asked what its CPU has
            pytest.fail(f"{name} was loaded")
        return ctypes.PyDLL(None)

    monkeypatch.setattr(library_file, "_loaded", {})
    monkeypatch.setattr(ctypes, "CDLL", loaded)


def refusal(kind, path, error=el.LibraryError):
    """What a stream says instead of opening a file: one sentence or more, with what to do, that names the file."""
    with pytest.raises(error) as caught:
        kind(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    assert message.endswith((".", str(path), "edgelstm targets")), message
    return message


def test_a_sound_file_is_loaded(sound, path, monkeypatch):
    """The control of all tests below: what `unloaded` forbids happens here."""
    path.write_bytes(sound)
    seen = []
    load = ctypes.CDLL
    monkeypatch.setattr(library_file, "_loaded", {})
    monkeypatch.setattr(ctypes, "CDLL", lambda *args: seen.append(args) or load(*args))
    device.Stream(path)
    assert len([name for name, *_ in seen if name is not None]) == 1


@SETTINGS
@given(where=st.integers(0, SIZE), mask=st.integers(1, 255))
@example(where=4, mask=1)
@example(where=SIZE - 1, mask=128)
def test_any_changed_bit_is_refused_before_it_is_loaded(sound, path, unloaded, where, mask):
    changed = bytearray(sound)
    changed[where % len(sound)] ^= mask
    path.write_bytes(changed)
    refusal(device.Stream, path)
    refusal(el.Stream, path, (el.LibraryError, el.UsageError))


def test_every_bit_of_headers_and_trailer_is_guarded(sound, path, unloaded):
    end = library_file.TRAILER.size
    for at in (*range(64), *range(len(sound) - end, len(sound))):
        for bit in range(8):
            changed = bytearray(sound)
            changed[at] ^= 1 << bit
            path.write_bytes(changed)
            refusal(device.Stream, path)


@SETTINGS
@given(length=st.integers(0, SIZE))
@example(length=0)
@example(length=3)
@example(length=4)
@example(length=library_file.TRAILER.size - 1)
@example(length=library_file.TRAILER.size)
@example(length=-1)
@example(length=-32)
@example(length=-library_file.TRAILER.size)
@example(length=-library_file.TRAILER.size - 4)
def test_any_truncation_is_refused(sound, path, unloaded, length):
    path.write_bytes(sound[: length % len(sound)])
    refusal(device.Stream, path)
    refusal(el.Stream, path, (el.LibraryError, el.UsageError))


@SETTINGS
@given(extra=st.binary(min_size=1, max_size=300), front=st.booleans())
def test_additions_are_refused(sound, path, unloaded, extra, front):
    path.write_bytes(extra + sound if front else sound + extra)
    refusal(device.Stream, path)


@kinds
def test_two_files_in_one_are_refused(sound, path, unloaded, kind):
    other = built("f32", "host").data
    path.write_bytes(other[: len(other) // 2] + sound)
    assert "damaged" in refusal(kind, path)


@kinds
def test_libraries_of_others_are_refused(path, unloaded, kind):
    found = ctypes.util.find_library("m")
    sample = next(Path(folder, found) for folder in ("/lib/x86_64-linux-gnu", "/lib64", "/usr/lib") if Path(folder, found).exists())
    path.write_bytes(sample.read_bytes())
    assert "not a library that edgelstm built" in refusal(kind, path)


@kinds
def test_what_is_no_library_is_refused(path, unloaded, kind):
    folder = path.with_name("folder")
    folder.mkdir()
    assert "directory" in refusal(kind, folder)
    assert "No such file" in refusal(kind, path)
    assert "No such file" in refusal(kind, path / "below")
    path.write_bytes(b"\x7fELF")
    assert "no library of edgelstm" in refusal(kind, path)
    for content in (b"", b"text", bytes(5000), b"\x7fEL"):
        path.write_bytes(content)
        assert "library" in refusal(kind, path, (el.LibraryError, el.UsageError))
    with pytest.raises(el.LibraryError, match="null"):
        kind("a\0b")


@kinds
def test_a_file_that_may_not_be_read_is_refused(sound, path, unloaded, kind, monkeypatch):
    path.write_bytes(sound)

    def forbidden(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(library_file, "open", forbidden, raising=False)
    assert "Permission denied" in refusal(kind, path)


def test_a_model_file_is_told_from_a_library(path):
    model = path.with_name("a.elstm")
    el.save(model_of(NAME), model)
    assert "edgelstm.load" in refusal(el.Stream, model, el.UsageError)
    assert "edgelstm build" in refusal(device.Stream, model)


@kinds
def test_a_sparse_giant_is_refused(path, unloaded, kind):
    with path.open("wb") as file:
        file.write(b"\x7fELF")
        file.truncate(1 << 43)
    assert "larger than this machine's memory" in refusal(kind, path)


#: Fields of the trailer, and what is said of a file that holds another value there.
CHANGED = {
    "another version": ({"abi": 5}, "interface version 5; this edgelstm loads version 1"),
    "an older version": ({"abi": 0}, "interface version 0"),
    "64-bit ARM": ({"machine": 183}, "64-bit programs on 64-bit ARM; this is a 64-bit Python on x86_64"),
    "32-bit ARM": ({"machine": 40, "bits": 32}, "32-bit programs on 32-bit ARM"),
    "RISC-V": ({"machine": 243}, "64-bit RISC-V"),
    "an unknown machine": ({"machine": 999}, "machine 999"),
    "32 bits": ({"bits": 32}, "32-bit programs on x86-64; this is a 64-bit Python"),
    "a missing instruction": ({"needs": b"avx2 teleport ssse3"}, "a CPU with teleport, which this one lacks"),
    "two missing instructions": ({"needs": b"avx1024 teleport"}, "a CPU with avx1024, teleport"),
    "part of a name": ({"needs": b"avx51"}, "a CPU with avx51,"),
    "no words": ({"needs": b"\xff\xfe\xfd"}, "a CPU with "),
    "a size beyond the file": ({"size": 1 << 30}, "Build it again"),
    "a size of nothing": ({"size": 0}, "Build it again"),
    "a size that is no multiple of 4": ({"size": 4097}, "Build it again"),
}


@kinds
@pytest.mark.parametrize("case", CHANGED)
def test_fields_of_the_trailer_are_checked(sound, path, unloaded, kind, case):
    """The digest is right: another program wrote the file, or for another machine."""
    changes, message = CHANGED[case]
    path.write_bytes(sealed_again(sound, **changes))
    assert message in refusal(kind, path)


def test_sealing_again_changes_nothing_else(sound):
    assert sealed_again(sound) == sound
    assert set(FIELDS) >= {"machine", "bits", "abi", "needs", "size"}


@SETTINGS
@given(data=st.data())
def test_wrong_counts_in_a_sealed_trailer_are_refused(sound, path, data):
    """Counts of the trailer that a faulty writer got wrong never reach memory that is not there."""
    trailer = library_file.TRAILER
    fields = list(trailer.unpack_from(sound, len(sound) - trailer.size))
    inputs, outputs, steps = 3, 4, 6
    fields[data.draw(st.sampled_from([inputs, outputs, steps]))] = data.draw(st.integers(0, 1 << 31))
    body = sound[: -trailer.size] + trailer.pack(*fields)[:-32]
    path.write_bytes(body + library_file.digest_of(body))
    if body == sound[:-32]:
        library_file.LibraryFile(path)
    else:
        refusal(library_file.LibraryFile, path)


@kinds
def test_a_library_for_another_machine_is_refused(path, unloaded, kind):
    built(NAME, "rpi4").write(path)
    assert "64-bit ARM" in refusal(kind, path)


@kinds
@pytest.mark.parametrize("step", [1e-3, -1.0, float("nan")])
def test_answers_other_than_those_built_in_are_refused(sound, path, kind, step):
    path.write_bytes(sealed_again(sound, probe=step))
    assert "differs from the answers it was built to give" in refusal(kind, path)
    path.write_bytes(sealed_again(sound, probe=1e-6))
    kind(path)


def test_what_a_target_needs_is_known_on_its_machine():
    """Every word that a trailer can hold can be looked up, and the trailer has room for all of them."""
    for target in targets.TARGETS.values():
        if target.bare_metal:
            continue
        machine, bits = cpu.MACHINES[target.architecture]
        assert bits == target.bits
        if machine in cpu._HWCAP:
            assert set(target.needs) <= set(cpu._HWCAP[machine])
    with pytest.raises(el.LibraryError, match="more room"):
        sealed(b"", el.Stream(model_of(NAME)).program.sizes, "x86_64", ("x" * 80,) * 9, b"", (b"", b"", 0))


def test_the_hosts_library_needs_what_its_compiler_may_use(sound):
    """Another PC that lacks one of these instructions refuses the file instead of dying of it."""
    flags = targets.cpuinfo().get("flags", "").split()
    trailer = library_file.TRAILER.unpack_from(sound, len(sound) - library_file.TRAILER.size)
    needs = trailer[FIELDS["needs"]].rstrip(b"\0").decode().split()
    assert set(needs) == set(flags) & {*targets._V4, *targets._NEWEST}
