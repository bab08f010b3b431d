"""MQTT, against a broker: nothing lost and nothing stepped twice, whoever is killed; status, answers, Home Assistant."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_calls import ROOT, call, launch, make_model, refused, until
from mqtt_broker import Broker, persistent

import edgelstm as el
from edgelstm.cli import session
from edgelstm.sources import mqtt_client
from edgelstm.sources.address import parse

mqtt = pytest.importorskip("paho.mqtt.client")

DEVICES = ("a", "b", "c")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("mqtt") / "model.elstm"
    el.save(make_model(), file)
    return file


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path, *persistent(tmp_path))
    yield made
    made.stop()


class Peer:
    """A client that publishes samples and keeps what it hears."""

    def __init__(self, broker: Broker, *topics: str) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda client, userdata, m: self.heard.append((m.topic, m.payload, m.retain))
        self.client.on_connect = lambda client, *rest: [client.subscribe(topic, 1) for topic in topics]
        self.client.reconnect_delay_set(1, 1)
        self.client.max_inflight_messages_set(1000)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()

    def send(self, device: str, number: int, row: np.ndarray, *, retain: bool = False) -> None:
        text = json.dumps({"n": number, **dict(zip(("ax", "ay", "az"), row.tolist(), strict=True))})
        self.client.publish(f"sensors/{device}/imu", text, 1, retain)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def sent(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(size=(len(DEVICES), count, 3)).astype(np.float32)


def options(broker: Broker, tmp_path: Path, *, numbered: bool = True) -> list[object]:
    url = f"mqtt://127.0.0.1:{broker.port}/sensors/+/imu?client=gateway"
    return [
        "-i",
        url,
        *(["--sequence", "n"] if numbered else []),
        "--keep",
        "n",
        "--state",
        tmp_path / "s",
        "--append",
        "-o",
        tmp_path / "o.csv",
    ]


def written(tmp_path: Path) -> dict[str, list[list[str]]]:
    lines = (tmp_path / "o.csv").read_text().splitlines()[1:] if (tmp_path / "o.csv").exists() else []
    found: dict[str, list[list[str]]] = {device: [] for device in DEVICES}
    for line in lines:
        key, *cells = line.split(",")
        found[key].append(cells)
    return found


def check(tmp_path: Path, rows: np.ndarray) -> None:
    """Every sample answered once, in order, as one stream a device does."""
    for device, xs in zip(DEVICES, rows, strict=True):
        cells = written(tmp_path)[device]
        assert [int(row[0]) for row in cells] == list(range(len(xs)))
        assert np.array_equal(np.array([row[1:] for row in cells], np.float32), el.Stream(make_model()).process(xs))


def all_written(tmp_path: Path, count: int) -> bool:
    return sum(map(len, written(tmp_path).values())) >= count


def publish(peer: Peer, rows: np.ndarray, pause: float) -> threading.Thread:
    def work() -> None:
        for number in range(rows.shape[1]):
            for place, device in enumerate(DEVICES):
                peer.send(device, number, rows[place, number])
            time.sleep(pause)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    return worker


def killed_again_and_again(path: Path, broker: Broker, tmp_path: Path, kills: int, *, numbered: bool) -> None:
    rows = sent(np.random.default_rng(5), 40 * kills)
    chance = random.Random(6)
    (tmp_path / "o.csv").touch()
    first = launch("run", path, *options(broker, tmp_path, numbered=numbered))
    status = Peer(broker, "edgelstm/gateway/status")
    until(lambda: any(payload == b"online" for _, payload, _ in status.heard), first)
    status.close()
    peer = Peer(broker)
    worker = publish(peer, rows, 0.015)
    process = first
    for _ in range(kills):
        before = len((tmp_path / "o.csv").read_bytes())
        until(lambda before=before: len((tmp_path / "o.csv").read_bytes()) > before or not worker.is_alive(), process)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.communicate()
        process = launch("run", path, *options(broker, tmp_path, numbered=numbered))
    worker.join()
    until(lambda: all_written(tmp_path, rows.shape[0] * rows.shape[1]), process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    peer.close()
    check(tmp_path, rows)


@pytest.mark.slow
@pytest.mark.parametrize("numbered", [True, False])
def test_killed_between_receipt_and_acknowledgement_nothing_is_lost_or_counted_twice(
    path: Path, broker: Broker, tmp_path: Path, numbered: bool, heard_signals: None
) -> None:
    killed_again_and_again(path, broker, tmp_path, 6, numbered=numbered)


RECEIVES = """
import sys, time
from types import SimpleNamespace
from edgelstm.runners.reading import Reading
from edgelstm.sources import Wanted, open_input
model = SimpleNamespace(input_size=3, input_names=("ax", "ay", "az"))
given = 0
for samples in open_input(sys.argv[1], Wanted(model, Reading(bad_lines="skip"), print)):
    given += len(samples.values)
    print("received", given, flush=True)
    if given == int(sys.argv[2]):
        time.sleep(60)
