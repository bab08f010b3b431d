"""Lines with times: `edgelstm run --time`, of one stream and of streams by key."""

import json

import numpy as np
import pytest
from cli_calls import ROWS, call, refused
from time_twin import MODEL

import edgelstm as el
from edgelstm.runners import Samples, timed_rows
from edgelstm.runners.counts import LineCount


class Kept:
    def __init__(self):
        self.lines = []

    def write(self, answers, kept=()):
        self.lines += [(*before, *answer) for before, answer in zip(kept or [()] * len(answers), answers.tolist(), strict=True)]


def test_lines_with_times_are_answered_at_their_instants():
    times = ["2026-11-28T15:00:00Z", "2026-11-28T16:00:00.020+01:00", "2026-11-28 15:00:00.080", "2026-11-28T15:00:00.02Z", 1795878000.1]
    kept, timed = Kept(), el.Timed(el.Stream(MODEL), 0.02)
    timed_rows.run(timed, [Samples(ROWS[:5], range(1, 6), [[i, t] for i, t in enumerate(times)])], kept)
    expected = el.Stream(MODEL).process(ROWS[[0, 1, 1, 1, 2, 4]])
    assert [line[0] for line in kept.lines] == [0, 1, None, None, 2, 4]
    assert np.array_equal(np.array([line[1:] for line in kept.lines], np.float32), expected)
    assert timed_rows.seconds("1500", "ms") == timed_rows.seconds(1.5) == 1.5
    for odd in ("noon", "", True, None):
        with pytest.raises(el.InputError, match="line 7: a time must be a number"):
            timed_rows.run(timed, [Samples(ROWS[:1], (7,), [[odd]])], kept)


def test_run_steps_lines_at_their_times(tmp_path):
    el.save(MODEL, tmp_path / "m.elstm")
    times = [0, 20, 20, 80, 40, 100, 5000]
    given = "t,n,ax,ay,az\n" + "".join(f"{t},{i},{','.join(map(repr, ROWS[i].tolist()))}\n" for i, t in enumerate(times))
    told = ("run", tmp_path / "m.elstm", "--time", "t", "--time-unit", "ms", "--keep", "n", "--metrics", tmp_path / "m.jsonl")
    result = call(*told, "--state", f"{tmp_path}/s/", given=given)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        "edgelstm: 2 of 7 samples were left out by their times: 1 older than the one before, 1 at a time that had one.",
        "edgelstm: 2 instants had no sample; --on-gap says what is done then.",
        "edgelstm: the stream began anew at 1 of 7 samples: they came long after the one before (--max-gap), or long before it.",
    ]
    header, *lines = [line.split(",") for line in result.stdout.splitlines()]
    assert header == ["n", "rest", "walk"]
    stream = el.Stream(MODEL)
    expected = np.concatenate([stream.process(ROWS[[0, 1, 1, 1, 3, 5]]), el.Stream(MODEL).process(ROWS[6:7])])
    assert [line[0] for line in lines] == ["0", "1", "", "", "3", "5", "6"]
    assert np.array_equal(np.array([line[1:] for line in lines], np.float32), expected)
    counted = json.loads((tmp_path / "m.jsonl").read_text())
    assert [counted[name] for name in ("duplicates", "late", "missing", "long_gaps")] == [1, 1, 2, 1]
    other = given.replace("\n0,0,", "\n0,0,1") + "5020,7,1,2,3\n"  # begins otherwise, so it is not the same file
    again = call(*told, "--state", f"{tmp_path}/s/", "--late", "error", given=other)
    assert "line 2: this sample is 5 s older" in refused(again, 1)
    again = call(*told, "--state", f"{tmp_path}/s/", "--max-gap", 100, given=given + "5020,7,1,2,3\n")
    assert len(again.stdout.splitlines()) == 2
    for odd in (["--max-gap", "0.001"], ["--period", "-1"]):
        refused(call(*told, *odd, given=given), 2)


