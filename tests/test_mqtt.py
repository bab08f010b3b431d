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
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_calls import ROOT, call, launch, make_model, refused, until
from mqtt_broker import Broker, persistent

import edgelstm as el
from edgelstm.cli import session

pytest.importorskip("paho.mqtt.client")

from mqtt_clients import Device, Peer

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


def publish(peer: Peer | Device, rows: np.ndarray, pause: float) -> threading.Thread:
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
        time.sleep(600)
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
                heard = select.select([process.stdout], [], [], 60)[0]
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
    peer = Device(broker)
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
    peer.send("a", 99, rows[0, 0], retain=True).wait_for_publish(60)
    url = f"mqtt://127.0.0.1:{broker.port}"
    process = launch("run", path, "-i", f"{url}/sensors/+/imu", "-o", f"{url}/answers/{{key}}", "--ha", "--keep", "n")
    until(lambda: sum(payload == b"online" for _, payload, _ in peer.heard) >= 1, process)
    publish(peer, rows, 0.0).join()
    peer.client.publish("sensors/a/imu", '{\n "n": 5,\n "ax": null, "ay": 1, "az": 2}', 1)
    peer.client.publish("sensors/a/imu", "no sample", 1)
    peer.send("a", 6, rows[0, 0])  # its answer comes when the line before it was read
    until(lambda: sum(topic.startswith("answers/") for topic, _, _ in peer.heard) >= 17, process)
    process.send_signal(signal.SIGTERM)
    _, complaint = process.communicate(timeout=60)
    until_offline = time.monotonic() + 60
    while not any(payload == b"offline" for _, payload, _ in peer.heard):
        assert time.monotonic() < until_offline
        time.sleep(0.01)
    for place, device in enumerate(DEVICES):
        heard = [json.loads(payload) for topic, payload, _ in peer.heard if topic == f"answers/{device}"]
        expected = el.Stream(make_model()).process(rows[place])
        assert [one["n"] for one in heard][:5] == list(range(5))
        got = np.array([[one["outputs"]["rest"], one["outputs"]["walk"]] for one in heard][:5], np.float32)
        assert np.array_equal(got, expected)
        assert [one["label"] for one in heard][:5] == [("rest", "walk")[best] for best in expected.argmax(1)]
    configs = {topic: json.loads(payload) for topic, payload, _ in peer.heard if topic.startswith("homeassistant/")}
    assert len(configs) == 9
    decision = next(config for topic, config in configs.items() if topic.endswith("_b/decision/config"))
    assert decision["state_topic"] == "answers/b"
    assert decision["options"] == ["rest", "walk"]
    assert decision["availability_topic"] in {topic for topic, payload, _ in peer.heard if payload == b"online"}
    assert b"1 message was retained, older than the stream, and not stepped" in complaint
    assert b"1 bad line skipped" in complaint
    peer.close()


def test_the_label_of_an_answer_is_that_of_its_thresholds(broker: Broker, tmp_path: Path, rng: np.random.Generator) -> None:
    """A JSON null where none is reached; with --on-change a message where the label changes, from and to none."""
    rows = rng.normal(size=(60, 3)).astype(np.float32)
    answers = el.Stream(make_model()).process(rows)
    halves = np.median(answers, axis=0)
    model = replace(make_model(), thresholds=tuple(halves.tolist()), window=None)
    el.save(model, tmp_path / "m.elstm")
    reached = answers >= halves
    labels = [max((v, name) for v, ok, name in zip(row, oks, model.labels, strict=True) if ok)[1] if any(oks) else None
              for row, oks in zip(answers.tolist(), reached.tolist(), strict=True)]  # fmt: skip
    assert {*labels} == {"rest", "walk", None}
    given = "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())
    for asked, expected in (
        ([], labels),
        (["--on-change"], [label for i, label in enumerate(labels) if not i or label != labels[i - 1]]),
    ):
        peer = Peer(broker, "answers")
        assert peer.subscribed.wait(60)
        assert call("run", tmp_path / "m.elstm", "-o", f"mqtt://127.0.0.1:{broker.port}/answers", *asked, given=given).exit_code == 0
        deadline = time.monotonic() + 60
        while len(peer.heard) < len(expected) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [json.loads(payload)["label"] for _, payload, _ in peer.heard] == expected
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
