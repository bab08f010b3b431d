"""A broker tried out: does it keep messages for a client that is away, and how many."""

import secrets
import threading
import time
from typing import Any

from ..errors import UsageError
from ..sources import acknowledges
from ..sources.address import Address, parse
from ..sources.mqtt_client import Connection

#: Messages sent to a client that is away: more than mosquitto keeps unless it was told to.
BACKLOG = 1200

#: Seconds to wait for anything.
PATIENCE = 10.0

#: What mosquitto must be told to lose nothing: the line, and why.
LINES = (
    ("persistence true", "what waits for a client outlives the broker"),
    ("autosave_interval 5", "it is on disk after 5 s; unless told otherwise after 1,800"),
    ("max_queued_messages 100000", "so many wait for a client that is away; unless told otherwise 1,000, and what is beyond is dropped"),
    ("max_inflight_messages 1000", "so many are under way to a client at once; unless told otherwise 20, which slows many devices down"),
)

#: What no line of the configuration changes.
LIMITS = (
    "Stopped by SIGTERM it keeps everything; killed, or without power, it forgets what it confirmed since it last saved.",
    "A device must send what was not confirmed before what is new: clients of paho-mqtt let new messages overtake old ones.",
)


def check(url: str) -> dict[str, Any]:
    """Try a broker out with two clients and a topic of their own, and leave nothing there.

    Returns
    -------
    dict
        ``broker`` (its own name and version, empty where it tells none), ``sent``, ``kept`` (of the messages sent to a client that was
        away), ``problem`` (a sentence; empty where all is well), ``lines`` (of mosquitto's configuration), ``limits`` (what those do not
        change).

    Raises
    ------
    UsageError
        If the URL is none of a broker, or paho-mqtt is not installed.
    """
    if not acknowledges(url):
        raise UsageError(f"--mqtt {url}: write mqtt://HOST[:PORT], or mqtts:.")
    mark = secrets.token_hex(6)
    address = parse(url)
    address.settled()
    address = address._replace(path=f"edgelstm/doctor/{mark}")
    told: dict[str, Any] = {"broker": "", "sent": BACKLOG, "kept": 0, "lines": list(LINES), "limits": list(LIMITS)}
    away = _Client(address, f"edgelstm-doctor-{mark}", keeps=True)
    told["problem"] = away.said if not away.connect() else ""
    if told["problem"]:
        away.leave()
        return told
    told["broker"] = away.version()
    away.leave()
    sender = _Client(address, f"edgelstm-sender-{mark}", keeps=False)
    sender.connect()
    for number in range(BACKLOG):
        sender.connection.publish(address.path, str(number), 1, retain=False)
    sender.connection.settle(PATIENCE)
    sender.leave()
    back = _Client(address, f"edgelstm-doctor-{mark}", keeps=True)
    back.connect()
    told["kept"] = back.count(BACKLOG)
    back.leave()
    _Client(address, f"edgelstm-doctor-{mark}", keeps=False).visit()
    if told["kept"] < BACKLOG:
        told["problem"] = f"of {BACKLOG} messages to a client that was away, the broker kept {told['kept']}"
    return told


class _Client:
    """One client, which remembers what it heard."""

    def __init__(self, address: Address, name: str, *, keeps: bool) -> None:
        self._address, self._heard, self._up = address, list[Any](), threading.Event()
        self._version = ""
        self._subscribed = threading.Event()
        self.said = "the broker did not answer"
        self._keeps = keeps
        self.connection = Connection(address, name, self._note, persistent=keeps, tells=False, connected=self._up.set, received=self._hear)
        self.connection.client.on_subscribe = lambda *rest: self._subscribed.set()

    def _note(self, sentence: str) -> None:
        self.said = sentence

    def _hear(self, message: Any) -> None:
        self.connection.acknowledge(message)
        if message.topic == self._address.path:
            self._heard.append(message)
        elif message.topic.startswith("$SYS"):
            self._version = message.payload.decode("utf-8", "replace")

    def connect(self) -> bool:
        """Whether the broker lets this client in."""
        self.connection.start()
        if not self._up.wait(PATIENCE):
            return False
        if self._keeps:
            self.connection.client.subscribe(self._address.path, 1)
            self._subscribed.wait(PATIENCE)
        return True

    def version(self) -> str:
        """What the broker says of itself, where it says anything."""
        self.connection.client.subscribe("$SYS/broker/version", 0)
        self._wait(lambda: bool(self._version), 1.0)
        self.connection.client.unsubscribe("$SYS/broker/version")
        return self._version

    def count(self, most: int) -> int:
        """How many messages come, until there are `most` or none has come for two seconds."""
        before = -1
        while before < len(self._heard) < most:
            before = len(self._heard)
            self._wait(lambda: len(self._heard) >= most, 2.0)
        return len(self._heard)

    def _wait(self, true: Any, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true() and time.monotonic() < end:
            time.sleep(0.02)

    def visit(self) -> None:
        """Come and go: a session that was kept is let go by one that keeps nothing."""
        self.connect()
        self.leave()

    def leave(self) -> None:
        """Go."""
        self.connection.close()
