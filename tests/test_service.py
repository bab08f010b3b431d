"""`run` as a service: what systemd is told, what SIGHUP and SIGTERM do, lines in JSON; and asyncio."""

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from cli_calls import CSV, ROWS, answers, call, launch, line_of, make_model, refused, until

import edgelstm as el
from edgelstm.cli import service
from edgelstm.cli.service import Service
from edgelstm.runners import Samples

pytestmark = pytest.mark.usefixtures("heard_signals")

HALF = CSV.index("\n", len(CSV) // 2) + 1


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("service") / "model.elstm"
    el.save(make_model(), file)
    return file


@pytest.fixture
def systemd(tmp_path: Path):
    """The socket that services talk to; what was said is read from it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(60)
        yield line


def said_on(systemd: socket.socket) -> SimpleQueue[bytes]:
    """All that is said, read as it comes, to the last: there is room for ten lines."""
    said: SimpleQueue[bytes] = SimpleQueue()

    def read() -> None:
        while said.put(line := systemd.recv(100)) or line != b"STOPPING=1":
            pass

    threading.Thread(target=read, daemon=True).start()
    return said


def test_systemd_is_told_and_the_log_is_json(path: Path, systemd: socket.socket, tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    options = ["-o", tmp_path / "a.csv", "--append", "--state", tmp_path / "s", "--log", "json", "--nan-policy", "hold", "--sequence", "n"]
    heard = said_on(systemd)
    with launch("run", path, *options, env=environment) as process:
        assert heard.get(timeout=60) == b"READY=1"
        assert heard.get(timeout=60) == b"WATCHDOG=1"
        rows = [f"{i},{line}\n" for i, line in enumerate(CSV.splitlines())]
        process.stdin.write(("n,ax,ay,az\n" + "".join(rows[:20]) + "20,nan,1,1\n").encode())
        until(lambda: (tmp_path / "a.csv").exists() and (tmp_path / "a.csv").read_text().count("\n") == 22, process)
        assert heard.get(timeout=60) == b"WATCHDOG=1"
        (tmp_path / "a.csv").rename(tmp_path / "b.csv")
        process.send_signal(signal.SIGHUP)
        process.stdin.write("".join(f"{i + 1},{line}\n" for i, line in enumerate(CSV.splitlines()) if i >= 20).encode())
        until(lambda: (tmp_path / "a.csv").exists() and (tmp_path / "a.csv").read_text().count("\n") == 21, process)
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    while heard.get(timeout=60) != b"STOPPING=1":
        pass
    told = [json.loads(line) for line in complaint.splitlines()]
    assert "not finite" in told[-1]["message"]
    assert set(told[-1]) == {"time", "level", "message"}
    stream = el.Stream(make_model(), nan_policy="hold")
    expected = stream.process(np.vstack([ROWS[:20], [[np.nan, 1, 1]], ROWS[20:]]).astype(np.float32))
    both = [answers((tmp_path / name).read_text()) for name in ("b.csv", "a.csv")]
    assert np.array_equal(np.vstack(both), expected)
    assert call("run", path, *options, given="n,ax,ay,az\n40,1,1,1\n41,1,1,1\n").exit_code == 0
    assert np.array_equal(answers((tmp_path / "a.csv").read_text())[-1], stream.step(np.ones(3, np.float32)))


def test_an_error_is_json_too(path: Path) -> None:
    said = call("run", path, "--log", "json", given="1,2,3\n1,x,3\n").stderr
    assert json.loads(said)["level"] == "error"
    assert "line 2" in json.loads(said)["message"]
    assert "line 2" in refused(call("run", path, given="1,2,3\n1,x,3\n"), 1)


def test_a_loop_that_hangs_is_silent(systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    systemd.settimeout(0.05)
    waits = False
    one = Service(lambda: waits)
    block = Samples(np.zeros((2, 1), np.float32), [1, 2])
    looked_at = one.looked_at(iter([block, block]))

    def heard() -> bool:
        one.look()
        try:
            return systemd.recv(100) == b"WATCHDOG=1"
        except TimeoutError:
            return False

    next(looked_at)
    assert heard()
    assert not heard(), "the same samples are still being stepped"
    waits = True
    assert heard(), "it waits for a broker that is away"
    waits = False
    next(looked_at)
    assert heard()
    assert list(looked_at) == []
    assert heard()
    assert heard(), "it waits for samples"


def test_a_sign_of_life_waits_for_nobody(systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd may be busy for longer than there is room for what it is told."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setattr(service, "PATIENCE", 30)
    one = Service(lambda: True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others, suppress(BlockingIOError):
        others.setblocking(False)
        while others.sendto(b"WATCHDOG=1", str(tmp_path / "notify")):
            pass
    begin = time.monotonic()
    one.look()
    assert time.monotonic() - begin < 30
    assert systemd.recv(100) == b"WATCHDOG=1"
    one.tell("READY=1")
    systemd.setblocking(False)
    while (line := systemd.recv(100)) == b"WATCHDOG=1":
        pass
    assert line == b"READY=1"


def test_hangups_end_a_run_that_is_no_service(path: Path) -> None:
    with launch("run", path) as process:
        process.stdin.write(CSV.encode())
        line_of(process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGHUP


# ---------------------------------------------------------------- asyncio


def bank() -> el.StreamBank:
    return el.StreamBank(make_model(), 10)


async def gathered(bank: el.StreamBank, source: object) -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {}
    async for key, y in el.arun(bank, source):
        found.setdefault(key, []).append(y)
    return found


def test_answers_are_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = el.Stream(make_model()).process(ROWS)

    async def sensors():
        for row in ROWS:
            await asyncio.sleep(0)
            for key in ("a", "b"):
                yield key, row

    threads = threading.active_count()
    for source in (sensors(), ((key, row) for row in ROWS for key in "ab"), [Samples(ROWS, range(40), keys=[key] * 40) for key in "ab"]):
        found = asyncio.run(gathered(bank(), source))
        assert list(found) == ["a", "b"]
        assert all(np.array_equal(np.array(ys), expected) for ys in found.values())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rows.py").write_text("def read():\n    yield 1, 2, 3\n    yield 4, 5\n")
    with pytest.raises(el.InputError, match=r"sample 2 of my_rows\.read: 2 values"):
        asyncio.run(gathered(bank(), "python:my_rows.read"))
    deadline = time.monotonic() + 60
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == threads


def test_a_source_is_not_run_ahead_of() -> None:
    asked = []

    def rows():
        for i in range(5):
            asked.append(i)
            yield "k", ROWS[i]

    async def main() -> None:
        taken = 0
        async for _ in el.arun(bank(), rows()):
            taken += 1
            await asyncio.sleep(0.01)
            assert len(asked) == taken
            if taken == 3:
                break

    asyncio.run(main())
    assert asked == [0, 1, 2]


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None or shutil.which("kill", path="/bin") is None:
        pytest.skip("systemd is not installed")
    unit = (Path(__file__).parents[1] / "examples" / "gateway" / "edgelstm-gateway.service").read_text()
    for text, understood in ((unit, True), (unit.replace("WatchdogSec", "WatchdogSeconds"), False)):
        (tmp_path / "gateway.service").write_text(text.replace("/usr/local/bin/edgelstm", sys.executable))
        done = subprocess.run([verify, "verify", tmp_path / "gateway.service"], capture_output=True, text=True, check=False)
        assert (done.stderr == "") == understood, done.stderr
