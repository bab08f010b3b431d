"""`run`, `bench` and `describe` take a built library as they take a model."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from cli_calls import CSV, LABELS, ROWS, answers, call, make_model, refused
from conftest import lstm_layers

import edgelstm as el
from edgelstm.cli import measure
from edgelstm.runtime.library_file import DIGEST_SIZE, LibraryFile, digest_of

OTHER = "aarch64" if os.uname().machine == "x86_64" else "x86-64-v2"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "m.so"
    el.build(make_model()).write(path)
    return path


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "foreign.so"
    el.build(make_model(), OTHER).write(path)
    return path


def forged(path: Path, place: Path, old: bytes, new: bytes) -> Path:
    """A copy with other bytes and a digest that fits them."""
    assert len(old) == len(new)
    data = path.read_bytes()
    assert old in data
    body = data[:-DIGEST_SIZE].replace(old, new)
    place.write_bytes(body + digest_of(body))
    return place


def test_run_answers_as_the_stream_does(library: Path) -> None:
    expected = el.Stream(library).process(ROWS)
    for given in (CSV, "az,time,ay,ax\n" + "".join(f"{z},12:00,{y},{x}\n" for x, y, z in ROWS.tolist())):
        result = call("run", library, given=given)
        assert result.exit_code == 0, result.output
        assert np.array_equal(answers(result.stdout), expected)
    lines = call("run", library, "--format", "jsonl", given=CSV).stdout.splitlines()
    assert np.array_equal(np.array([[json.loads(line)[label] for label in LABELS] for line in lines], np.float32), expected)
    assert "overwrite" in refused(call("run", library, "-o", library, "--format", "csv", given=CSV), 2)


def test_a_library_for_another_machine_is_not_stepped(foreign: Path) -> None:
    for verb in ("run", "bench"):
        options = ["--rate", 100] if verb == "bench" else []
        assert "this is a 64-bit Python on" in refused(call(verb, foreign, *options, given=CSV), 1)


def test_bench_measures_a_library(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LAUNCHES", 1)
    told = json.loads(call("bench", library, "--steps", 50, "--json").stdout)
    assert told["rate_hz"] == 50  # the model's own
    assert told["deadline_ns"] == 1e9 / 50
    cold = told["cold_start_ns"]
    assert tuple(cold) == (*measure.LIBRARY_PHASES, "total")
    assert all(cold[phase] > 0 for phase in measure.LIBRARY_PHASES)
    assert told["bytes"]["weights"] == LibraryFile(library).info["weight_bytes"]
    shown = call("bench", library, "--rate", 5000, "--steps", 50).stdout
    assert "load library" in shown
    assert "cache" not in shown


def test_bench_refuses_what_needs_the_model(library: Path) -> None:
    assert "give the .elstm file" in refused(call("bench", library, "--all-schemes"), 2)


def test_inputs_of_a_library_are_in_its_units(tmp_path: Path) -> None:
    model = el.Model((el.Normalizer([100.0, 0.0, 0.0], [5.0, 1.0, 0.1]), *lstm_layers(np.random.default_rng(5), 3, 4, 1)))
    el.build(model).write(tmp_path / "m.so")
    xs = measure.samples(LibraryFile(tmp_path / "m.so"))
    assert xs.dtype == np.float32
    assert np.abs((xs.mean(axis=0) - [100, 0, 0]) / [5, 1, 0.1]).max() < 0.5
    assert np.allclose(xs.std(axis=0) / [5, 1, 0.1], 0.58, atol=0.25)  # its probe is uniform in [-1, 1]: 1 / sqrt(3)
    words = el.Model((el.Embedding(np.ones((9, 2))), el.Dense(np.ones((1, 2)))))
    el.build(words).write(tmp_path / "w.so")
    assert set(measure.samples(LibraryFile(tmp_path / "w.so")).ravel()) == set(range(9))


def test_describe_replays_a_library_of_this_machine(library: Path) -> None:
    told = json.loads(call("describe", library, "--json").stdout)
    assert told["runs_here"]
    assert told["file_bytes"] == library.stat().st_size
    assert (told["input_names"], told["labels"], told["rate_hz"], told["scheme"]) == (["ax", "ay", "az"], list(LABELS), 50, "f32")
    assert told["probe"]["steps"] == 16
    assert told["probe"]["replay_difference"] <= 1e-4
    shown = call("describe", library).stdout
    for words in ("runs here", "yes", "replayed here", "ax, ay, az", "rest, walk", told["digest"], "lstm0"):
        assert words in shown


def test_describe_reads_a_library_of_another_machine_without_loading_it(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL.__init__", None)
    told = json.loads(call("describe", foreign, "--json").stdout)
    assert not told["runs_here"]
    assert told["target"] == OTHER
    assert told["probe"] == {"steps": 16, "replay_difference": None}
    assert "not replayed" in call("describe", foreign).stdout


def test_describe_tells_damage(library: Path, foreign: Path, tmp_path: Path) -> None:
    data = bytearray(foreign.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.so").write_bytes(data)
    assert "digest" in refused(call("describe", tmp_path / "bad.so"), 1)
    (tmp_path / "short.so").write_bytes(foreign.read_bytes()[:-100])
    assert "cut short" in refused(call("describe", tmp_path / "short.so"), 1)
    outputs = bytes(LibraryFile(library).probe_outputs)
    wrong = forged(library, tmp_path / "wrong.so", outputs, np.full(len(outputs) // 4, 9, np.float32).tobytes())
    assert "differs from the answers" in refused(call("describe", wrong), 1)


@pytest.mark.parametrize(
    "claims",
    [
        {"layers": 7},
        {"layers": [7, None]},
        {"input_names": 12345, "rate_hz": "often"},
        {"labels": ["\x1b[1m", 3], "weight_bytes": "many"},
        {"file_bytes": "none", "probe": 1, "misfit": "", "runs_here": True},
        {"target": None, "cpu": ["a"], "digest": {}},
    ],
)
def test_describe_believes_nothing_that_a_library_says(foreign: Path, tmp_path: Path, claims: dict[str, object]) -> None:
    told = LibraryFile(foreign).info
    old = json.dumps(told).encode()
    new = json.dumps({"digest": "", "layers": []} | {"target": told["target"]} | claims).encode()
    result = call("describe", forged(foreign, tmp_path / "forged.so", old, new.ljust(len(old))))
    assert result.exit_code == 0, result.exception
    assert "\x1b" not in result.output
    assert "no: it is for" in result.output


def test_a_library_that_says_nothing_is_refused(foreign: Path, tmp_path: Path) -> None:
    for new in (b'["abi": 1', b"7" + b" " * 8):
        path = forged(foreign, tmp_path / "forged.so", b'{"abi": 1', new)
        assert "does not say what it is" in refused(call("describe", path), 1)


def test_a_trailer_that_does_not_add_up_is_refused(foreign: Path, tmp_path: Path) -> None:
    size = LibraryFile(foreign).size.to_bytes(4, "little")
    data = foreign.read_bytes()
    place = len(data) - DIGEST_SIZE - 4
    assert data[place : place + 4] == size
    body = data[:place] + (2**31 + 1).to_bytes(4, "little")
    (tmp_path / "m.so").write_bytes(body + digest_of(body))
    assert "do not add up" in refused(call("describe", tmp_path / "m.so"), 1)
