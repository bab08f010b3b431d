"""`edgelstm run`: every sample answered, bad rows named, full disks, live pipes, Ctrl-C."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_calls import CSV, LABELS, ROWS, answers, call, launch, line_of, make_model, refused

import edgelstm as el


@pytest.fixture(scope="module")
def model() -> el.Model:
    return replace(make_model(), window=None)


@pytest.fixture(scope="module")
def path(model: el.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("cli") / "model.elstm"
    el.save(model, file)
    return file


@pytest.fixture(scope="module")
def expected(model: el.Model) -> np.ndarray:
    return el.Stream(model).process(ROWS)


@pytest.mark.parametrize("form", ["csv", "header", "shuffled", "array", "object"])
def test_run_answers_every_sample_as_the_stream_does(path: Path, expected: np.ndarray, form: str) -> None:
    rows = ROWS.tolist()
    given = {
        "csv": CSV,
        "header": "ax,ay,az\n" + CSV,
        "shuffled": "az,time,ay,ax\n" + "".join(f"{z},12:00,{y},{x}\n" for x, y, z in rows),
        "array": "".join(json.dumps(row) + "\n" for row in rows),
        "object": "".join(json.dumps({"t": "noon", "az": z, "ax": x, "ay": y}) + "\n" for x, y, z in rows),
    }
    result = call("run", path, given=given[form])
    assert result.exit_code == 0, result.output
    assert np.array_equal(answers(result.stdout), expected)


def test_run_writes_files_by_suffix(path: Path, expected: np.ndarray, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(CSV)
    for name in ("out.csv", "out.jsonl"):
        assert call("run", path, "--input", source, "--output", tmp_path / name).exit_code == 0
    assert np.array_equal(answers((tmp_path / "out.csv").read_text()), expected)
    objects = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert np.array_equal(np.array([[o[label] for label in LABELS] for o in objects], np.float32), expected)
    assert call("run", path, "--format", "jsonl", given=CSV).output == (tmp_path / "out.jsonl").read_text()


@pytest.mark.parametrize("bad", ["1,2\n", "1,x,3\n", "1,nan,3\n", "\n1,2,3\n", "1,2,3,4\n"])
def test_a_bad_row_leaves_the_output_so_far(path: Path, expected: np.ndarray, tmp_path: Path, bad: str) -> None:
    result = call("run", path, "-o", tmp_path / "out.csv", given=CSV + bad + CSV)
    assert f"line {41 + bad.startswith(chr(10))}: " in refused(result, 1)
    assert np.array_equal(answers((tmp_path / "out.csv").read_text()), expected)


@pytest.mark.parametrize("policy", ["hold", "reset", "propagate"])
def test_a_nan_policy_goes_on_and_says_how_often(path: Path, model: el.Model, policy: str) -> None:
    rows = np.vstack([ROWS[:5], np.full((1, 3), np.nan, np.float32), ROWS[5:]])
    result = call("run", path, "--nan-policy", policy, given="".join(",".join(map(str, row)) + "\n" for row in rows.tolist()))
    assert result.exit_code == 0
    stream = el.Stream(model, nan_policy=policy)
    assert np.array_equal(answers(result.stdout), stream.process(rows), equal_nan=True)
    assert result.stderr.startswith(f"edgelstm: {stream.bad_inputs} ") if stream.bad_inputs else result.stderr == ""


def test_run_will_not_overwrite_what_it_reads(path: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(CSV)
    assert "overwrite" in refused(call("run", path, "-i", source, "-o", tmp_path / "." / "in.csv"), 2)
    assert "overwrite" in refused(call("run", path, "-o", path, "--format", "csv", given=CSV), 2)
    assert source.read_text() == CSV


def test_run_names_an_input_or_output_that_cannot_be_opened(path: Path, tmp_path: Path) -> None:
    assert "in.csv" in refused(call("run", path, "-i", tmp_path / "in.csv"), 1)
    assert str(tmp_path) in refused(call("run", path, "-i", tmp_path), 1)
    assert "none" in refused(call("run", path, "-o", tmp_path / "none" / "out.csv", given=CSV), 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(path: Path) -> None:
    assert "/dev/full: No space left" in refused(call("run", path, "-o", "/dev/full", "--format", "csv", given=CSV), 1)
    with open("/dev/full", "wb") as full:
        process = launch("run", path, stdout=full)
        _, complaint = process.communicate(CSV.encode(), timeout=60)
    assert process.returncode == 1
    assert complaint.startswith(b"edgelstm: <stdout>: No space left")
    assert complaint.count(b"\n") == 1


def test_a_disk_that_fills_up_keeps_whole_lines(path: Path, expected: np.ndarray, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limit = 1 << 18
    process = launch("run", path, "-o", tmp_path / "out.csv", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    _, complaint = process.communicate(CSV.encode() * 1000, timeout=60)
    assert process.returncode == 1
    assert complaint.startswith(b"edgelstm: ")
    assert complaint.count(b"\n") == 1
    text = (tmp_path / "out.csv").read_text()
    assert text.endswith("\n")
    assert limit - 100 < len(text) <= limit
    assert np.array_equal(answers(text)[: len(expected)], expected)


# ---------------------------------------------------------------- a live pipe


def test_every_line_is_answered_while_the_input_is_open(path: Path, expected: np.ndarray) -> None:
    with launch("run", path) as process:
        assert process.stdin is not None
        got = []
        for index, line in enumerate(CSV.splitlines(keepends=True)[:5]):
            process.stdin.write(line.encode())
            process.stdin.flush()
            if index == 0:
                assert line_of(process) == b"rest,walk\n"
            got.append([np.float32(cell) for cell in line_of(process).split(b",")])
        rest, complaint = process.communicate(timeout=60)
    assert (process.returncode, rest, complaint) == (0, b"", b"")
    assert np.array_equal(got, expected[:5])


@pytest.fixture
def _heard_interrupts() -> Iterator[None]:
    """Started in the background, this process may ignore Ctrl-C, and so would the ones that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heard_interrupts")
def test_ctrl_c_ends_clean_with_the_output_so_far(path: Path, expected: np.ndarray, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with launch("run", path, "-o", target, restore_signals=True) as process:
        assert process.stdin is not None
        process.stdin.write(CSV.encode() + b"1,2")
        process.stdin.flush()
        while not target.exists() or target.read_text().count("\n") < 1 + len(ROWS):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest, complaint = process.communicate(timeout=60)
    assert (process.returncode, rest, complaint.strip()) == (130, b"", b"")
    assert np.array_equal(answers(target.read_text()), expected)


def test_a_reader_that_leaves_is_no_error_message(path: Path) -> None:
    with launch("run", path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(CSV.encode())
        process.stdin.flush()
        line_of(process)
        process.stdout.close()
        process.stdin.write(CSV.encode())
        process.stdin.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(60) != 0
