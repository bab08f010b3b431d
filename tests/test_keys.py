"""Streams by key, sequence numbers, and functions of the user's own that give both."""

import re
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from cli_calls import ROWS, answers, call, make_model, refused
from input_asking import wanted

import edgelstm as el
from edgelstm.errors import InputError
from edgelstm.runners import Samples
from edgelstm.runners.counts import LineCount
from edgelstm.runners.keyed import by_column
from edgelstm.runners.ledger import UNSURE, Ledger
from edgelstm.sources import open_input


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sources") / "model.elstm"
    el.save(make_model(), file)
    return file


def test_a_function_feeds_streams_by_key(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_sensors.py").write_text(
        "def read(count):\n"
        "    for i in range(int(count)):\n"
        "        for who in ('left', 'right'):\n"
        "            yield {'ax': i, 'ay': len(who), 'az': None if i == 3 else -i, 'who': who, 'n': i}\n"
        "            yield {'ax': 99, 'ay': 0, 'az': 0, 'who': who, 'n': i}\n"
    )
    result = call("run", path, "-i", "python:my_sensors.read?count=6", "--key", "who", "--sequence", "n", "--keep", "n")
    head, *lines = result.stdout.splitlines()
    assert head == "key,n,rest,walk"
    assert "12 samples came again and were not stepped twice" in result.stderr
    assert "2 samples were not finite or too large; --nan-policy hold" in result.stderr
    for who in ("left", "right"):
        xs = np.array([(i, len(who), np.nan if i == 3 else -i) for i in range(6)], np.float32)
        got = [line.split(",") for line in lines if line.startswith(who)]
        assert [row[1] for row in got] == list("012345")
        assert np.array_equal(np.array([row[2:] for row in got], np.float32), el.Stream(make_model(), nan_policy="hold").process(xs))


def test_keys_of_a_column_take_up_their_state(path: Path, tmp_path: Path) -> None:
    text = "who,n,ax,ay,az\n" + "".join(f"{'ab'[i % 2]},{i // 2},{x},{y},{z}\n" for i, (x, y, z) in enumerate(ROWS.tolist()))
    lines = text.splitlines(keepends=True)
    options = ["--key", "who", "--sequence", "n", "--state", tmp_path / "s", "-o", tmp_path / "out.csv", "--append"]
    assert call("run", path, *options, given="".join(lines[:21])).exit_code == 0
    with (tmp_path / "out.csv").open("a") as file:
        file.write("a,1,2\n")  # as of a run that ended before its state was kept
    again = call("run", path, *options, given="".join([lines[0], *lines[15:]]))
    assert "6 samples came again" in again.stderr
    once = call("run", path, "--key", "who", given=text).stdout
    assert (tmp_path / "out.csv").read_text() == once
    stream = el.Stream(make_model()).process(ROWS[1::2])
    assert np.array_equal(np.array([row.split(",")[1:] for row in once.splitlines()[2::2]], np.float32), stream)
    assert "leave out --reset-every" in refused(call("run", path, "--key", "who", "--reset-every", "3", given=text), 2)


def test_a_ledger_knows_what_came_before() -> None:
    def numbered(*numbers: object) -> list[Samples]:
        return [Samples(np.full((1, 1), i, np.float32), [i + 1], [[n, "k"]]) for i, n in enumerate(numbers)]

    ledger = Ledger(strict=False)
    given = numbered(5, "6", 6, 5, 9, "x", 1, 10, UNSURE + 9, 0, 1, 1, 2.5)
    new = [samples.values[0, 0] for samples in ledger.fresh(by_column(given))]
    assert new == [0, 1, 4, 7, 8, 9, 10]
    assert (ledger.repeated, ledger.missed, ledger.restarted, ledger.unreadable) == (4, 2 + UNSURE - 2, 1, 2)
    with pytest.raises(InputError, match="line 1: 'x' is no sequence number"):
        list(Ledger(strict=True).fresh(by_column(numbered("x"))))


def told_of(ledger: Ledger, *numbers: tuple[int, float]) -> list[int]:
    """Numbers of a lone stream, each with the value of its sample, that a ledger lets pass."""
    given = (Samples(np.full((1, 1), value, np.float32), [1], [[n]]) for n, value in numbers)
    passed: list[int] = []
    for n, samples in zip(numbers, given, strict=True):
        passed += [n[0] for _ in ledger.fresh([samples])]
    return passed


