"""Serial ports, played by pseudo-terminals: unplugged, spoken to at once, speaking nonsense."""

import os
import pty
import re
import select
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from cli_calls import CSV, ROWS, answers, launch, line_of, make_model
from input_asking import wanted

import edgelstm as el
from edgelstm.sources import open_input, serial_port
from edgelstm.sources.serial_port import QUIET

pytest.importorskip("serial")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sources") / "model.elstm"
    el.save(make_model(), file)
    return file


class Board:
    """A pseudo-terminal behind a name, that can be pulled out and put in."""

    def __init__(self, name: Path) -> None:
        self.name, self._wire = name, -1

    def plug(self, reader: int) -> None:
        """Appear, and wait until a thread, by its system's number, has opened the port, heard nothing and waits without an end."""
        self._wire, line = pty.openpty()
        spare = self.name.with_suffix(".new")
        spare.symlink_to(os.ttyname(line))
        os.close(line)
        poll = select.poll()
        poll.register(self._wire, select.POLLIN)
        spare.rename(self.name)
        until(lambda: not any(event & select.POLLHUP for _, event in poll.poll(0)))
        until(lambda: slept_through(reader))

    def say(self, text: str) -> None:
        os.write(self._wire, text.encode())

    def pull(self) -> None:
        self.name.unlink()
        os.close(self._wire)


def slept_through(thread: int) -> bool:
    """Whether a thread has slept for longer than a port's silence without waking once: it waits for bytes, not for the silence to end."""

    def seen() -> tuple[str, str]:
        told = Path(f"/proc/{thread}/status").read_text()
        return re.search(r"^State:\s+(\w)", told, re.MULTILINE)[1], re.search(r"^voluntary_ctxt_switches:\s+(\d+)", told, re.MULTILINE)[1]

    before = seen()
    time.sleep(2 * QUIET)
    return before[0] == "S" and seen() == before


def until(true) -> None:
    end = time.monotonic() + 300
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_port_pulled_out_fifty_times_loses_nothing(tmp_path: Path) -> None:
    plugs, each = 50, 3
    lines = [f"{i},0.5,0.25" for i in range(plugs * each)]
    board, notes, got = Board(tmp_path / "ttyFAKE0"), [], []
    source = open_input(f"serial://{board.name}", wanted(notes=notes))

    def read() -> None:
        for samples in source:
            got.extend(samples.values[:, 0].tolist())
            if len(got) >= len(lines):
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for plug in range(plugs):
        board.plug(reader.native_id)
        board.say("".join(line + "\r\n" for line in lines[plug * each : (plug + 1) * each]) + "7,8,9")
        until(lambda count=(plug + 1) * each: len(got) >= count)
        if plug < plugs - 1:
            board.pull()
    assert got == list(range(len(lines)))
    said = " ".join(source.remarks())
    assert f"gone {plugs - 1} times" in said
    assert "half line" in said
    assert notes.count(f"{board.name} is back.") == plugs - 1


def test_a_port_that_speaks_at_once_may_begin_with_half_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "QUIET", 60)  # a busy machine may keep the board from speaking for longer than a real one's silence
    master, line = pty.openpty()

    def chatter() -> None:
        for i in range(400):
            os.write(master, f"{i}.5,1,2\n".encode())
            time.sleep(QUIET / 10)

    worker = threading.Thread(target=chatter, daemon=True)
    source = open_input(f"serial://{os.ttyname(line)}", wanted())
    worker.start()
    first = next(iter(source)).values
    assert (first[:, 1:] == [1, 2]).all()
    assert "1 half line left out" in " ".join(source.remarks())
    source.close()


def test_a_board_is_answered_line_by_line(path: Path, tmp_path: Path, heard_signals: None) -> None:
    board = Board(tmp_path / "ttyFAKE0")
    process = launch("run", path, "-i", f"serial://{board.name}?baud=9600")
    try:
        board.plug(process.pid)
        board.say("Boot v1.2\r\n\x00\xff\r\n" + CSV.replace("\n", "\r\n"))
        got = [line_of(process) for _ in range(len(ROWS) + 1)]
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    board.pull()
    assert np.array_equal(answers(b"".join(got).decode()), el.Stream(make_model()).process(ROWS))
    first, *_, last = complaint.decode().splitlines()
    assert "line 1: " in first
    assert first.endswith("The run goes on.")
    assert "2 bad lines skipped (lines 1, 2)" in last
    assert process.returncode == -signal.SIGTERM


def test_a_port_that_may_not_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1,2,3\n")
    with pytest.raises(OSError, match="cannot be opened"):
        next(iter(open_input(f"serial://{tmp_path / 'file'}", wanted())))
