"""A connection to an MQTT broker that comes back by itself, tells others whether it is there, and says when that changes."""

import hashlib
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..errors import UsageError
from .address import Address
from .extras import extra
from .topics import PORTS

#: Environment variable that holds the password, where the URL shall not show it.
PASSWORD = "EDGELSTM_MQTT_PASSWORD"

#: Seconds before the first further attempt to connect, and at most between two.
FIRST_WAIT, LONGEST_WAIT = 1, 8

#: A connection that lasted for fewer seconds may have been taken over by another client.
SHORT = 3.0

#: Messages that may be under way to the broker at once.
MOST_UNDER_WAY = 1000

#: Messages that may wait for the broker to confirm them; whoever has another one waits until it has.
MOST_UNCONFIRMED = 10_000


class _Message(NamedTuple):
    topic: str
    text: str
    qos: int
    retain: bool


def check_options(address: Address, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of a URL, where they are what the protocol has.

    Raises
    ------
    UsageError
    """
    for name, least, most in (("qos", 0, 2), ("keepalive", 0, 65535), ("queue", 1, 1 << 20)):
        if name in asked and not least <= asked[name] <= most:
            raise UsageError(f"{address.shown}: {name} is a whole number from {least} to {most}; got {asked[name]}.")
    return asked


def client_name(address: Address, asked: str) -> str:
    """The name that a broker knows this client by: `asked`, or one that is the same at every start on this machine with this URL."""
    mark = f"{socket.gethostname()} {address.scheme}://{address.host}:{address.port}/{address.path}"
    return asked or "edgelstm-" + hashlib.sha256(mark.encode()).hexdigest()[:12]


class Connection:
    """A client that connects in a thread of its own, again and again with growing waits, and keeps a session at the broker.

    Messages arrive in the order in which they were given (MQTT 3.1.1, section 4.6): paho's client sends what is given to it while it
    connects before what it must send again, so here new messages are held until the broker has confirmed those of the last connection.

    Parameters
    ----------
    address : Address
        ``mqtt://[user[:password]@]host[:port]/topic``, or ``mqtts://`` for TLS. The password may stand in EDGELSTM_MQTT_PASSWORD.
    name : str
        The client's name.
    note : callable
        Takes a sentence when the broker is reached, refuses, or is lost.
    ca : str
        File of the authorities that are trusted with TLS; empty: the system's.
    keepalive : int
        Seconds without a message after which either side asks whether the other is there.
    persistent : bool
        Whether the broker keeps messages for this client while it is away.
    tells : bool
        Whether `status` is published.
    connected, received : callable, optional
        Called at each connection, and with each message, in the client's thread.

    Attributes
    ----------
    client : paho.mqtt.client.Client
    status : str
        The topic with the retained message ``online`` or ``offline``; the broker says the latter when the client is lost.
    lost : int
        How often the connection broke.
    waits : bool
        Whether somebody waits here for the broker.

    Raises
    ------
    UsageError
        If paho-mqtt 2 is not installed or the URL names no host.
    """

    def __init__(
        self,
        address: Address,
        name: str,
        note: Callable[[str], None],
        *,
        ca: str = "",
        keepalive: int = 60,
        persistent: bool = True,
        tells: bool = True,
        connected: Callable[[], None] = lambda: None,
        received: Callable[[Any], None] | None = None,
    ) -> None:
        mqtt = extra("paho.mqtt.client", "paho-mqtt", f"{address.scheme}:", "mqtt")
        if not hasattr(mqtt, "CallbackAPIVersion"):
            raise UsageError("mqtt: needs paho-mqtt 2 or later; install it with: pip install 'edgelstm[mqtt]'")
        if not address.host or not address.path:
            raise UsageError(f"{address.shown}: name a broker and a topic, as in mqtt://localhost/sensors/+/imu.")
        self._address, self._note, self._connected = address, note, connected
        self.name, self.status, self.lost = name, f"edgelstm/{name}/status", 0
        self._said, self._up, self.waits = "", False, False
        self._since, self._short = 0.0, 0
        self._connections, self._acknowledging = 0, threading.Lock()
        self._changed = threading.Condition()
        self._unconfirmed, self._early = set[int](), set[int]()
        self._held, self._holds = deque[_Message](), True
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=not persistent, manual_ack=True)
        if address.user:
            self.client.username_pw_set(address.user, address.password or os.environ.get(PASSWORD))
        if address.scheme == "mqtts":
            self.client.tls_set(ca_certs=ca or None)
        self._tells = tells
        if tells:
            self.client.will_set(self.status, "offline", qos=1, retain=True)
        self.client.reconnect_delay_set(FIRST_WAIT, LONGEST_WAIT)
        self.client.max_inflight_messages_set(MOST_UNDER_WAY)
        self.client.on_connect, self.client.on_disconnect = self._on_connect, self._on_disconnect
        self.client.on_connect_fail, self.client.on_publish = self._on_fail, self._on_publish
        self.client.on_subscribe = self._on_subscribe
        if received is not None:
            self.client.on_message = lambda client, userdata, message: received(self._marked(message))
        port = address.port or PORTS[address.scheme]
        self._where = f"{address.host}:{port}"
        self.client.connect_async(address.host, port, keepalive)

    def start(self) -> None:
        """Begin to connect."""
        self.client.loop_start()

    def _say(self, sentence: str) -> None:
        """Say what was not the last thing said."""
        if sentence != self._said:
            self._said = sentence
            self._note(sentence)

    def _on_connect(self, client: Any, userdata: object, flags: Any, reason: Any, properties: object) -> None:
        if reason.is_failure:
            self._say(f"the broker {self._where} refuses: {reason}; trying again.")
            return
        with self._acknowledging:
            self._up, self._since, self._connections = True, time.monotonic(), self._connections + 1
        self._connected()
        if not self._unconfirmed:
            self._release()
        if self._tells:
            self._send(_Message(self.status, "online", 1, True))
        if self._said:
            self._say(f"connected to the broker {self._where}.")

    def _on_disconnect(self, client: Any, userdata: object, flags: Any, reason: Any, properties: object) -> None:
        if self._up and reason.is_failure:
            self.lost += 1
            self._short = self._short + 1 if time.monotonic() - self._since < SHORT else 0
            hint = f"; does another client use the name {self.name}?" if self._short > 2 else "; trying again."
            self._say(f"the connection to the broker {self._where} broke ({reason}){hint}")
        with self._acknowledging:
            self._up = False
        with self._changed:
            self._holds = True

    def _on_fail(self, client: Any, userdata: object) -> None:
        """What keeps the broker from being reached is being handled where this is called."""
        self._short = 0
        problem = sys.exception()
        why = f" ({problem.strerror or problem})" if isinstance(problem, OSError) else ""
        self._say(f"the broker {self._where} cannot be reached{why}; trying again.")

    def subscribe(self, topic: str, qos: int) -> None:
        """Ask for the messages of a topic, as long as this connection lasts."""
        self.client.subscribe(topic, qos)

    def _marked(self, message: Any) -> Any:
        """A message that knows which connection it came by."""
        message.timestamp = self._connections
        return message

    def acknowledge(self, message: Any) -> None:
        """Tell the broker that a message is dealt with, if the connection that it came by is there: a broker sends it again otherwise.

        To acknowledge a message of an earlier connection, and then the same one that came again, makes mosquitto count one message too
        few as under way: it lets new messages overtake those that wait. One with a qos of 2 does not come again as a whole.
        """
        with self._acknowledging:
            if message.qos == 2 or (self._up and message.timestamp == self._connections):
                self.client.ack(message.mid, message.qos)

    def _on_subscribe(self, client: Any, userdata: object, mid: int, reasons: Any, properties: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self._say(f"the broker {self._where} lets this client not read {self._address.path}: {reasons[0]}.")

    def publish(self, topic: str, text: str, qos: int, *, retain: bool) -> None:
        """Send a message, now or when the broker is there; with a qos of 1 or 2 it counts as unconfirmed until the broker has it.

        Where too many are unconfirmed it waits.
        """
        if self.unconfirmed >= MOST_UNCONFIRMED:
            self._say(f"{MOST_UNCONFIRMED} messages wait for the broker {self._where}; no more are made until it takes them.")
            with self._waiting():
                self._changed.wait_for(lambda: self.unconfirmed < MOST_UNCONFIRMED)
        message = _Message(topic, text, qos, retain)
        with self._changed:
            if self._holds and qos:
                self._held.append(message)
                return
        self._send(message)

    def _release(self) -> None:
        """Send what was held; from then on messages go at once. The lock is open while the client is asked, which has one of its own."""
        while True:
            with self._changed:
                if not self._held:
                    self._holds = False
                    return
                message = self._held[0]
            self._send(message)
            with self._changed:
                self._held.popleft()

    def _send(self, message: _Message) -> None:
        told = self.client.publish(*message)
        if message.qos:
            with self._changed:
                if told.mid in self._early:
                    self._early.remove(told.mid)
                else:
                    self._unconfirmed.add(told.mid)

    def _on_publish(self, client: Any, userdata: object, mid: int, reason: object, properties: object) -> None:
        with self._changed:
            if mid in self._unconfirmed:
                self._unconfirmed.remove(mid)
                self._changed.notify_all()
            else:
                self._early.add(mid)
            overtaken = self._unconfirmed or not self._holds
        if not overtaken:
            self._release()

    def settle(self, seconds: float | None = None) -> bool:
        """Wait until the broker has confirmed all messages, however long it is away, or for some seconds; whether it has."""
        with self._waiting():
            return self._changed.wait_for(lambda: not self.unconfirmed, seconds)

    @property
    def unconfirmed(self) -> int:
        """Messages that the broker has not confirmed."""
        return len(self._unconfirmed) + len(self._held)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self.waits = True
        try:
            with self._changed:
                yield
        finally:
            self.waits = False

    def close(self) -> None:
        """Say that this client is offline, and leave."""
        if self._up and self._tells:
            self._send(_Message(self.status, "offline", 1, True))
            self.settle(2)
        self.client.disconnect()
        self.client.loop_stop()