def test_a_counter_that_is_sent_again_late_did_not_begin_anew() -> None:
    ledger = Ledger(strict=False)
    begin, late = [(i, i / 7) for i in range(4)], [(i, i / 7) for i in range(UNSURE, UNSURE + 6)]
    between = [(i, i / 7) for i in range(4, UNSURE)]
    assert told_of(ledger, *begin, *late, *begin, *between) == [0, 1, 2, 3, *range(UNSURE, UNSURE + 6)]
    assert (ledger.repeated, ledger.overtaken, ledger.missed, ledger.restarted) == (4, UNSURE - 4, 0, 0)
    assert list(ledger.remarks())[1].startswith(f"{UNSURE - 4} samples were overtaken by later ones and not stepped")
    kept, ledger = ledger, Ledger(strict=False)
    ledger.last.update(kept.last)
    ledger.begun.update(kept.begun)
    assert told_of(ledger, *begin) == []
    assert told_of(ledger, (0, 9.0), (1, 9.0), (2, 9.0)) == [0, 1, 2]
    assert (ledger.repeated, ledger.restarted) == (4, 1)


def test_a_counter_that_begins_anew_with_the_same_samples_is_believed_in_the_end() -> None:
    ledger = Ledger(strict=False)
    assert len(told_of(ledger, *((i, 0.0) for i in range(500)))) == 500
    assert told_of(ledger, *((i, 0.0) for i in range(100))) == list(range(UNSURE, 100))
    assert (ledger.repeated, ledger.restarted) == (UNSURE, 1)
    of_a_file = Ledger(strict=True, live=False)
    assert len(told_of(of_a_file, *((i, 0.0) for i in range(500)))) == 500
    assert told_of(of_a_file, *((i, 0.0) for i in range(502))) == [500, 501]


def test_samples_that_all_come_again_are_not_stepped_twice_and_others_are() -> None:
    ledger = Ledger(strict=False)
    first, other = [(i, i / 7) for i in range(300)], [(i, i / 7 if i < 9 else 0.5) for i in range(300)]
    assert told_of(ledger, *first[:200]) == list(range(200))
    assert told_of(ledger, *first) == list(range(200, 300))
    kept, ledger = ledger, Ledger(strict=False)
    ledger.last.update(kept.last)
    ledger.begun.update(kept.begun)
    assert told_of(ledger, *first[1:]) == []
    assert (ledger.repeated, ledger.restarted) == (299, 0)
    assert told_of(ledger, *other) == list(range(UNSURE, 300))
    assert ledger.restarted == 1


def test_islice_leaves_a_function_cleaned_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_endless.py").write_text(
        "closed = []\ndef read():\n    try:\n        while True:\n            yield 1, 2, 3\n    finally:\n        closed.append(1)\n"
    )
    source = open_input("python:my_endless.read", wanted())
    assert [samples.lines[0] for samples in islice(source, 4)] == [1, 2, 3, 4]
    source.close()
    assert __import__("my_endless").closed == [1]


