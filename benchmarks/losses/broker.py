"""Mosquitto between a fleet and a gateway: the gateway killed, or the broker stopped, while messages come."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import numpy as np
import paho.mqtt.client as mqtt

from .runs import NAMES, PATIENCE, Runs, end, samples

#: Debian puts it where only root looks.
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

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
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("mosquitto does not listen")

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


def fleet(port: int, streams: dict[str, np.ndarray], a_second: float, first: int = 0) -> int:
    """A process that publishes samples of all streams in turn with QoS 1, and ends when the broker has confirmed the last one."""
    child = os.fork()
    if child:
        return child
    try:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="fleet", clean_session=False)
        client.max_inflight_messages_set(1000)
        client.reconnect_delay_set(1, 1)
        broken = threading.Event()
        client.on_disconnect = lambda *rest: broken.set()
        client.connect("127.0.0.1", port)
        client.loop_start()
        begin, sent = time.monotonic(), 0
        for number in range(first, len(next(iter(streams.values())))):
            for key, xs in streams.items():
                while broken.is_set():  # what was not confirmed goes first: the client would let new messages overtake it
                    if client.is_connected() and not client._out_messages:
                        broken.clear()
                    time.sleep(0.001)
                told = {"n": number, **dict(zip(NAMES, xs[number].tolist(), strict=True))}
                client.publish(f"fleet/{key}/imu", json.dumps(told), 1)
                sent += 1
            time.sleep(max(0.0, begin + sent / a_second - time.monotonic()))
        while client._out_messages:
            time.sleep(0.01)
        os._exit(0)
    finally:
        os._exit(1)


#: Samples published between two kills, by ten streams.
BETWEEN = 120


def killed(folder: Path, times: int) -> dict[str, int]:
    """Kill the gateway with SIGKILL at random moments, from its start on; how many kills found it answering is counted."""
    with Broker(folder) as broker:
        runs, draw = gateway(folder, broker), random.Random(7)
        subscribed(runs)
        streams = samples(10, BETWEEN // 10 * (times + 2))
        started = _seconds_to_answer(runs, broker, {key: xs[:1] for key, xs in streams.items()})
        peer = fleet(broker.port, streams, BETWEEN / started, first=1)
        answering = 0
        for _ in range(times):
            before, child = runs.size(), runs.start()
            time.sleep(draw.uniform(0, 2 * started))
            end(child, signal.SIGKILL)
            answering += runs.size() != before
        runs.finish(sum(map(len, streams.values())))
        assert os.waitpid(peer, 0)[1] == 0, "not all samples were published"
        count = runs.check(streams)
    return {"kills": times, "kills that found it answering": answering, "samples": count, "lost": 0, "counted twice": 0}


def _seconds_to_answer(runs: Runs, broker: Broker, streams: dict[str, np.ndarray]) -> float:
    """How long a run takes from its start to its first answers."""
    os.waitpid(fleet(broker.port, streams, 1e6), 0)
    begin, child = time.monotonic(), runs.start()
    runs.until(lambda: runs.size() > 0, child)
    took = time.monotonic() - begin
    end(child, signal.SIGKILL)
    return took


def stopped(folder: Path, times: int) -> dict[str, int]:
    """Stop and start the broker under 1,000 messages a second."""
    with Broker(folder) as broker:
        runs, draw = gateway(folder, broker), random.Random(8)
        subscribed(runs)
        streams = samples(100, 10 * times)
        peer = fleet(broker.port, streams, 1000.0)
        child = runs.start()
        for _ in range(times):
            time.sleep(draw.uniform(0.2, 1.0))
            broker.stop()
            broker.start()
        runs.until(lambda: len(runs.lines()) >= sum(map(len, streams.values())), child)
        end(child, signal.SIGTERM)
        assert os.waitpid(peer, 0)[1] == 0, "not all samples were published"
        count = runs.check(streams)
    return {"broker stopped": times, "samples": count, "lost": 0, "counted twice": 0}
