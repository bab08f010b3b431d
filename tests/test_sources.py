"""URLs of sources, what they cannot mean, and what stands between a source and its reader."""

import re
import threading
from pathlib import Path

import pytest
from cli_calls import CSV, call, make_model, refused
from input_asking import rows_of, wanted

import edgelstm as el
from edgelstm.errors import InputError, UsageError
from edgelstm.sources import has_keys, is_url, open_input
from edgelstm.sources.address import parse
from edgelstm.sources.backoff import BackOff
from edgelstm.sources.bounded import BoundedQueue
from edgelstm.sources.topics import levels


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sources") / "model.elstm"
    el.save(make_model(), file)
    return file


def test_urls_are_taken_apart() -> None:
    address = parse("mqtts://me:se%40cret@broker:8884/a/+/b/#?qos=0&clean=yes")
    assert address[1:7] == ("mqtts", "broker", 8884, "a/+/b/#", "me", "se@cret")
    assert "se%40cret" not in address.shown
    assert address.settled(qos=1, clean=False, ca="") == {"qos": 0, "clean": True, "ca": ""}
    assert parse("serial:///dev/ttyACM0?baud=9600")[1:5] == ("serial", "", 0, "/dev/ttyACM0")
    assert parse("wav:a folder/b.wav").path == "a folder/b.wav"
    assert [is_url(text) for text in ("-", "a.csv", "c:\\a.csv", "mic:", "/x:y")] == [False, False, False, True, False]
    assert [has_keys(f"mqtt://b/{topic}") for topic in ("a/+/b", "a/#", "a/b", "a/+b")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("topic", "given", "key"),
    [("s/+/imu", "s/a/imu", "a"), ("+/b/+", "x/b/y", "x/y"), ("s/#", "s/a/b", "a/b"), ("$share/g/s/+", "s/a", "a"), ("a.b/+", "aXb/c", "")],
)
def test_wildcards_name_the_stream(topic: str, given: str, key: str) -> None:
    found = levels(topic).fullmatch(given)
    assert ("/".join(found.groups()) if found else "") == key


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://x/y", "no source"),
        ("serial:///dev/x?speed=3", "'speed' is no option of serial"),
        ("serial:///dev/x?baud=fast", "not a whole number"),
        ("serial:///dev/x?dtr=perhaps", "not yes or no"),
        ("serial:///dev/x?parity=X", "no port works so"),
        ("serial://ttyACM0", "three slashes"),
        ("serial:///dev/x?baud=1&baud=2", "twice"),
        ("mqtt://localhost", "a broker and a topic"),
        ("mqtt://h:port/x", "no URL"),
        ("mqtt://h/t?qos=3", "qos is a whole number from 0 to 2; got 3"),
        ("mqtt://h/t?keepalive=-1", "keepalive is a whole number from 0"),
        ("mqtt://h/t?queue=0", "queue is a whole number from 1"),
        ("mqtt://h/a+/b", "a whole level"),
        ("mqtt://h/a/#/b", "from the last one on"),
        ("mqtts://h/t?ca=/no/such/file", "No such file"),
        ("python:nowhere.read", "no module nowhere"),
        ("python:os.no_such", "no function no_such"),
        ("python:os", "a function of a module"),
        ("python:os.getcwd", "row of numbers"),
    ],
)
def test_what_a_url_cannot_mean_is_refused(url: str, complaint: str) -> None:
    if url.startswith("serial"):
        pytest.importorskip("serial")
    if url.startswith("mqtt"):
        pytest.importorskip("paho.mqtt.client")
    with pytest.raises((UsageError, InputError, OSError), match=complaint):
        assert not is_url(url) or rows_of(open_input(url, wanted())) is None


@pytest.mark.parametrize(("url", "package", "extra"), [("serial:///dev/x", "serial", "serial"), ("mqtt://h/t", "paho.mqtt.client", "mqtt")])
def test_an_absent_package_is_named(url: str, package: str, extra: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    assert f"pip install 'edgelstm[{extra}]'" in refused(call("run", path, "-i", url), 2)


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (["-i", "mqtt://b/a/#", "-o", "mqtt://b:1883/a/{key}/answers"], "would be read again by --input mqtt://b/a/#"),
        (["-i", "mqtt://u:secret@b/a", "-o", "mqtt://b/a"], "--input mqtt://u:…@b/a"),
        (["-i", "serial:///dev/x", "-i", "{csv}"], "/dev/x has no end"),
        (["-i", "{csv}", "--period", "1"], "--period does nothing without --time COLUMN"),
        (["-i", "{csv}", "--on-gap", "reset"], "--on-gap does nothing without --time COLUMN"),
        (["-i", "{csv}", "--keep-state"], "--keep-state does nothing without --watch DIR"),
        (["-i", "{csv}", "--metrics-every", "1"], "--metrics-every does nothing without --metrics"),
        (["-i", "{csv}", "--state-every", "1"], "--state-every does nothing without --state"),
        (["-i", "{csv}", "--streams", "5"], r"--streams does nothing without --key COLUMN, or \+ or # in a topic"),
        (["-i", "{csv}", "--on-full", "stop"], "--on-full does nothing without --input mqtt: or mic:"),
        (["-i", "{csv}", "--metrics", "{csv}"], "--metrics .*a.csv would overwrite"),
        (["-i", "{csv}", "--metrics", "{model}"], "--metrics .*model.elstm would overwrite"),
        (["-i", "{csv}", "-o", "{csv}.jsonl", "--metrics", "{csv}.jsonl"], "--metrics .*jsonl"),
    ],
)
def test_what_does_not_go_together_is_refused(told: list[str], complaint: str, path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "a.csv.jsonl").touch()
    before = path.read_bytes()
    said = refused(call("run", path, *(text.format(csv=tmp_path / "a.csv", model=path, key="{key}") for text in told)), 2)
    assert re.search(complaint, said), said
    assert (tmp_path / "a.csv").read_text() == CSV
    assert path.read_bytes() == before


def test_waits_double_up_to_a_limit() -> None:
    back_off = BackOff(0.1, 1.0)
    waits = [back_off.seconds() for _ in range(8)]
    for wait, most in zip(waits, [0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1], strict=True):
        assert 0.75 * most <= wait <= most
    back_off.reset()
    assert back_off.fresh
    assert back_off.seconds() <= 0.1


def test_a_full_queue_does_what_its_policy_says() -> None:
    gone: list[int] = []
    for policy, left in (("drop-oldest", [2, 3, 4]), ("drop-newest", [0, 1, 2])):
        queue = BoundedQueue[int](3, policy, gone.append)
        for i in range(5):
            queue.put(i)
        assert queue.take(10) == left
        assert queue.dropped == 2
    assert gone == [0, 1, 3, 4]
    queue = BoundedQueue[int](3, "stop")
    for i in range(5):
        queue.put(i)
    assert queue.take(10) == [0, 1, 2]
    with pytest.raises(InputError, match="does not keep up"):
        queue.take(10)
    queue = BoundedQueue[int](2, "block")
    worker = threading.Thread(target=lambda: [queue.put(i) for i in range(100)], daemon=True)
    worker.start()
    got: list[int] = []
    while len(got) < 100:
        got += queue.take(7)
        assert len(queue) <= 2
    assert got == list(range(100))
    assert queue.take(1, 0.01) == []
    queue.close()
    assert queue.take(1) == []
    with pytest.raises(UsageError, match="drop-oldest"):
        BoundedQueue(3, "perhaps")
