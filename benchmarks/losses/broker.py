"""Mosquitto between a fleet and a gateway: the gateway killed, or the broker stopped, while messages come."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np

from edgelstm.sources.address import parse
from edgelstm.sources.mqtt_client import Connection

from .runs import NAMES, PATIENCE, Runs, end, samples, slowed

#: Debian puts it where only root looks.
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

#: A client without a name of its own connects in MQTT 3.1.1 with a clean session; the broker accepts it.
CONNECT, ACCEPTED = bytes.fromhex("100c00044d5154540402003c0000"), bytes.fromhex("20020000")

CONFIGURATION = Path(__file__).parents[2] / "examples" / "gateway" / "mosquitto.conf"


class Broker:
    """Mosquitto with the lines of the gateway example, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        program = shutil.which("mosquitto", path=PLACES)
        if program is None:
            sys.exit("mosquitto is not installed; install it with: apt install mosquitto")
        user = "user root\n" if os.geteuid() == 0 else ""
        text = CONFIGURATION.read_text().replace("listener 1883", f"listener {self.port}").replace("/var/lib/mosquitto/", f"{folder}/")
        (folder / "mosquitto.conf").write_text(text + user)
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        self.start()

    def start(self) -> None:
        """Return when it has answered a client: it listens a moment before its loop begins, and forgets a SIGTERM that falls between."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            with socket.socket() as knock:
                knock.settimeout(PATIENCE)
                if knock.connect_ex(("127.0.0.1", self.port)) == 0:
                    knock.sendall(CONNECT)
                    if knock.recv(4) == ACCEPTED:
                        return
            time.sleep(0.01)
        raise AssertionError("mosquitto does not answer")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end, as a system does that is shut down."""
        self._process.terminate()
        self._process.wait(PATIENCE)


def gateway(folder: Path, broker: Broker, kept: Path | None = None) -> Runs:
    """Runs that read what a fleet publishes."""
    url = f"mqtt://127.0.0.1:{broker.port}/fleet/+/imu?client=gateway"
    return Runs(folder, "-i", url, "--sequence", "n", "--keep", "n", kept=kept)


def subscribed(runs: Runs) -> None:
    """Let the broker know the gateway, so that it keeps messages for it."""
    child = runs.start()
    runs.until((runs.kept / "state" / "state.1.state").exists, child)  # written when it begins to read
    time.sleep(1)
    end(child, signal.SIGTERM)


def fleet(port: int, streams: dict[str, np.ndarray], a_second: float, turns: int = -1) -> int:
    """A process that publishes samples of all streams in turn with QoS 1, and ends when the broker has confirmed the last one.

    turns: a pipe; where it is given, each `TURN` samples of a stream wait for a byte of it.
    """
    child = os.fork()
    if child:
        return child
    try:
        client = Connection(parse(f"mqtt://127.0.0.1:{port}/fleet"), "fleet", lambda said: None, tells=False)
        client.start()
        begin, sent = time.monotonic(), 0
        for number in range(len(next(iter(streams.values())))):
            if turns >= 0 and number % TURN == 0:
                os.read(turns, 1)
                begin, sent = time.monotonic(), 0
            for key, xs in streams.items():
                told = {"n": number, **dict(zip(NAMES, xs[number].tolist(), strict=True))}
                client.publish(f"fleet/{key}/imu", json.dumps(told), 1, retain=False)
                sent += 1
            time.sleep(max(0.0, begin + sent / a_second - time.monotonic()))
        client.settle()
        os._exit(0)
    finally:
        os._exit(1)


#: Samples of each of ten streams that are published for a kill, and the share of kills that wait for an answer.
TURN, SHARE = 12, 5


def killed(folder: Path, times: int) -> dict[str, int]:
    """Kill the gateway with SIGKILL at random moments, from its start on; how many kills found it answering is counted.

    Every fifth run is first let answer, and so tells how long that takes while the machine is as busy as it is. The fleet is held to the
    pace of the kills: else a backlog grows until no run answers in its time.
    """
    with Broker(folder) as broker:
        runs, draw = gateway(folder, broker), random.Random(7)
        subscribed(runs)
        streams = samples(10, TURN * (times + 2))
        turns, give = os.pipe()
        peer = fleet(broker.port, streams, 400.0, turns=turns)
        answering, started = 0, 0.0
        try:
            for number in range(times):
                os.write(give, b"+")
                before, begin, child = runs.size(), time.monotonic(), runs.start()
                if number % SHARE == 0:
                    runs.until(lambda before=before: runs.size() != before, child)
                    started = time.monotonic() - begin
                    time.sleep(draw.uniform(0, started))
                else:
                    time.sleep(draw.uniform(0, 2 * started))
                end(child, signal.SIGKILL)
                answering += runs.size() != before
            os.write(give, b"++")
            runs.finish(sum(map(len, streams.values())))
            assert os.waitpid(peer, 0)[1] == 0, "not all samples were published"
            peer = 0
        finally:
            if peer:
                end(peer, signal.SIGTERM)
        count = runs.check(streams)
    return {"kills": times, "kills that found it answering": answering, "samples": count, "lost": 0, "counted twice": 0}


#: How often the broker stops in a run, and who is slowed down in which run.
STOPS, SLOWED = 20, ((), ("fleet",), ("gateway",), ("fleet", "gateway"), ())


def stopped(folder: Path, times: int) -> dict[str, int]:
    """Stop and start the broker under 1,000 messages a second: in several runs, in some of which the others are slow."""
    count = runs = 0
    for left in range(times, 0, -STOPS):
        place = folder / str(runs)
        place.mkdir()
        count += _stopped(place, min(left, STOPS), SLOWED[runs % len(SLOWED)], seed=8 + runs)
        runs += 1
    return {"runs": runs, "broker stopped": times, "samples": count, "lost": 0, "counted twice": 0}


def _stopped(folder: Path, times: int, slow: tuple[str, ...], seed: int) -> int:
    """One run; how many samples there were."""
    processes: dict[str, int] = {}
    try:
        with Broker(folder) as broker:
            runs, draw = gateway(folder, broker), random.Random(seed)
            subscribed(runs)
            streams = samples(100, 10 * times)
            processes = {"fleet": fleet(broker.port, streams, 1000.0), "gateway": runs.start()}
            with slowed(*map(processes.__getitem__, slow)):
                for _ in range(times):
                    time.sleep(draw.uniform(0.2, 1.0))
                    broker.stop()
                    broker.start()
            runs.until_answered(sum(map(len, streams.values())), processes["gateway"])
            assert os.waitpid(processes.pop("fleet"), 0)[1] == 0, "not all samples were published"
            end(processes.pop("gateway"), signal.SIGTERM)
            return runs.check(streams)
    except AssertionError as problem:
        waits = "" if "fleet" not in processes or os.waitpid(processes["fleet"], os.WNOHANG)[0] else ", the fleet has more"
        if "gateway" in processes:
            end(processes.pop("gateway"), signal.SIGTERM)
        raise AssertionError(f"{problem} {len(runs.lines())} answers{waits}; {runs.said.read_text()[-900:]}") from None
    finally:
        for process in processes.values():
            with suppress(ProcessLookupError, ChildProcessError):
                end(process, signal.SIGKILL)
