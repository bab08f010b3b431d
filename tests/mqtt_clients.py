"""Clients of a broker for tests: one that hears and publishes as paho does, one that publishes in order."""

import json
import threading

import numpy as np
import pytest
from mqtt_broker import Broker

from edgelstm.sources import mqtt_client
from edgelstm.sources.address import parse

mqtt = pytest.importorskip("paho.mqtt.client")

MQTTMessageInfo = mqtt.MQTTMessageInfo


class Peer:
    """A client that publishes samples and keeps what it hears."""

    def __init__(self, broker: Broker, *topics: str, name: str = "") -> None:
        """name: where given, the broker keeps messages for it."""
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=not name)
        self.client.on_message = lambda client, userdata, m: self.heard.append((m.topic, m.payload, m.retain))
        self.client.on_connect = lambda client, *rest: [client.subscribe(topic, 1) for topic in topics]
        self.subscribed = threading.Event()
        self.client.on_subscribe = lambda *told: self.subscribed.set()
        self.client.reconnect_delay_set(1, 1)
        self.client.max_inflight_messages_set(1000)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()

    def send(self, device: str, number: int, row: np.ndarray, *, retain: bool = False) -> MQTTMessageInfo:
        return self.client.publish(f"sensors/{device}/imu", told(number, row), 1, retain)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def told(number: int, row: np.ndarray) -> str:
    return json.dumps({"n": number, **dict(zip(("ax", "ay", "az"), row.tolist(), strict=True))})


class Device:
    """A client that publishes samples in order, whatever becomes of the broker."""

    def __init__(self, broker: Broker) -> None:
        self._connection = mqtt_client.Connection(parse(f"mqtt://127.0.0.1:{broker.port}/sensors"), "device", print, tells=False)
        self._connection.start()

    def send(self, device: str, number: int, row: np.ndarray) -> None:
        self._connection.publish(f"sensors/{device}/imu", told(number, row), 1, retain=False)

    def close(self) -> None:
        self._connection.close()
