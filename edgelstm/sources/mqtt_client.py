"""A connection to an MQTT broker that comes back by itself, tells others whether it is there, and says when that changes."""

import hashlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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

#: Messages that may wait for the broker to confirm them; whoever has another one waits until it has.
MOST_UNCONFIRMED = 10_000


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
        self._changed = threading.Condition()
        self._unconfirmed, self._early = set[int](), set[int]()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=not persistent, manual_ack=True)
        if address.user:
            self.client.username_pw_set(address.user, address.password or os.environ.get(PASSWORD))
        if address.scheme == "mqtts":
            self.client.tls_set(ca_certs=ca or None)
        self._tells = tells
        if tells:
            self.client.will_set(self.status, "offline", qos=1, retain=True)
        self.client.reconnect_delay_set(FIRST_WAIT, LONGEST_WAIT)
        self.client.on_connect, self.client.on_disconnect = self._on_connect, self._on_disconnect
        self.client.on_connect_fail, self.client.on_publish = self._on_fail, self._on_publish
        self.client.on_subscribe = self._on_subscribe
        if received is not None:
            self.client.on_message = lambda client, userdata, message: received(message)
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
        self._up, self._since = True, time.monotonic()
        self._connected()
        if self._tells:
            self._send(self.status, "online", 1, retain=True)
        if self._said:
            self._say(f"connected to the broker {self._where}.")

    def _on_disconnect(self, client: Any, userdata: object, flags: Any, reason: Any, properties: object) -> None:
        if self._up and reason.is_failure:
            self.lost += 1
            self._short = self._short + 1 if time.monotonic() - self._since < SHORT else 0
            hint = f"; does another client use the name {self.name}?" if self._short > 2 else "; trying again."
            self._say(f"the connection to the broker {self._where} broke ({reason}){hint}")
        self._up = False

    def _on_fail(self, client: Any, userdata: object) -> None:
        """What keeps the broker from being reached is being handled where this is called."""
        self._short = 0
        problem = sys.exception()
        why = f" ({problem.strerror or problem})" if isinstance(problem, OSError) else ""
        self._say(f"the broker {self._where} cannot be reached{why}; trying again.")

    def subscribe(self, topic: str, qos: int) -> None:
        """Ask for the messages of a topic, as long as this connection lasts."""
        self.client.subscribe(topic, qos)

    def _on_subscribe(self, client: Any, userdata: object, mid: int, reasons: Any, properties: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self._say(f"the broker {self._where} lets this client not read {self._address.path}: {reasons[0]}.")

    def publish(self, topic: str, text: str, qos: int, *, retain: bool) -> None:
        """Send a message, now or when the broker is there; with a qos of 1 or 2 it counts as unconfirmed until the broker has it.

        Where too many are unconfirmed it waits.
        """
        if len(self._unconfirmed) >= MOST_UNCONFIRMED:
            self._say(f"{MOST_UNCONFIRMED} messages wait for the broker {self._where}; no more are made until it takes them.")
            with self._waiting():
                self._changed.wait_for(lambda: len(self._unconfirmed) < MOST_UNCONFIRMED)
        self._send(topic, text, qos, retain=retain)

    def _send(self, topic: str, text: str, qos: int, *, retain: bool) -> None:
        told = self.client.publish(topic, text, qos, retain)
        if qos:
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

    def settle(self, seconds: float | None = None) -> bool:
        """Wait until the broker has confirmed all messages, however long it is away, or for some seconds; whether it has."""
        with self._waiting():
            return self._changed.wait_for(lambda: not self._unconfirmed, seconds)

    @property
    def unconfirmed(self) -> int:
        """Messages that the broker has not confirmed."""
        return len(self._unconfirmed)

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
            self._send(self.status, "offline", 1, retain=True)
            self.settle(2)
        self.client.disconnect()
        self.client.loop_stop()
