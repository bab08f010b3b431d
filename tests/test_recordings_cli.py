"""`edgelstm` with models that read whole recordings."""

import json

import numpy as np
import pytest
from cli_calls import CSV, LABELS, ROWS, answers, call, refused
from conftest import lstm_layers

import edgelstm as el


def tagger(**options):
    rng = np.random.default_rng(4)
    both = [layer for _ in range(2) for layer in lstm_layers(rng, 3, 4, 1)]
    return el.Model(
        [*el.Bidirectional(*both, inputs=("input",), **options), el.Dense(rng.uniform(-1, 1, (2, 8)))], labels=LABELS, window=20
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    el.save(tagger(), folder / "tagger.elstm")
    el.save(tagger(sequences=False), folder / "summary.elstm")
    for name, rows in (("a", ROWS[:25]), ("b", ROWS[25:])):
        np.savetxt(folder / f"{name}.csv", rows, delimiter=",", fmt="%.9g")
    return folder


def test_run_answers_when_the_recording_is_whole(files):
    done = call("run", files / "tagger.elstm", given=CSV)
    assert done.exit_code == 0
    assert not done.stderr
    np.testing.assert_allclose(answers(done.stdout), el.Stream(tagger()).process(ROWS), atol=1e-6)


def test_run_answers_each_recording_apart(files):
    stream = el.Stream(tagger(sequences=False))
    expected = np.concatenate([stream.process(ROWS[:25]), stream.process(ROWS[25:])])
    done = call("run", files / "summary.elstm", "-i", files / "a.csv", "-i", files / "b.csv")
    np.testing.assert_allclose(answers(done.stdout), expected, atol=1e-6)
    done = call("run", files / "summary.elstm", "--reset-every", 25, given=CSV)
    np.testing.assert_allclose(answers(done.stdout), expected, atol=1e-6)


def test_run_names_the_line_of_a_bad_sample(files):
    lines = CSV.splitlines()
    lines[6] = "1,inf,2"
    message = refused(call("run", files / "tagger.elstm", given="\n".join(lines)), 1)
    assert "line 7" in message


def test_run_keeps_no_state(files, tmp_path):
    message = refused(call("run", files / "tagger.elstm", "--state", tmp_path / "state", given=CSV), 2)
    assert "keeps nothing from one recording to the next" in message


def test_verify_compares_recordings(files, tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    np.save(tmp_path / "y.npy", el.Stream(tagger(sequences=False)).process(ROWS))
    done = call("verify", files / "summary.elstm", "--data", tmp_path / "x.npy", "--expect", tmp_path / "y.npy")
    assert done.exit_code == 0, done.output


def test_describe_says_so(files):
    assert "whole recordings alone" in call("describe", files / "tagger.elstm").output
    told = json.loads(call("describe", files / "summary.elstm", "--json").stdout)
    assert (told["streams"], told["sums_up"]) == (False, True)


@pytest.mark.slow
def test_bench_times_recordings(files):
    done = call("bench", files / "tagger.elstm", "--rate", 5, "--steps", 20, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["recording"] == 64
    assert "a recording of 64, full speed" in call("bench", files / "tagger.elstm", "--rate", 5, "--steps", 20).output


def test_build_says_what_a_recording_takes(files, tmp_path):
    done = call("build", files / "summary.elstm", "--target", "cortex-m4f", "-o", tmp_path / "model.o", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    header = (tmp_path / "model.h").read_text()
    assert f"#define EDGELSTM_ROW_BYTES {told['row_bytes']}\n" in header
    assert "#define EDGELSTM_SUMS_UP 1\n" in header
    assert "snapshot_bytes" not in told
    assert "for each row of a recording" in call("build", files / "summary.elstm", "-o", tmp_path / "model.so").output


def test_quantize_reports_what_recordings_cost(files, tmp_path):
    np.savez(tmp_path / "w.npz", windows=np.random.default_rng(2).normal(size=(12, 30, 3)).astype(np.float32))
    made, page = tmp_path / "small.elstm", tmp_path / "report.html"
    done = call("quantize", files / "summary.elstm", "--data", tmp_path / "w.npz", "-o", made, "--report", page)
    assert done.exit_code == 0, done.output
    assert "a call of step()" not in done.output + page.read_text()
    small = el.load(made)
    assert (small.streams, small.sums_up, small.scheme) == (False, True, "int8-dynamic")
    np.testing.assert_allclose(el.Stream(small).process(ROWS), el.Stream(tagger(sequences=False)).process(ROWS), atol=0.05)
