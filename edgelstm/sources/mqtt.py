"""``mqtt://host/sensors/+/imu``: messages of a broker, each acknowledged when what it did is kept.

A message is received, its samples are stepped, the state goes to disk, and then the broker is told (MQTT 3.1.1, section 4.3.2, QoS 1): a
process that is killed in between finds the message again. The broker marks such a message as a duplicate and gives it the packet
identifier it had (4.4.0-1); identifier and contents of the latest messages are part of what is kept, so it is not stepped twice.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from ..runners import Samples
from ..runners.lines import LineSource
from . import Wanted, has_keys
from .address import Address
from .bounded import BoundedQueue
from .mqtt_client import Connection, check_options, client_name
from .topics import check_filter, levels

#: So many messages are recognised when they come again; no broker has more under way to one client unless it was told to.
REMEMBERED = 4096


class MqttSource(LineSource):
    """Samples in messages: CSV or JSON, a sample a line; with a wildcard in the topic, each sample is of the stream that it stands for.

    Parameters
    ----------
    address : Address
        Its options are ``qos``, ``client`` (the name that the broker keeps messages for; the same at each start), ``clean`` (whether the
        broker shall keep none), ``keepalive`` in seconds, ``ca``, and ``queue``: messages that may wait here.
    wanted : Wanted
        ``full``: by default no further message is read while that many wait.

    Attributes
    ----------
    seen : sequence of (int, int)
        Packet identifier and checksum of the latest messages.
    repeats, retained : int
        Messages that came again, and retained ones, which are older than the stream; neither is stepped.
    """

    def __init__(self, address: Address, wanted: Wanted) -> None:
        asked = check_options(address, address.settled(qos=1, client="", clean=False, keepalive=60, ca="", queue=1000))
        check_filter(address)
        self._topic, self._qos = address.path, asked["qos"]
        self._pattern = levels(address.path) if has_keys(f"mqtt://-/{address.path}") else None
        self._queue: BoundedQueue[Any] = BoundedQueue(asked["queue"], wanted.full or "block", self._let_go)
        self._seen: OrderedDict[int, int] = OrderedDict(wanted.seen)
        self._settling: list[Any] = []
        self._keys: dict[int, str] = {}
        self._line = 1
        self.repeats = self.retained = 0
        self._most = asked["queue"]
        self._connection = Connection(
            address,
            client_name(address, asked["client"]),
            wanted.note,
            ca=asked["ca"],
            keepalive=asked["keepalive"],
            persistent=not asked["clean"],
            connected=self._subscribe,
            received=self._queue.put,
        )
        super().__init__(self._read, wanted.model, wanted.reading, live=True, note=wanted.note)

    @property
    def seen(self) -> Sequence[tuple[int, int]]:
        """Packet identifier and checksum of the latest messages, the latest last."""
        return list(self._seen.items())

    def _subscribe(self) -> None:
        self._connection.subscribe(self._topic, self._qos)

    def _let_go(self, message: Any) -> None:
        """Acknowledge a message that nobody has time for; the broker would keep its place otherwise."""
        self._connection.acknowledge(message)

    def __iter__(self) -> Iterator[Samples]:
        self._connection.start()
        for samples in super().__iter__():
            yield samples._replace(keys=[self._keys[line] for line in samples.lines]) if self._pattern else samples

    def _read(self, count: int) -> bytes:
        """Wait for messages and return their lines. Those given before are acknowledged: whoever asks for more has dealt with them."""
        while True:
            for message in self._settling:
                self._connection.acknowledge(message)
            self._settling = self._queue.take(self._most)
            if not self._settling:
                return b""
            self._keys.clear()
            if lines := [line for message in self._settling if self._is_new(message) for line in self._lines(message)]:
                return b"".join(lines)

    def _is_new(self, message: Any) -> bool:
        """Whether a message is one that was not given before; it is remembered."""
        if message.retain:
            self.retained += 1
            return False
        if not message.qos:
            return True
        mark = crc32(message.payload, crc32(message.topic.encode()))
        if message.dup and self._seen.get(message.mid) == mark:
            self.repeats += 1
            return False
        self._seen[message.mid] = mark
        self._seen.move_to_end(message.mid)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def _lines(self, message: Any) -> Iterator[bytes]:
        """The lines of a message; a JSON value that was written over several lines becomes one."""
        payload = message.payload.strip()
        if b"\n" in payload and payload[:1] in (b"{", b"[") and _is_one_value(payload):
            payload = payload.replace(b"\r", b" ").replace(b"\n", b" ")
        key = ""
        if self._pattern and (found := self._pattern.fullmatch(message.topic)):
            key = "/".join(found.groups())
        for line in payload.split(b"\n"):
            self._keys[self._line] = key
            self._line += 1
            yield line + b"\n"

    def remarks(self) -> Iterator[str]:
        """What was not stepped, and why."""
        for count, what in (
            (self.repeats, "came again and {} not stepped twice"),
            (self.retained, "{} retained, older than the stream, and not stepped"),
            (self._queue.dropped, "{} let go, since the machine did not keep up"),
        ):
            if count:
                yield f"{count} message{'s' * (count > 1)} {what.format('were' if count > 1 else 'was')}."
        if self._connection.lost:
            yield f"the connection to the broker broke {self._connection.lost} time{'s' * (self._connection.lost > 1)}."

    def close(self) -> None:
        """Leave the broker."""
        self._queue.close()
        self._connection.close()


def _is_one_value(payload: bytes) -> bool:
    """Whether this is one JSON value; line ends in it are then blanks, since none may stand in a string."""
    try:
        json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return True


def open_input(address: Address, wanted: Wanted) -> MqttSource:
    """The messages of a topic."""
    return MqttSource(address, wanted)
