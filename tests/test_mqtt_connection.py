"""A connection to a broker that comes back: in which order it sends, what it acknowledges, how much waits."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from mqtt_broker import Broker, persistent

from edgelstm.sources import mqtt_client
from edgelstm.sources.address import parse

pytest.importorskip("paho.mqtt.client")

from mqtt_clients import Peer


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path, *persistent(tmp_path))
    yield made
    made.stop()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 300
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_what_was_not_confirmed_goes_before_what_is_new(broker: Broker) -> None:
    """The broker lets the client in late, as a busy machine does: what is published in between must not overtake what is sent again."""
    hearer = Peer(broker, "answers", name="hearer")
    assert hearer.subscribed.wait(60)
    connection = mqtt_client.Connection(parse(f"mqtt://127.0.0.1:{broker.port}/answers"), "teller", print, persistent=False)
    connection.start()
    over, sent = threading.Event(), []

    def work() -> None:
        while not over.wait(0.002):
            connection.publish("answers", str(len(sent)), 1, retain=False)
            sent.append(len(sent))

    worker = threading.Thread(target=work)
    worker.start()
    until(lambda: hearer.heard)
    broker.stop()
    until(lambda: connection.lost)
    broker.start()
    broker.pause(1.5)
    over.set()
    worker.join()
    assert connection.settle(60)
    until(lambda: f"{sent[-1]}".encode() in {payload for _, payload, _ in hearer.heard})
    connection.close()
    hearer.close()
    assert connection.lost == 1
    assert list(dict.fromkeys(int(payload) for _, payload, _ in hearer.heard)) == sent


def test_a_message_of_an_earlier_connection_is_not_acknowledged() -> None:
    """It comes again, and is acknowledged once: mosquitto lets new messages overtake old ones where it is told of one twice."""
    connection = mqtt_client.Connection(parse("mqtt://127.0.0.1:1/a"), "me", print, tells=False, received=lambda message: None)
    told: list[int] = []
    connection.client.ack = lambda mid, qos: told.append(mid)
    well, broken = SimpleNamespace(is_failure=False), SimpleNamespace(is_failure=True)
    connection._on_connect(None, None, None, well, None)
    one, two = (connection._marked(SimpleNamespace(mid=mid, qos=1, timestamp=0)) for mid in (1, 2))
    connection.acknowledge(one)
    connection._on_disconnect(None, None, None, broken, None)
    connection.acknowledge(two)
    connection._on_connect(None, None, None, well, None)
    connection.acknowledge(two)
    assert told == [1]
    connection.acknowledge(connection._marked(SimpleNamespace(mid=2, qos=1, timestamp=0)))
    connection.acknowledge(SimpleNamespace(mid=3, qos=2, timestamp=0))
    assert told == [1, 2, 3]


def test_whoever_has_too_much_for_an_absent_broker_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_client, "MOST_UNCONFIRMED", 3)
    said: list[str] = []
    connection = mqtt_client.Connection(parse("mqtt://127.0.0.1:1/answers"), "me", said.append)
    worker = threading.Thread(target=lambda: [connection.publish("answers", str(i), 1, retain=False) for i in range(4)], daemon=True)
    worker.start()
    until(lambda: connection.waits)
    assert (connection.unconfirmed, worker.is_alive()) == (3, True)
    assert said == ["3 messages wait for the broker 127.0.0.1:1; no more are made until it takes them."]
    connection._release()
    connection._on_publish(None, None, 1, None, None)
    worker.join(60)
    assert (connection.unconfirmed, connection.waits) == (3, False)
    assert not connection.settle(0.001)
