"""`edgelstm run` around the stream: recordings, what is written, appending, rotation, kept state."""

import os
import signal
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_calls import CSV, LABELS, ROWS, answers, call, launch, line_of, lines, make_model, refused, until

import edgelstm as el
from edgelstm.cli import inputs

HEAD = "rest,walk\n"

pytestmark = pytest.mark.usefixtures("heard_signals")


@pytest.fixture(scope="module")
def model() -> el.Model:
    return replace(make_model(), window=None)


@pytest.fixture(scope="module")
def path(model: el.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("run") / "model.elstm"
    el.save(model, file)
    return file


@pytest.fixture(scope="module")
def expected(model: el.Model) -> np.ndarray:
    return el.Stream(model).process(ROWS)


# ---------------------------------------------------------------- recordings


def test_several_inputs_begin_at_the_initial_state_each(path: Path, model: el.Model, tmp_path: Path) -> None:
    stream, parts = el.Stream(model), []
    for name, rows in (("a.csv", ROWS[:15]), ("b.csv", ROWS[15:])):
        (tmp_path / name).write_text("ax,ay,az\n" * (name == "b.csv") + lines(rows))
        stream.reset()
        parts.append(stream.process(rows))
    result = call("run", path, "-i", tmp_path / "a.csv", "-i", tmp_path / "b.csv")
    assert np.array_equal(answers(result.stdout), np.concatenate(parts))
    (tmp_path / "b.csv").write_text("1,2,3\n1,2\n")
    result = call("run", path, "-i", tmp_path / "a.csv", "-i", tmp_path / "b.csv")
    assert f"{tmp_path / 'b.csv'}: line 2: 2 columns" in refused(result, 1)
    assert len(answers(result.stdout)) == 16
    assert "none.csv" in refused(call("run", path, "-i", tmp_path / "a.csv", "-i", tmp_path / "none.csv"), 1)


def test_arrays_are_stepped_as_the_same_lines_are(path: Path, tmp_path: Path) -> None:
    """To the last bit; each recording of a file from the initial state."""
    rows = ROWS.astype(np.float64) * 1.1
    np.save(tmp_path / "whole.npy", rows)
    np.save(tmp_path / "halves.npy", ROWS.reshape(2, 20, 3))
    np.savez(tmp_path / "named.npz", a=ROWS[:20], b=ROWS[20:], labels=[0, 1])
    whole = answers(call("run", path, "-i", tmp_path / "whole.npy").stdout)
    np.testing.assert_array_equal(whole, answers(call("run", path, given=lines(rows)).stdout))
    halves = [answers(call("run", path, given=lines(half)).stdout) for half in (ROWS[:20], ROWS[20:])]
    for name in ("halves.npy", "named.npz"):
        np.testing.assert_array_equal(answers(call("run", path, "-i", tmp_path / name).stdout), np.concatenate(halves))
    np.testing.assert_array_equal(
        answers(call("run", path, "-i", tmp_path / "whole.npy", "--columns", "1,2,3", "--delimiter", ";").stdout), whole
    )


def test_arrays_that_are_no_samples_are_refused_by_their_place(path: Path, tmp_path: Path) -> None:
    bad = ROWS.reshape(2, 20, 3).copy()
    bad[1, 4, 2] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    assert f"{tmp_path / 'bad.npy'}, window 1: line 5" in refused(call("run", path, "-i", tmp_path / "bad.npy"), 1)
    np.save(tmp_path / "wide.npy", ROWS[:, :2])
    assert "wide.npy: line 1: 2 columns, but the model takes 3" in refused(call("run", path, "-i", tmp_path / "wide.npy"), 1)
    with zipfile.ZipFile(tmp_path / "sheet.xlsx", "w") as sheet:
        sheet.writestr("xl/workbook.xml", "<workbook/>")
    assert "sheet.xlsx: is a zip archive, or a spreadsheet" in refused(call("run", path, "-i", tmp_path / "sheet.xlsx"), 1)
    state = call("run", path, "-i", tmp_path / "bad.npy", "--state", tmp_path / "state")
    assert "files of arrays" in refused(state, 2)


@pytest.mark.parametrize("size", [1, 7, 40, 50])
def test_reset_every_n_samples(path: Path, model: el.Model, size: int) -> None:
    stream, parts = el.Stream(model), []
    for start in range(0, len(ROWS), size):
        stream.reset()
        parts.append(stream.process(ROWS[start : start + size]))
    result = call("run", path, "--reset-every", size, given=CSV)
    assert np.array_equal(answers(result.stdout), np.concatenate(parts))


@pytest.mark.parametrize("marks", ["a" * 40, "a" * 10 + "b" * 20 + "a" * 10, "ab" * 20])
@pytest.mark.parametrize("form", ["csv", "header", "json"])
def test_reset_on_a_column(path: Path, model: el.Model, marks: str, form: str) -> None:
    stream, parts = el.Stream(model), []
    for index, (mark, row) in enumerate(zip(marks, ROWS, strict=True)):
        if index and mark != marks[index - 1]:
            stream.reset()
        parts.append(stream.step(row).copy())
    given = ("id,ax,ay,az\n" if form == "header" else "") + lines(ROWS, list(marks))
    if form == "json":
        given = "".join(
            f'{{"m": {{"id": "{m}"}}, "ax": {r[0]!r}, "ay": {r[1]!r}, "az": {r[2]!r}}}\n' for m, r in zip(marks, ROWS.tolist(), strict=True)
        )
    result = call("run", path, "--reset-on", {"csv": "1", "header": "ID", "json": "m.id"}[form], given=given)
    assert np.array_equal(answers(result.stdout), np.array(parts)), result.output


def test_a_model_with_a_window_says_once_what_going_beyond_it_means(tmp_path: Path) -> None:
    el.save(make_model(), tmp_path / "m.elstm")
    note = call("run", tmp_path / "m.elstm", given=CSV + CSV).stderr
    assert note.count("\n") == 1
    assert "windows of 20 samples" in note
    assert "--reset-every 20" in note
    for quiet in (["--reset-every", "20"], ["--reset-on", "1", "--columns", "1-3"]):
        assert call("run", tmp_path / "m.elstm", *quiet, given="".join(f"{line},0,0\n" for line in "1" * 50)).stderr == ""
    assert call("run", tmp_path / "m.elstm", given=lines(ROWS[:20])).stderr == ""
    el.save(replace(make_model(), stateful=True), tmp_path / "s.elstm")
    assert call("run", tmp_path / "s.elstm", given=CSV).stderr == ""


@pytest.mark.parametrize(
    "options",
    [
        ["--reset-every", "2", "--reset-on", "1"],
        ["--reset-on", "1,2"],
        ["--reset-every", "0"],
        ["--state", "s", "--reset-every", "2"],
        ["--state", "s", "-i", "a", "-i", "b"],
        ["--append"],
        ["--bad-lines", "missing"],
        ["--decimal", ",", "--delimiter", ","],
        ["--delimiter", "ab"],
        ["--header", "perhaps"],
        ["--missing", "NA,"],
        ["--keep", ""],
        ["--skip-lines", "-1"],
        ["--state", "none/such/folder/s"],
    ],
)
def test_options_that_contradict_each_other_are_refused_at_once(path: Path, options: list[str]) -> None:
    refused(call("run", path, *options, given=CSV), 2)


# ---------------------------------------------------------------- what is written


def test_kept_columns_stand_before_the_answer(path: Path, expected: np.ndarray) -> None:
    times = [f"12:{i:02}, x" for i in range(40)]
    given = "time,ax,ay,az\n" + lines(ROWS, [f'"{t}"' for t in times])
    written = call("run", path, "--keep", "Time", given=given).stdout.splitlines()
    assert written[0] == "time,rest,walk"
    assert [line.rsplit(",", 2)[0].strip('"') for line in written[1:]] == times
    assert np.array_equal(np.array([line.rsplit(",", 2)[1:] for line in written[1:]], np.float32), expected)
    assert call("run", path, "--keep", "1", "--format", "jsonl", given=given).stdout.startswith('{"time": "12:00, x", "rest": ')
    assert call("run", path, "--keep", "4", given="1,2,3,7\n").stdout.startswith("column4,rest,walk\n7,")


def test_a_decision_is_the_label_of_the_largest_output(model: el.Model, expected: np.ndarray, tmp_path: Path) -> None:
    lstm, head = model.layers
    lead = np.median(expected[:, 0] - expected[:, 1])
    balanced = replace(model, layers=(lstm, replace(head, bias=head.bias - np.array([lead, 0], np.float32))))
    el.save(balanced, path := tmp_path / "m.elstm")
    scores = el.Stream(balanced).process(ROWS)
    said = [LABELS[best] for best in scores.argmax(axis=1)]
    assert call("run", path, "--format", "label", given=CSV).stdout.splitlines() == said
    changes = [i for i in range(40) if not i or said[i] != said[i - 1]]
    assert 2 < len(changes) < 40
    assert call("run", path, "--format", "label", "--on-change", given=CSV).stdout.splitlines() == [said[i] for i in changes]
    assert np.array_equal(answers(call("run", path, "--on-change", given=CSV).stdout), scores[changes])
    with_nan = lines(ROWS[:2]) + "nan,0,0\n"
    assert call("run", path, "--format", "label", "--nan-policy", "reset", given=with_nan).stdout.splitlines() == [*said[:2], ""]


def test_a_single_output_decides_nothing(tmp_path: Path) -> None:
    el.save(el.Model((el.Dense(np.ones((1, 3)), np.zeros(1)),)), tmp_path / "m.elstm")
    for asked in (["--format", "label"], ["--on-change"]):
        assert "has one" in refused(call("run", tmp_path / "m.elstm", *asked, given=CSV), 2)


def test_yesterdays_file_stays_until_the_first_sample_is_good(path: Path, expected: np.ndarray, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("yesterday")
    for given in ("", "1,2\n", "ax,ay,az\n", "nan,1,2\n", "a,b,c\n1,2,3\n"):
        call("run", path, "-o", target, given=given)
        assert target.read_text() == "yesterday"
    assert call("run", path, "-o", target, given=CSV).exit_code == 0
    assert np.array_equal(answers(target.read_text()), expected)
    call("run", path, "-o", tmp_path / "new.csv", given="1,2\n")
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_append_writes_no_second_header(path: Path, tmp_path: Path, name: str) -> None:
    whole, target = tmp_path / f"whole-{name}", tmp_path / name
    call("run", path, "-o", whole, "--reset-every", 20, given=CSV)
    for part in (ROWS[:20], ROWS[20:]):
        assert call("run", path, "-o", target, "--append", given=lines(part)).exit_code == 0
    assert target.read_text() == whole.read_text()


def test_append_repairs_a_torn_line_and_refuses_another_header(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("rest,walk\n0.1,0.")
    call("run", path, "-o", target, "--append", given=lines(ROWS[:1]))
    assert target.read_text().startswith("rest,walk\n0.1,0.\n-0.3")
    before = target.read_text()
    assert "another header" in refused(call("run", path, "-o", target, "--append", "--keep", "4", given="1,2,3,4\n"), 2)
    assert target.read_text() == before


@pytest.mark.parametrize("options", [[], ["--append"]])
def test_a_file_that_is_cut_by_log_rotation_goes_on_whole(path: Path, tmp_path: Path, options: list[str]) -> None:
    target = tmp_path / "out.csv"
    with launch("run", path, "-o", target, *options) as process:
        assert process.stdin is not None
        process.stdin.write(lines(ROWS[:20]).encode())
        until(lambda: target.exists() and target.read_text().count("\n") == 21, process)
        os.truncate(target, 0)
        process.stdin.write(lines(ROWS[20:]).encode())
        process.communicate(timeout=60)
    text = target.read_text()
    assert "\0" not in text
    assert len(answers(text)) == 20


def test_paths_are_tried_before_anything_is_compiled(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **options: object) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr("edgelstm.stream.Stream.__init__", never)
    refused(call("run", path, "-o", tmp_path / "none" / "out.csv", given=CSV), 1)
    refused(call("run", path, "-i", tmp_path / "none.csv"), 1)
    refused(call("run", path, "--state", tmp_path / "none" / "s", given=CSV), 2)
    refused(call("run", path, "--state", f"{path}/s/", given=CSV), 2)


# ---------------------------------------------------------------- state


def test_a_state_is_taken_up_and_kept(path: Path, expected: np.ndarray, tmp_path: Path) -> None:
    parts = []
    for part in (ROWS[:13], ROWS[13:14], ROWS[14:14], ROWS[14:]):
        parts.append(answers(call("run", path, "--state", tmp_path / "s", given=lines(part)).stdout))
    assert np.array_equal(np.concatenate(parts), expected)
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_a_state_belongs_to_the_answers_before_a_bad_line(path: Path, expected: np.ndarray, tmp_path: Path) -> None:
    refused(call("run", path, "--state", tmp_path / "s", given=lines(ROWS[:5]) + "1,2\n"), 1)
    assert np.array_equal(answers(call("run", path, "--state", tmp_path / "s", given=lines(ROWS[5:])).stdout), expected[5:])


def test_another_models_state_is_refused_with_the_way_out(path: Path, tmp_path: Path) -> None:
    el.save(el.Model((el.Dense(np.ones((2, 3)), np.zeros(2)),)), tmp_path / "m.elstm")
    call("run", tmp_path / "m.elstm", "--state", tmp_path / "s", given=CSV)
    (tmp_path / "text").write_text("no state")
    (tmp_path / "cut").write_bytes((tmp_path / "s").read_bytes()[:-1])
    for name in ("s", "text", "cut"):
        before = (tmp_path / name).read_bytes()
        says = refused(call("run", path, "--state", tmp_path / name, given=CSV), 1)
        assert "Name another file, or remove this one" in says
        assert "reset()" not in says
        assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_keeps_the_state_and_whole_lines(path: Path, expected: np.ndarray, tmp_path: Path, number: int) -> None:
    with launch("run", path, "--state", tmp_path / "s", "-o", tmp_path / "out.csv") as process:
        assert process.stdin is not None
        process.stdin.write(lines(ROWS[:9]).encode() + b"1,2")
        until(lambda: (tmp_path / "out.csv").exists() and (tmp_path / "out.csv").read_text().count("\n") == 10, process)
        process.send_signal(number)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert complaint.strip() == b""
    assert np.array_equal(answers((tmp_path / "out.csv").read_text()), expected[:9])
    assert np.array_equal(answers(call("run", path, "--state", tmp_path / "s", given=lines(ROWS[9:])).stdout), expected[9:])


def test_a_signal_that_is_ignored_stays_ignored(path: Path) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with launch("run", path, restore_signals=False) as process:
        assert process.stdin is not None
        process.stdin.write(b"1,2,3\n")
        assert line_of(process) == HEAD.encode()
        process.send_signal(signal.SIGHUP)
        process.stdin.write(b"1,2,3\n")
        rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest.count(b"\n")) == (0, 2)


@pytest.mark.parametrize("what", ["writes to", "reads"])
def test_a_pipe_that_nobody_opens_is_told_of(what, tmp_path, monkeypatch):
    said, told = threading.Event(), []
    monkeypatch.setattr(inputs, "PATIENCE", 0)
    monkeypatch.setattr(inputs, "say", lambda sentence: (told.append(sentence), said.set()))
    os.mkfifo(tmp_path / "p")
    with inputs.waiting(f"{tmp_path}/p", what):
        assert said.wait(10)
    (tmp_path / "f").touch()
    with inputs.waiting(f"{tmp_path}/f", what):
        pass
    assert told == [f"{tmp_path}/p is a pipe that nobody {what} yet; waiting. Ctrl-C ends."]


def test_json_lines_are_not_written_behind_a_csv(path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("rest,walk\n1,2\n")
    assert "is of another form" in refused(call("run", path, "-o", tmp_path / "a.csv", "--append", "--format", "jsonl", given=CSV), 2)
    assert (tmp_path / "a.csv").read_text() == "rest,walk\n1,2\n"
    for _ in range(2):
        assert call("run", path, "-o", tmp_path / "a.jsonl", "--append", given=CSV).exit_code == 0
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 80