def test_times_in_another_unit_are_suspected(tmp_path):
    """Milliseconds taken for seconds begin the stream anew at each sample, whose answers look as good as others."""
    el.save(MODEL, tmp_path / "m.elstm")
    given = "t,ax,ay,az\n" + "".join(f"{20 * i},1,2,3\n" for i in range(9))
    result = call("run", tmp_path / "m.elstm", "--time", "t", given=given)
    assert "anew at 8 of 9 samples" in result.stderr
    assert "are times in s (--time-unit)" in result.stderr
    assert call("run", tmp_path / "m.elstm", "--time", "t", "--time-unit", "ms", given=given).stderr == ""


def test_streams_by_key_have_times_of_their_own(tmp_path):
    """Two watches whose clocks differ by years, one of which has a gap; the run is ended and taken up in between."""
    el.save(MODEL, tmp_path / "m.elstm")
    times = {"a": [0, 20, 40, 120, 140, 160], "b": [9e9, 9e9 + 20, 9e9 + 40, 9e9 + 60, 9e9 + 60, 9e9 + 80]}
    lines = [f"{key},{times[key][i]:.0f},{i},{','.join(map(repr, ROWS[i].tolist()))}\n" for i in range(6) for key in "ab"]
    odd = f"a,noon,9,{','.join(map(repr, ROWS[9].tolist()))}\n"
    told = ("run", tmp_path / "m.elstm", "--key", "who", "--time", "t", "--time-unit", "ms", "--keep", "n", "--state", f"{tmp_path}/s/")
    told += ("--bad-lines", "skip", "--metrics", tmp_path / "m.jsonl")
    header = "who,t,n,ax,ay,az\n"
    results = [call(*told, given=header + "".join(part)) for part in ([*lines[:5], odd], lines[3:])]
    assert "1 sample left out, since no time could be read (line 7)" in " ".join(results[0].stderr.splitlines())
    written = [line.split(",") for result in results for line in result.stdout.splitlines()[1:]]
    expected = {"a": [0, 1, 2, 2, 2, 2, 3, 4, 5], "b": [0, 1, 2, 3, 5]}
    for key, rows in expected.items():
        mine = [line[1:] for line in written if line[0] == key]
        assert [line[0] for line in mine] == {"a": ["0", "1", "2", "", "", "", "3", "4", "5"], "b": list("01235")}[key]
        assert np.array_equal(np.array([line[1:] for line in mine], np.float32), el.Stream(MODEL).process(ROWS[rows]))
    counted = json.loads((tmp_path / "m.jsonl").read_text().splitlines()[-1])
    assert [counted[name] for name in ("streams", "missing", "duplicates", "late")] == [2, 3, 3, 0]
    assert "line 7" in refused(call(*told[:-4], given=header + "".join(lines[:5]) + odd), 1)


def test_a_time_that_cannot_be_read_is_left_out_or_an_error():
    kept, timed, unread = Kept(), el.Timed(el.Stream(MODEL), 1.0), LineCount()
    block = Samples(ROWS[:5], range(1, 6), [[t] for t in (0, "half a t", float("nan"), 10**400, 1)])
    timed_rows.run(timed, [block], kept, unread=unread)
    assert np.array_equal(np.array(kept.lines, np.float32), el.Stream(MODEL).process(ROWS[[0, 4]]))
    assert str(unread) == "lines 2, 3, 4"
    with pytest.raises(el.InputError, match="line 2: a time must be a number"):
        timed_rows.run(timed, [block._replace(kept=[[t] for t in (2, "half", 3, 4, 5)])], kept)


def test_times_have_the_decimal_comma_of_their_file(tmp_path):
    el.save(MODEL, tmp_path / "m.elstm")
    rows = [";".join([t, *map(repr, row)]).replace(".", ",") for t, row in zip(("0.0", "0.02"), ROWS.tolist(), strict=False)]
    told = ("run", tmp_path / "m.elstm", "--time", "t", "--decimal", ",")
    result = call(*told, given="\n".join(["t;ax;ay;az", *rows]))
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3), result.output
    assert "a time must be a number" in refused(call("run", tmp_path / "m.elstm", "--time", "t", given='t,ax,ay,az\n"0,1",1,2,3\n'), 1)