"""


def test_what_was_received_and_not_dealt_with_comes_again(broker: Broker) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}/sensors/+/imu?client=gateway"
    peer = Peer(broker, "edgelstm/gateway/status")
    rows = np.zeros((1, 3), np.float32)
    received = []
    for number, count in ((0, 1), (1, 2), (2, 9)):
        command = [sys.executable, "-c", RECEIVES, url, str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
            until(lambda number=number: [payload for _, payload, _ in peer.heard].count(b"online") > number, process)
            peer.send("a", number, rows[0])
            for _ in range(min(count, 2)):
                heard = select.select([process.stdout], [], [], 10)[0]
                received.append(process.stdout.readline() if heard else b"nothing")
            process.kill()
    peer.close()
    assert received == [b"received 1\n", b"received 1\n", b"received 2\n", b"received 1\n", b"received 2\n"]


@pytest.mark.nightly
def test_killed_five_hundred_times(path: Path, broker: Broker, tmp_path: Path, heard_signals: None) -> None:
    killed_again_and_again(path, broker, tmp_path, 500, numbered=True)


@pytest.mark.parametrize("times", [pytest.param(3, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.nightly)])
def test_a_broker_that_stops_and_starts_loses_nothing(path: Path, broker: Broker, tmp_path: Path, times: int, heard_signals: None) -> None:
    rows = sent(np.random.default_rng(7), 50 * times)
    status = Peer(broker, "edgelstm/gateway/status")
    process = launch("run", path, *options(broker, tmp_path))
    until(lambda: any(payload == b"online" for _, payload, _ in status.heard), process)
    peer = Peer(broker)
    worker = publish(peer, rows, 0.02)
    for _ in range(times):
        time.sleep(0.5)
        broker.stop()
        time.sleep(0.2)
        broker.start()
    worker.join()
    until(lambda: all_written(tmp_path, rows.shape[0] * rows.shape[1]), process)
    process.send_signal(signal.SIGTERM)
    _, complaint = process.communicate(timeout=60)
    for one in (peer, status):
        one.close()
    check(tmp_path, rows)
    assert b"connection to the broker broke" in complaint


def test_answers_go_to_the_broker_and_to_home_assistant(path: Path, broker: Broker, tmp_path: Path, heard_signals: None) -> None:
    rows = sent(np.random.default_rng(8), 5)
    peer = Peer(broker, "answers/#", "homeassistant/#", "edgelstm/#")
    peer.send("a", 99, rows[0, 0], retain=True)
    url = f"mqtt://127.0.0.1:{broker.port}"
    process = launch("run", path, "-i", f"{url}/sensors/+/imu", "-o", f"{url}/answers/{{key}}", "--ha", "--keep", "n")
    until(lambda: sum(payload == b"online" for _, payload, _ in peer.heard) >= 1, process)
    publish(peer, rows, 0.0).join()
    peer.client.publish("sensors/a/imu", '{\n "n": 5,\n "ax": null, "ay": 1, "az": 2}', 1)
    peer.client.publish("sensors/a/imu", "no sample", 1)
    until(lambda: sum(topic.startswith("answers/") for topic, _, _ in peer.heard) >= 16, process)
    process.send_signal(signal.SIGTERM)
    _, complaint = process.communicate(timeout=60)
    until_offline = time.monotonic() + 10
    while not any(payload == b"offline" for _, payload, _ in peer.heard):
        assert time.monotonic() < until_offline
        time.sleep(0.01)
    for place, device in enumerate(DEVICES):
        told = [json.loads(payload) for topic, payload, _ in peer.heard if topic == f"answers/{device}"]
        expected = el.Stream(make_model()).process(rows[place])
        assert [one["n"] for one in told][:5] == list(range(5))
        got = np.array([[one["outputs"]["rest"], one["outputs"]["walk"]] for one in told][:5], np.float32)
        assert np.array_equal(got, expected)
        assert [one["label"] for one in told][:5] == [("rest", "walk")[best] for best in expected.argmax(1)]
    configs = {topic: json.loads(payload) for topic, payload, _ in peer.heard if topic.startswith("homeassistant/")}
    assert len(configs) == 9
    decision = next(config for topic, config in configs.items() if topic.endswith("_b/decision/config"))
    assert decision["state_topic"] == "answers/b"
    assert decision["options"] == ["rest", "walk"]
    assert decision["availability_topic"] in {topic for topic, payload, _ in peer.heard if payload == b"online"}
    assert b"1 message was retained, older than the stream, and not stepped" in complaint
    assert b"1 bad line skipped" in complaint
    peer.close()


def test_what_a_broker_cannot_do_is_refused(path: Path) -> None:
    assert "one topic" in refused(call("run", path, "-o", "mqtt://127.0.0.1:1/a/+", given="1,2,3\n"), 2)
    assert "--ha announces" in refused(call("run", path, "--ha", given="1,2,3\n"), 2)
    assert "for files" in refused(call("run", path, "-o", "mqtt://h/t", "--append", given="1,2,3\n"), 2)


def test_answers_that_no_broker_took_are_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LAST_WAIT", 0.05)
    result = call("run", path, "-o", "mqtt://127.0.0.1:1/answers", given="1,2,3\n4,5,6\n")
    assert result.exit_code == 1
    assert "2 messages to mqtt://127.0.0.1:1/answers were not confirmed within 0.05 s" in result.stderr


def test_whoever_has_too_much_for_an_absent_broker_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_client, "MOST_UNCONFIRMED", 3)
    said: list[str] = []
    connection = mqtt_client.Connection(parse("mqtt://127.0.0.1:1/answers"), "me", said.append)
    worker = threading.Thread(target=lambda: [connection.publish("answers", str(i), 1, retain=False) for i in range(4)], daemon=True)
    worker.start()
    end = time.monotonic() + 10
    while not connection.waits:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert (connection.unconfirmed, worker.is_alive()) == (3, True)
    assert said == ["3 messages wait for the broker 127.0.0.1:1; no more are made until it takes them."]
    connection._on_publish(None, None, 1, None, None)
    worker.join(10)
    assert (connection.unconfirmed, connection.waits) == (3, False)
    assert not connection.settle(0.001)
