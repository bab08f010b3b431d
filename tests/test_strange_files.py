"""Files that are not what somebody thinks they are: pipes, links that lead nowhere, pages of text, archives, spreadsheets."""

import gzip
import json
import os

import pytest
from cli_calls import CSV, call, launch, make_model, refused

import edgelstm as el
from edgelstm import device


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("strange") / "m.elstm"
    el.save(make_model(), found)
    return found


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"Entry not found", "is text, no model file: it begins with 'Entry not found'"),
        ("Größe des Modells überschritten\n".encode() * 40, "is text, no model file: it begins with 'Größe des Modells"),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "is text, no model file: it begins with '<?xml"),
        (b"ax,ay,az\n1,2,3\n", "is text, no model file"),
        (b"import torch\n\n\nclass Net(torch.nn.Module):\n", "is text, no model file"),
        (bytes(5000), "begins with 512 zeros"),
        (b"\xff" * 5000, "is no model file that edgelstm knows"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is no model file that edgelstm knows"),
        (b"Rar!\x1a\x07\x01\0" + bytes(50), "is a RAR archive"),
    ],
)
def test_what_is_no_model_is_told_what_it_is(content, says, tmp_path):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(el.ModelFileError) as refusal:
        el.load(tmp_path / "m.onnx")
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nowhere.onnx", "is a link to nowhere.onnx, which is not there; copy the file itself"),
        (".git/annex/objects/zz/SHA256E-s1--ab.onnx", "which is not there; fetch it with git annex get"),
    ],
)
def test_a_link_that_leads_nowhere_says_where(target, says, tmp_path):
    (tmp_path / "m.onnx").symlink_to(target)
    with pytest.raises(el.ModelFileError) as refusal:
        el.load(tmp_path / "m.onnx")
    assert says in str(refusal.value)


def test_the_home_of_a_shell_is_no_path():
    with pytest.raises(el.ModelFileError, match="expanduser"):
        el.load("~/no-such-model.elstm")


def test_a_module_is_sent_to_from_torch():
    class Module:
        def state_dict(self):
            raise AssertionError

    with pytest.raises(el.UsageError, match=r"edgelstm.from_torch\(module.state_dict\(\)\)"):
        el.load(Module())


def test_a_named_pipe_is_no_model_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    process = launch("describe", tmp_path / "pipe")
    assert process.communicate(timeout=60)[1].endswith(b"is no regular file; copy the model to disk and name that file.\n")
    assert process.returncode == 1
    with pytest.raises(el.UsageError, match="is no built library"):
        el.Stream(tmp_path / "pipe")
    with pytest.raises(el.LibraryError, match="is no library of edgelstm"):
        device.Stream(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(CSV.encode()), "this is compressed by gzip; unpack it: zcat FILE"),
        (b"PK\x03\x04" + bytes(range(100)), "a zip archive, a spreadsheet (.xlsx, .ods) or a .npz file"),
        (b"PAR1" + bytes(range(100)), "a Parquet file"),
        (CSV.encode("utf-16"), "UTF-16 text; write it as UTF-8"),
        (CSV.replace("\n", "\r").encode(), "Its lines end in CR alone"),
        (("ax,ay,az\n" + CSV).replace("\n", "\r").encode(), "Its lines end in CR alone"),
        (b"sep=;\nax;ay;az\n1;2;3\n", "say --skip-lines 1 --delimiter ';'."),
        (b'ax,ay,az,note\n1,2,3,"a\nb"\n', "close every quotation mark, and write no line end within a cell"),
    ],
)
def test_an_input_that_is_no_csv_is_told_what_it_is(content, says, path):
    said = refused(call("run", path, given=content), 1)
    assert says in said
    assert "FILE" not in says or "--bad-lines" not in said  # which would stand behind a command to be typed


def test_the_advice_on_excels_first_line_works(path):
    given = "sep=;\nax;ay;az\n" + CSV.replace(",", ";")
    found = call("run", path, "--skip-lines", "1", "--delimiter", ";", given=given)
    assert found.stdout == call("run", path, given="ax,ay,az\n" + CSV).stdout
    assert found.stdout.count("\n") == 41


@pytest.mark.parametrize("verb", [["run", "-i", "{csv}"], ["describe"], ["describe", "--json"]])
def test_answers_that_a_closed_stdout_loses_are_a_failure(verb, path, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    verb, *options = (word.format(csv=tmp_path / "in.csv") for word in verb)
    process = launch(verb, path, *options, preexec_fn=lambda: os.close(1))
    complaint = process.communicate(timeout=60)[1].decode().splitlines()
    assert process.returncode == 1
    assert complaint == ["edgelstm: standard input or output: Bad file descriptor; check the path, its permissions and the space left."]


def test_a_closed_stdout_is_none_of_the_business_of_a_file(path, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    process = launch("run", path, "-i", tmp_path / "in.csv", "-o", tmp_path / "out.csv", preexec_fn=lambda: os.close(1))
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "out.csv").read_text().count("\n") == 41


@pytest.mark.parametrize("verb", ["score", "generate", "run", "convert"])
def test_examples_of_the_help_stand_on_lines_of_their_own(verb):
    told = call(verb, "--help").stdout
    assert "\\b" not in told
    assert "\n  Examples:\n    edgelstm " in told


@pytest.mark.parametrize("form", [[], ["--log", "json"]])
def test_a_cache_that_cannot_be_written_is_told_as_all_else(form, path, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    (tmp_path / "file").touch()
    process = launch(
        "run", path, "-i", tmp_path / "in.csv", "-o", tmp_path / "out.csv", *form, env={"EDGELSTM_CACHE_DIR": str(tmp_path / "file")}
    )
    told = process.communicate(timeout=120)[1].decode().splitlines()
    (warned,) = (line for line in told if "not cached" in line)
    if form:
        assert json.loads(warned)["level"] == "warning"
        assert all(isinstance(json.loads(line), dict) for line in told)
    else:
        assert warned.startswith("edgelstm: compiled code is not cached")
    assert process.returncode == 0


def test_a_folder_is_no_output(path, tmp_path):
    assert f"--output {tmp_path} is a folder; name a file in it" in refused(call("run", path, "-o", tmp_path, given=CSV), 2)


@pytest.mark.parametrize("options", [["-o", "{}/nope/x.so"], ["-o", "{}"], ["-o", "{}/x.so", "--header", "{}/nope/e.h"]])
def test_build_looks_where_it_writes_before_it_compiles(options, path, tmp_path, monkeypatch):
    monkeypatch.setattr("edgelstm.building.build", lambda *_, **__: pytest.fail("compiled first"))
    said = refused(call("build", path, *(word.format(tmp_path) for word in options)), 2)
    assert f"there is no folder {tmp_path / 'nope'}; create it first" in said or f"{tmp_path} is a folder; name a file in it" in said