@pytest.mark.parametrize(
    ("body", "code", "complaint"),
    [
        (
            "yield 1, 2, 3\n    raise OSError(121, 'Remote I/O error')",
            1,
            r"behind sample 1: OSError: \[Errno 121\] .*\(my_bad.py, line 3\)",
        ),
        ("yield 1, 2, 3\n    {}['x']", 1, r"behind sample 1: KeyError: 'x' \(my_bad.py, line 3\)"),
        ("return None", 2, "returned NoneType; let it yield samples"),
        ("return 1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("yield 1, 2, 3\n    yield 'a', 'b', 'c'", 1, "sample 2 of my_bad.read: this is no row of numbers"),
    ],
)
def test_what_goes_wrong_in_a_function_is_told_in_a_line(
    body: str, code: int, complaint: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_bad", raising=False)
    (tmp_path / "my_bad.py").write_text(f"def read():\n    {body}\n")
    result = call("run", path, "-i", "python:my_bad.read")
    assert re.search(complaint, refused(result, code)), result.stderr
    assert result.stdout.count("\n") == (2 if body.startswith("yield") else 0)
    assert "takes other options: got an unexpected" in refused(call("run", path, "-i", "python:my_bad.read?bus=1"), 2)


def test_samples_of_streams_beyond_the_last_are_left_out(path: Path) -> None:
    text = "who,n,ax,ay,az\n" + "".join(f"{'abcab'[i % 5]},{i},{x},{y},{z}\n" for i, (x, y, z) in enumerate(ROWS.tolist()))
    long = f"{'k' * 20000},99,1,2,3\n"
    told = ("run", path, "--key", "who", "--streams", 2)
    result = call(*told, "--bad-lines", "skip", given=text + long)
    assert result.exit_code == 0
    assert {line[0] for line in result.stdout.splitlines()[1:]} == {"a", "b"}
    assert len(result.stdout.splitlines()) == 33
    assert "9 samples were left out, since there was no room for more streams (--streams)." in result.stderr
    assert "line 4: there is room for 2 streams (--streams), and for keys of 16384 characters; samples" in result.stderr
    assert "there is no room for 'c'" in refused(call(*told, given=text), 2)


@pytest.mark.parametrize("nothing", [None, "", {"a": 1}, [1]])
def test_a_sample_without_a_key_is_of_no_stream(nothing: object) -> None:
    block = Samples(np.zeros((3, 1), np.float32), [1, 2, 3], [["k"], [nothing], ["k"]])
    unnamed = LineCount()
    assert [(samples.keys, samples.lines) for samples in by_column([block], unnamed)] == [(["k", "k"], [1, 3])]
    assert str(unnamed) == "line 2"
    strict = by_column([block])
    assert next(strict).lines == [1]
    with pytest.raises(InputError, match="line 2: a key is text or a number"):
        next(strict)
    assert next(by_column([block._replace(kept=[["k"], [0], [False]])])).keys == ["k", "0", "False"]


def test_a_line_that_holds_its_place_has_no_key(path: Path) -> None:
    text = "who,ax,ay,az\na,1,2,3\n---\na,1,2,3\n"
    result = call("run", path, "--key", "who", "--bad-lines", "missing", "--nan-policy", "hold", given=text)
    assert result.exit_code == 0
    assert [line.partition(",")[0] for line in result.stdout.splitlines()] == ["key", "a", "a"]
    assert "1 sample without a key left out (line 3)." in result.stderr


def test_what_a_function_gives_beside_a_sample_is_text_and_numbers(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logger_of_arrays.py").write_text(
        "import datetime, numpy as np\n\ndef read():\n    when = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)\n"
        "    yield {'ax': np.float32(1), 'ay': np.int8(2), 'az': 3, 'n': np.int64(7), 'f': np.float32(0.5), 't': when, 'x': np.nan,\n"
        "           'o': np.bool_(1), 'd': np.datetime64('2026-03-01T00:00:00.5', 'ns')}\n"
    )
    sys.modules.pop("logger_of_arrays", None)
    told = ("run", path, "-i", "python:logger_of_arrays.read", "--keep", "n,f,t,x,o,d")
    beside = call(*told).stdout.splitlines()[1].split(",")[:6]
    assert beside == ["7", "0.5", "2026-03-01T00:00:00+00:00", "", "true", "2026-03-01T00:00:00.500000000"]
    assert '"n": 7, "f": 0.5, "t": "2026-03-01T00:00:00+00:00", "x": null, "o": true' in call(*told, "--format", "jsonl").stdout


@pytest.mark.filterwarnings("error")
def test_values_beyond_float32_and_masked_ones_of_a_function_are_held(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wild_sensor.py").write_text(
        "import numpy as np\n\ndef read():\n    yield [1, 2, 3]\n    yield [1e300, 2, 3]\n"
        "    yield np.ma.masked_greater(np.array([500.0, 2, 3]), 100)\n\ndef huge():\n    yield [10**400, 2, 3]\n"
    )
    sys.modules.pop("wild_sensor", None)
    result = call("run", path, "-i", "python:wild_sensor.read")
    assert np.array_equal(answers(result.stdout), el.Stream(make_model()).process(np.tile(np.float32([1, 2, 3]), (3, 1))))
    assert "no row of numbers" in refused(call("run", path, "-i", "python:wild_sensor.huge"), 1)
