"""A mosquitto of the test's own: persistent, on a free port, that can be stopped and started."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

#: Debian puts it where only root looks.
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

#: A client without a name of its own connects in MQTT 3.1.1 with a clean session; the broker accepts it.
CONNECT, ACCEPTED = bytes.fromhex("100c00044d5154540402003c0000"), bytes.fromhex("20020000")


class Broker:
    """Listens on `port` from `start` to `stop`."""

    def __init__(self, folder: Path, *lines: str) -> None:
        found = shutil.which("mosquitto", path=PLACES)
        if found is None:
            pytest.skip("mosquitto is not installed")
        self._program, self._process = found, None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        user = ["user root"] if os.geteuid() == 0 else []
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "allow_anonymous true", *user, *lines]) + "\n")
        self.start()

    def start(self) -> None:
        """Return when it has answered a client: mosquitto listens before its loop begins, and forgets a SIGTERM that falls between."""
        self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as client:
                client.settimeout(5)
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    client.sendall(CONNECT)
                    if client.recv(4) == ACCEPTED:
                        return
            time.sleep(0.01)
        raise AssertionError("mosquitto does not answer")

    def pause(self, seconds: float) -> None:
        """Let it answer nobody for so long, while the system accepts connections for it."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def persistent(folder: Path) -> list[str]:
    """Lines of a configuration that loses nothing."""
    return [
        *("persistence true", f"persistence_location {folder}/", "autosave_interval 5"),
        *("max_queued_messages 0", "max_inflight_messages 100"),
    ]
