"""The command line as users and scripts meet it: help, `convert`, `describe`, exit codes, errors of one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_calls import CSV, LABELS, ROOT, ROWS, answers, arrays, call, launch, make_model, refused
from safetensors.numpy import save_file

import edgelstm as el
from edgelstm.cli import VERBS


@pytest.fixture(scope="module")
def model() -> el.Model:
    return make_model()


@pytest.fixture(scope="module")
def path(model: el.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("cli") / "model.elstm"
    el.save(model, file)
    return file


@pytest.fixture(scope="module")
def expected(model: el.Model) -> np.ndarray:
    return el.Stream(model).process(ROWS)


@pytest.mark.parametrize("args", ["['--help']", "[]", "['--version']"])
def test_help_imports_nothing_heavy(args: str) -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom edgelstm.cli import main\ntry: main({args})\n"
    program += "except SystemExit as e: print(e.code, {'numpy', 'numba', 'llvmlite', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 set()"


def test_running_from_a_warm_cache_imports_no_compiler(path: Path, expected: np.ndarray) -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom edgelstm.cli import main\ntry: main(['run', {str(path)!r}])\n"
    program += "except SystemExit as e: print(e.code, {'numba', 'llvmlite', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, input=CSV)
    *lines, last = done.stdout.splitlines(keepends=True)
    assert last == "0 set()\n"
    assert np.array_equal(answers("".join(lines)), expected)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_teaches(verb: str) -> None:
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert result.output.count(f"edgelstm {verb}") >= 3  # the usage line and two examples


@pytest.mark.parametrize(
    "args",
    [
        ["--frobnicate"],
        ["frobnicate"],
        ["run"],
        ["run", "m", "--frobnicate"],
        ["run", "m", "--nan-policy", "guess"],
        ["run", "m", "--output", "answers.xlsx"],
        ["run", "m", "--columns", "3-1"],
        ["convert", "m.pt"],
        ["convert", "m.pt", "-o", "m.elstm", "--window", "many"],
        ["describe", "a", "b"],
        ["bench", "m", "--rate", "fast"],
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(args: list[str]) -> None:
    refused(call(*args), 2)


def damaged(how: str, path: Path, folder: Path) -> Path:
    """A file that is no model any more."""
    data = path.read_bytes()
    contents: dict[str, bytes] = {
        "truncated": data[: len(data) // 2],
        "empty": b"",
        "text": b"1,2,3\n4,5,6\n",
        "noise": np.random.default_rng(0).bytes(4096),
        "changed": data[:-5] + bytes([data[-5] ^ 255]) + data[-4:],
        "escape": data.replace(b"walk", b"\x1b[2J"),
    }
    if how in contents:
        (folder / "m.elstm").write_bytes(contents[how])
        return folder / "m.elstm"
    return folder if how == "folder" else folder / "missing\a\x1b[2J.elstm"


@pytest.mark.parametrize("verb", [["describe"], ["bench", "--rate", "900", "--steps", "20"]])
def test_a_terminal_without_unicode_gets_tables_too(path: Path, verb: list[str]) -> None:
    process = launch(verb[0], path, *verb[1:], env={"PYTHONIOENCODING": "ascii"})
    printed, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, b"")
    assert printed.isascii()


@pytest.mark.parametrize("stream", [0, 2])
@pytest.mark.parametrize("verb", ["run", "describe"])
def test_closed_standard_streams_are_empty_ones(path: Path, verb: str, stream: int) -> None:
    process = launch(verb, path, preexec_fn=lambda: os.close(stream))
    _, complaint = process.communicate(b"1,2,3\n", timeout=60)
    nothing = b"edgelstm: the input holds no samples.\n" if (verb, stream) == ("run", 0) else b""
    assert (process.returncode, complaint) == (0, nothing)


@pytest.mark.parametrize("how", ["truncated", "empty", "text", "noise", "changed", "escape", "folder", "missing"])
@pytest.mark.parametrize("verb", [["describe"], ["run"], ["bench", "--rate", "9"], ["convert", "-o", "/dev/null/x.elstm"]])
def test_a_bad_model_file_is_one_line_and_exit_code_1(how: str, verb: list[str], path: Path, tmp_path: Path) -> None:
    verb, *options = verb
    refused(call(verb, damaged(how, path, tmp_path), *options, given=CSV), 1)


# ---------------------------------------------------------------- describe


def test_describe_counts_what_the_model_holds(path: Path, model: el.Model) -> None:
    told = json.loads(call("describe", path, "--json").output)
    assert told["parameters"] == model.parameters == 16 * (3 + 4 + 1) + 2 * (4 + 1)
    assert told["multiply_accumulates"] == 16 * (3 + 4) + 2 * 4
    assert told["parameter_bytes"] == 4 * model.parameters
    assert told["file_bytes"] == path.stat().st_size
    assert told["probe"]["replay_difference"] < 1e-6
    assert (told["labels"], told["rate_hz"], told["window"], told["stateful"]) == (list(LABELS), 50, 20, None)
    assert [(layer["kind"], layer["output_size"]) for layer in told["layers"]] == [("lstm", 4), ("dense", 2)]


def test_describe_prints_the_same_as_tables(path: Path) -> None:
    told = json.loads(call("describe", path, "--json").output)
    printed = call("describe", path).output
    for shown in ("3: ax, ay, az", "2: rest, walk", "50 Hz", "windows of 20 steps", "138", "120", told["digest"], told["probe"]["source"]):
        assert shown in printed


# ---------------------------------------------------------------- convert


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    save_file(arrays(), tmp_path / "trained.safetensors")
    return tmp_path / "trained.safetensors"


def test_convert_writes_what_run_answers_from(trained: Path, tmp_path: Path, expected: np.ndarray) -> None:
    target = tmp_path / "out.elstm"
    names = ["--labels", "rest, walk", "--input-names", "ax,ay,az", "--rate", "50", "--window", "20"]
    result = call("convert", trained, "-o", target, "--layers", "lstm, fc", *names)
    assert result.exit_code == 0, result.output
    model = el.load(target)
    assert (model.labels, model.input_names, model.rate_hz, model.window) == (LABELS, ("ax", "ay", "az"), 50, 20)
    assert np.array_equal(answers(call("run", target, given=CSV).stdout), expected)
    assert json.loads(call("convert", trained, "-o", target, "--json").output)["parameters"] == model.parameters


def test_the_front_door_prints_the_same_as_the_verb(trained: Path, tmp_path: Path) -> None:
    args = ["convert", str(trained), "-o", str(tmp_path / "out.elstm"), "--layers", "lstm, fc:tanh, softmax"]
    verb = call(*args)
    door = subprocess.run([sys.executable, ROOT / "tools" / "convert.py", *args[1:]], capture_output=True, text=True, check=False)
    assert (verb.exit_code, door.returncode, door.stderr) == (0, 0, "")
    assert "tanh" in door.stdout
    assert door.stdout == verb.output


@pytest.mark.parametrize(
    "options", [["--layers", "lstm, fc, bogus"], ["--layers", "lstm, fc:bogus"], ["--labels", "a,b,c"], ["--rate", "nan"]]
)
def test_what_convert_refuses_leaves_no_file(trained: Path, tmp_path: Path, options: list[str]) -> None:
    result = call("convert", trained, "-o", tmp_path / "out.elstm", *options)
    refused(result, 2 if isinstance(result.exception, SystemExit) and result.exit_code == 2 else 1)
    assert not (tmp_path / "out.elstm").exists()


def test_convert_into_a_missing_folder_is_one_line(trained: Path, tmp_path: Path) -> None:
    refused(call("convert", trained, "-o", tmp_path / "none" / "out.elstm"), 1)
