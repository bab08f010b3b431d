"""A run that is ended at any line of its code, and started again: its answers are those of one that was never ended."""

import json
import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from cli_calls import ROWS, call, launch, line_of, refused, scaled

import edgelstm as el
from edgelstm.cli import session
from edgelstm.cli.state import StateFile
from edgelstm.errors import UsageError
from edgelstm.runners import Samples, lines
from edgelstm.runners.again import COMPARED, ReadAgain
from edgelstm.runners.checkpoint import checked_notes
from edgelstm.runners.ledger import Ledger

pytestmark = pytest.mark.usefixtures("heard_signals")

PACKAGE = str(Path(session.__file__).parents[1])
HEADER = "n,t,dev,ax,ay,az"
IN_USE = "another process keeps its state there"
RECORDS = [f"{i},{i * 0.02:.2f},d{i % 3},{','.join(map(repr, ROWS[i % 40].tolist()))}" for i in range(120)]


class Ending:
    """Ctrl-C at the n-th line that the package's own code runs while samples are stepped."""

    def __init__(self, at: int, times: int) -> None:
        self.lines, self._at, self._times, self._armed = 0, at, times, False

    def __enter__(self) -> "Ending":
        sys.settrace(self._called)
        return self

    def __exit__(self, *problem: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, value: object) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or code.co_filename.endswith("signals.py"):
            return None
        if code.co_filename == session.__file__ and code.co_name == "_step":
            self._armed = True
        if code.co_name == "finish":
            self._armed = False
        return self._line

    def _line(self, frame: FrameType, event: str, value: object) -> Any:
        if self._armed and event == "line":
            self.lines += 1
            if self.lines == self._at:
                for _ in range(self._times):
                    signal.raise_signal(signal.SIGINT)
        return self._line


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("ends") / "m.elstm"
    el.save(scaled(1), target)
    return target


@pytest.mark.parametrize("times", [1, 2])  # a second signal does not wait for the burst
@pytest.mark.parametrize("asked", ["--sequence n", "--sequence n --key dev", "--time t", "--sequence n --key dev --time t"])
def test_a_run_ended_anywhere_goes_on_where_it_was(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, times: int
) -> None:
    monkeypatch.setattr(lines, "CHUNK", 400)
    source, whole, output = tmp_path / "in.csv", tmp_path / "whole.csv", tmp_path / "out.csv"
    source.write_text("\n".join([HEADER, *RECORDS]) + "\n")
    with Ending(0, 0) as counting:
        assert call("run", path, "-i", source, "-o", whole, *asked.split()).exit_code == 0
    chance = random.Random(f"{asked} {times}")
    codes = []
    for state in ("kept.state", "kept/"):
        output.unlink(missing_ok=True)
        every = ["--state-every", chance.choice(["0", "10"])]
        for at in [*(chance.randrange(1, counting.lines) for _ in range(4)), 0]:
            with Ending(at, times):
                result = call("run", path, "-i", source, "-o", output, "--append", "--state", f"{tmp_path}/{state}", *every, *asked.split())
            assert result.exit_code in (0, 130), result.output
            codes.append(result.exit_code)
        assert output.read_text() == whole.read_text(), state
    assert 130 in codes
    assert codes[-1] == 0


