"""A mosquitto of the test's own: persistent, on a free port, that can be stopped and started."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

#: Debian puts it where only root looks.
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

#: A client without a name of its own connects in MQTT 3.1.1 with a clean session; the broker accepts it.
CONNECT, ACCEPTED = bytes.fromhex("100c00044d5154540402003c0000"), bytes.fromhex("20020000")


def free_port() -> int:
    """One that nobody listens on, and that the system gives to no client: it might be taken while the broker is away, or call itself."""
    while True:
        with suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port := random.SystemRandom().randrange(10_000, 30_000)))
            return port


class Broker:
    """Listens on `port` from `start` to `stop`."""

    def __init__(self, folder: Path, *lines: str) -> None:
        found = shutil.which("mosquitto", path=PLACES)
        if found is None:
            pytest.skip("mosquitto is not installed")
        self._program, self._process, self.port = found, None, free_port()
        self._config = folder / "mosquitto.conf"
        user = ["user root"] if os.geteuid() == 0 else []
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "allow_anonymous true", *user, *lines]) + "\n")
        self.start()

    def start(self) -> None:
        """Return when it has answered a client: mosquitto listens before its loop begins, and forgets a SIGTERM that falls between."""
        deadline = time.monotonic() + 60
        self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
                client.sendall(CONNECT)
                if client.recv(4) == ACCEPTED:
                    return
            assert self._process.poll() is None, "mosquitto ended"
            time.sleep(0.01)
        raise AssertionError("mosquitto does not answer")

    def pause(self, seconds: float) -> None:
        """Let it answer nobody for so long, while the system accepts connections for it."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


def persistent(folder: Path) -> list[str]:
    """Lines of a configuration that loses nothing."""
    return [
        *("persistence true", f"persistence_location {folder}/", "autosave_interval 5"),
        *("max_queued_messages 0", "max_inflight_messages 100"),
    ]