def test_a_lone_stream_ended_anywhere_has_the_state_of_its_answers(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CHUNK", 400)
    source, whole, output = tmp_path / "in.csv", tmp_path / "whole.csv", tmp_path / "out.csv"
    source.write_text("\n".join([HEADER, *RECORDS]) + "\n")
    with Ending(0, 0) as counting:
        assert call("run", path, "-i", source, "-o", whole).exit_code == 0
    chance = random.Random(5)
    for state in ("kept.state", "kept/"):
        output.unlink(missing_ok=True)
        for at in [*(chance.randrange(1, counting.lines) for _ in range(8)), 0]:
            answered = max(0, len(output.read_text().splitlines()) - 1) if output.exists() else 0
            if answered == len(RECORDS):
                break
            source.write_text("\n".join([HEADER, *RECORDS[answered:]]) + "\n")
            with Ending(at, 1):
                call("run", path, "-i", source, "-o", output, "--append", "--state", f"{tmp_path}/{state}")
        assert output.read_text() == whole.read_text()


def test_a_file_with_times_grows_is_read_again_and_is_followed_by_another(path: Path, tmp_path: Path) -> None:
    log, output = tmp_path / "log.csv", tmp_path / "out.csv"
    begin = ["run", path, "-o", output, "--append", "--state", f"{tmp_path}/kept/", "--time", "t", "-i"]
    for count in (50, 50, 51, 120, 20):
        log.write_text("\n".join([HEADER, *RECORDS[:count]]) + "\n")
        result = call(*begin, log)
        assert result.exit_code == 0, result.stderr
    assert "20 samples came again and were not stepped twice" in result.stderr
    log.write_text("\n".join([HEADER, *RECORDS]) + "\n")
    whole = call("run", path, "--time", "t", "-i", log).stdout
    assert output.read_text() == whole
    log.write_text("\n".join([HEADER, *RECORDS[1:61]]) + "\n")  # another file, from a clock that was set back
    assert call(*begin, log).exit_code == 0
    assert len(output.read_text().splitlines()) > len(whole.splitlines())


def blocks(numbers: list[int], each: int, line: int = 2) -> list[Samples]:
    return [
        Samples(
            np.array([[n] for n in numbers[i : i + each]], np.float32),
            range(line + i, line + min(i + each, len(numbers))),
            [["kept", str(n)] for n in numbers[i : i + each]],
        )
        for i in range(0, len(numbers), each)
    ]


@pytest.mark.parametrize("each", [1, 7, 1000])
@pytest.mark.parametrize(("before", "then", "new"), [
    (range(200), range(200), []),
    (range(200), range(250), range(200, 250)),
    (range(10), range(100), range(10, 100)),
    (range(200), range(30), []),
    (range(200), range(1, 200), range(1, 200)),
    (range(200), [*range(COMPARED - 1), 999, *range(5)], [*range(COMPARED - 1), 999, *range(5)]),
    ([], range(5), range(5)),
])  # fmt: skip
def test_what_begins_as_before_is_left_out_up_to_where_it_ended(each: int, before: Any, then: Any, new: Any) -> None:
    first, second, third = ReadAgain(1), ReadAgain(1), ReadAgain(1)
    assert [v for block in first.fresh(blocks([*before], each)) for v in block.values[:, 0]] == [*before]
    second.noted = checked_notes(json.loads(json.dumps({"read": first.noted})))["read"]
    assert [v for block in second.fresh(blocks([*then], 1001 - each)) for v in block.values[:, 0]] == [*new]
    assert second.repeated == len(then) - len(new)
    third.noted = second.noted
    assert not [*third.fresh(blocks([*then], each))]


def test_samples_do_not_wait_for_what_they_are_compared_with() -> None:
    first, second = ReadAgain(1), ReadAgain(1)
    assert len([*first.fresh(blocks([*range(100)], 1))]) == 100
    second.noted = first.noted
    given = iter(blocks([0, 1, 5], 1))
    assert next(second.fresh(given)).values.tolist() == [[0]]  # all three have come by then, and wait no longer
    assert next(given, None) is None


def test_what_a_ledger_told_is_not_changed_by_later_samples() -> None:
    ledger = Ledger(strict=True)
    source = ledger.fresh(blocks([*range(20)], 5))
    next(source)
    told = dict(ledger.last), dict(ledger.begun)
    kept = json.dumps(told)
    assert len([*source]) == 3
    assert json.dumps(told) == kept


def test_a_state_of_other_options_says_which(path: Path, tmp_path: Path) -> None:
    source, state = tmp_path / "in.csv", tmp_path / "kept.state"
    source.write_text("\n".join([HEADER, *RECORDS[:9]]) + "\n")
    kept = ["run", path, "-i", source, "--state", state]
    asked = {
        "a lone stream, without --key and --time": [],
        "a lone stream with --time": ["--time", "t"],
        "streams by key, without --time": ["--key", "dev"],
        "streams by key with --time": ["--key", "dev", "--time", "t"],
    }
    for kind, options in asked.items():
        state.unlink(missing_ok=True)
        assert call(*kept, *options).exit_code == 0
        for other in asked.values():
            if other != options:
                assert f"it is the state of {kind}; say the same here." in refused(call(*kept, *other), 1)


def test_a_state_in_use_is_refused_to_a_second_process(path: Path, tmp_path: Path) -> None:
    state = tmp_path / "kept.state"
    asked = ["run", path, "--state", state, "--sequence", "1", "--columns", "2-4", "--state-every", "0"]
    assert call(*asked, given="0,1,2,3\n").exit_code == 0
    with launch(*asked) as process:
        assert process.stdin is not None
        for number in (1, 2):  # behind the first the file is another
            process.stdin.write(f"{number},1,2,3\n".encode())
            line_of(process)
            line_of(process) if number == 1 else None
            assert IN_USE in refused(call(*asked, given="9,1,2,3\n"), 2)
        process.stdin.close()
        assert process.wait(60) == 0
    assert call(*asked, given="0,1,2,3\n3,1,2,3\n").stdout.count("\n") == 2


@pytest.mark.parametrize("when", ["before", "behind"])
def test_a_state_is_in_use_from_its_start_to_its_end(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """A second process that comes before there is a file, or in the moment in which a new one takes the old one's name, or none is left."""
    state, met = str(tmp_path / ("s" * 255)), []
    (tmp_path / f".{'s' * 200}.1-2.tmp").write_bytes(b"of a process that was killed")
    first, replace = StateFile(state), os.replace

    def refuses(*names: str) -> None:
        if when == "behind" and names:
            replace(*names)
        with pytest.raises(UsageError, match=IN_USE):
            StateFile(state)
        met.append(len(names))
        if when == "before" and names:
            replace(*names)

    refuses()
    first.take_up(stream := el.Stream(el.load(path)))
    monkeypatch.setattr(os, "replace", refuses)
    first.keep()
    os.unlink(state)
    refuses()
    first.keep()
    assert met == [0, 2, 0, 2]
    monkeypatch.undo()
    first.close()
    second = StateFile(state)
    second.take_up(stream)
    second.close()
    assert os.listdir(tmp_path) == [os.path.basename(state)]


def test_two_that_meet_while_a_third_ends_do_not_both_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = str(tmp_path / "kept.state")
    first, began = StateFile(state), []
    opened = os.open

    def slowly(name: str, *flags: int) -> int:
        file = opened(name, *flags)
        if not began:
            began.append(None)
            first.close()  # the file that was opened has no name any more, and nobody holds it
            began.append(StateFile(state))
        return file

    monkeypatch.setattr(os, "open", slowly)
    with pytest.raises(UsageError, match=IN_USE):
        StateFile(state)
    began[1].close()
    StateFile(state).close()


def test_what_other_libraries_call_it_leads_to_a_stream() -> None:
    model = scaled(1)
    for asked in ("predict", "forward", "step", "process"):
        with pytest.raises(AttributeError, match=rf"has no '{asked}'; edgelstm.Stream\(model\) answers"):
            getattr(model, asked)
    with pytest.raises(AttributeError, match=r"a stream has no 'predict'; it has step\(x\) for a sample"):
        el.Stream(model).predict  # noqa: B018
    assert not hasattr(model, "predict")
