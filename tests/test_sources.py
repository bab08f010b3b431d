"""Sources beyond files: URLs, serial ports that vanish, sound, functions, full queues; numbers that came before."""

import os
import pty
import select
import signal
import struct
import threading
import time
import wave
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_calls import CSV, ROWS, answers, call, launch, line_of, make_model, refused

import edgelstm as el
from edgelstm.errors import InputError, UsageError
from edgelstm.runners import Samples
from edgelstm.runners.keyed import by_column
from edgelstm.runners.ledger import UNSURE, Ledger
from edgelstm.runners.reading import Reading
from edgelstm.sources import Wanted, has_keys, is_url, open_input
from edgelstm.sources.address import parse
from edgelstm.sources.backoff import BackOff
from edgelstm.sources.bounded import BoundedQueue
from edgelstm.sources.mqtt import levels
from edgelstm.sources.serial_port import QUIET

TRIPLE = SimpleNamespace(input_size=3, input_names=("ax", "ay", "az"))


def wanted(model=TRIPLE, notes=None, rate_hz=None, **reading) -> Wanted:
    return Wanted(model, Reading(bad_lines="skip", **reading), (notes if notes is not None else []).append, rate_hz)


def rows_of(source) -> np.ndarray:
    with closing(source):
        return np.concatenate([samples.values for samples in source])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sources") / "model.elstm"
    el.save(make_model(), file)
    return file


# ---------------------------------------------------------------- URLs


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
    with pytest.raises((UsageError, InputError), match=complaint):
        assert not is_url(url) or rows_of(open_input(url, wanted())) is None


@pytest.mark.parametrize(("url", "package", "extra"), [("serial:///dev/x", "serial", "serial"), ("mqtt://h/t", "paho.mqtt.client", "mqtt")])
def test_an_absent_package_is_named(url: str, package: str, extra: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    assert f"pip install 'edgelstm[{extra}]'" in refused(call("run", path, "-i", url), 2)


# ---------------------------------------------------------------- serial ports


class Board:
    """A pseudo-terminal behind a name, that can be pulled out and put in."""

    def __init__(self, name: Path) -> None:
        self.name, self._wire = name, -1

    def plug(self) -> None:
        """Appear, and wait until somebody has opened the port and heard nothing for a while."""
        self._wire, line = pty.openpty()
        spare = self.name.with_suffix(".new")
        spare.symlink_to(os.ttyname(line))
        os.close(line)
        poll = select.poll()
        poll.register(self._wire, select.POLLIN)
        spare.rename(self.name)
        until(lambda: not any(event & select.POLLHUP for _, event in poll.poll(0)))
        time.sleep(2 * QUIET)

    def say(self, text: str) -> None:
        os.write(self._wire, text.encode())

    def pull(self) -> None:
        self.name.unlink()
        os.close(self._wire)


def until(true) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_port_pulled_out_fifty_times_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("serial")
    plugs, each = 50, 3
    lines = [f"{i},0.5,0.25" for i in range(plugs * each)]
    board, notes, got = Board(tmp_path / "ttyFAKE0"), [], []
    source = open_input(f"serial://{board.name}", wanted(notes=notes))

    def read() -> None:
        for samples in source:
            got.extend(samples.values[:, 0].tolist())
            if len(got) >= len(lines):
                return

    threading.Thread(target=read, daemon=True).start()
    for plug in range(plugs):
        board.plug()
        board.say("".join(line + "\r\n" for line in lines[plug * each : (plug + 1) * each]) + "7,8,9")
        until(lambda count=(plug + 1) * each: len(got) >= count)
        if plug < plugs - 1:
            board.pull()
    assert got == list(range(len(lines)))
    said = " ".join(source.remarks())
    assert f"gone {plugs - 1} times" in said
    assert "half line" in said
    assert notes.count(f"{board.name} is back.") == plugs - 1


def test_a_port_that_speaks_at_once_may_begin_with_half_a_line(tmp_path: Path) -> None:
    pytest.importorskip("serial")
    master, line = pty.openpty()

    def chatter() -> None:
        for i in range(400):
            os.write(master, f"{i}.5,1,2\n".encode())
            time.sleep(QUIET / 10)

    worker = threading.Thread(target=chatter, daemon=True)
    source = open_input(f"serial://{os.ttyname(line)}", wanted())
    worker.start()
    first = next(iter(source)).values
    assert (first[:, 1:] == [1, 2]).all()
    assert "1 half line left out" in " ".join(source.remarks())
    source.close()


def test_a_board_is_answered_line_by_line(path: Path, tmp_path: Path, heard_signals: None) -> None:
    pytest.importorskip("serial")
    board = Board(tmp_path / "ttyFAKE0")
    with launch("run", path, "-i", f"serial://{board.name}?baud=9600") as process:
        board.plug()
        board.say("Boot v1.2\r\n\x00\xff\r\n" + CSV.replace("\n", "\r\n"))
        got = [line_of(process) for _ in range(len(ROWS) + 1)]
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=60)
    board.pull()
    assert np.array_equal(answers(b"".join(got).decode()), el.Stream(make_model()).process(ROWS))
    assert b"2 bad lines skipped (lines 1, 2)" in complaint
    assert process.returncode == -signal.SIGTERM


def test_a_port_that_may_not_be_opened_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("serial")
    (tmp_path / "file").write_text("1,2,3\n")
    with pytest.raises(OSError, match="cannot be opened"):
        next(iter(open_input(f"serial://{tmp_path / 'file'}", wanted())))


def test_waits_double_up_to_a_limit() -> None:
    back_off = BackOff(0.1, 1.0)
    waits = [back_off.seconds() for _ in range(8)]
    for wait, most in zip(waits, [0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1], strict=True):
        assert 0.75 * most <= wait <= most
    back_off.reset()
    assert back_off.fresh
    assert back_off.seconds() <= 0.1


# ---------------------------------------------------------------- sound


def sound(rng, bits: int, channels: int, frames: int) -> tuple[bytes, np.ndarray]:
    """Bytes of whole numbers, and what they mean."""
    low, high = (0, 255) if bits == 8 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    numbers = rng.integers(low, high, (frames, channels), endpoint=True)
    raw = b"".join(int(n).to_bytes(bits // 8, "little", signed=bits > 8) for n in numbers.reshape(-1))
    return raw, ((numbers - 128 * (bits == 8)) / (1 << (bits - 1))).astype(np.float32)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_sound_of_whole_numbers(bits: int, rng, tmp_path: Path) -> None:
    raw, means = sound(rng, bits, 3, 1000)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((3, bits // 8, 50, 0, "NONE", ""))
        file.writeframes(raw)
    assert np.array_equal(rows_of(open_input(f"wav:{tmp_path / 'a.wav'}", wanted(rate_hz=50))), means)


def riff(form: int, channels: int, rate: int, bits: int, data: bytes, *, size: int | None = None) -> bytes:
    fmt = struct.pack("<HHIIHH", form, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", 16) + fmt
    return b"RIFF\0\0\0\0WAVE" + chunks + b"data" + struct.pack("<I", len(data) if size is None else size) + data


def test_sound_of_floats_in_runs_of_frames(rng, tmp_path: Path) -> None:
    mono = rng.uniform(-1, 1, 3 * 20000 + 2)
    (tmp_path / "a.wav").write_bytes(riff(3, 1, 48000, 64, mono.astype("<f8").tobytes()))
    got = rows_of(open_input(f"wav:{tmp_path / 'a.wav'}", wanted(rate_hz=16000)))
    assert np.array_equal(got, mono[:-2].astype(np.float32).reshape(-1, 3))


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        (b"OggS", "no WAVE file"),
        (riff(2, 1, 50, 4, b"123"), "form 2 with 4 bits"),
        (riff(1, 2, 50, 16, b"1234"), "2 channels; the model takes 3"),
        (riff(1, 3, 44100, 16, b"123456"), "44100 frames a second.*resample to 50"),
        (riff(1, 3, 50, 16, b"123456", size=600), "ends 594 bytes before"),
        (riff(1, 3, 50, 16, b"123456").replace(b"data", b"more"), "no data chunk"),
    ],
)
def test_sound_that_does_not_fit_is_refused(contents: bytes, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(contents)
    with pytest.raises((InputError, UsageError), match=complaint):
        rows_of(open_input(f"wav:{tmp_path / 'a.wav'}", wanted(rate_hz=50)))


def test_sound_through_the_command(path: Path, rng, tmp_path: Path) -> None:
    raw, means = sound(rng, 16, 3, 200)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((3, 2, 50, 0, "NONE", ""))
        file.writeframes(raw)
    result = call("run", path, "-i", f"wav:{tmp_path / 'a.wav'}")
    assert np.array_equal(answers(result.stdout), el.Stream(make_model()).process(means))
    assert "no columns" in refused(call("run", path, "-i", f"wav:{tmp_path / 'a.wav'}", "--keep", "time"), 2)


class Microphone:
    """What sounddevice offers, hearing a ramp."""

    class PortAudioError(Exception):
        pass

    def __init__(self, heard: np.ndarray) -> None:
        self.heard, self.asked = heard, {}

    def InputStream(self, **asked):
        if asked["channels"] > 1:
            raise self.PortAudioError("Invalid number of channels")
        self.asked = asked
        return self

    def __enter__(self):
        for block in np.split(self.heard, 8):
            memory = block.reshape(-1, 1).copy()
            self.asked["callback"](memory, len(block), None, SimpleNamespace(input_overflow=False))
            memory[:] = np.nan
        return self

    def __exit__(self, *problem) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_microphone_is_heard_in_runs_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Microphone(np.arange(48, dtype=np.float32))
    monkeypatch.setitem(__import__("sys").modules, "sounddevice", device)
    source = open_input("mic:?device=2", wanted(rate_hz=4000))
    got = list(islice(source.blocks(), 1))
    assert (device.asked["samplerate"], device.asked["device"]) == (12000, 2)
    assert np.array_equal(np.concatenate(got), np.arange(48, dtype=np.float32).reshape(-1, 3))
    source.close()
    with pytest.raises(UsageError, match="no microphone works so"):
        open_input("mic:?channels=3", wanted())


# ---------------------------------------------------------------- functions, keys, numbers


def test_a_function_feeds_streams_by_key(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_sensors.py").write_text(
        "def read(count):\n"
        "    for i in range(int(count)):\n"
        "        for who in ('left', 'right'):\n"
        "            yield {'ax': i, 'ay': len(who), 'az': None if i == 3 else -i, 'who': who, 'n': i}\n"
        "            yield {'ax': 99, 'ay': 0, 'az': 0, 'who': who, 'n': i}\n"
    )
    result = call("run", path, "-i", "python:my_sensors.read?count=6", "--key", "who", "--sequence", "n", "--keep", "n")
    head, *lines = result.stdout.splitlines()
    assert head == "key,n,rest,walk"
    assert "12 samples came again and were not stepped twice" in result.stderr
    assert "2 samples were not finite or too large; --nan-policy hold" in result.stderr
    for who in ("left", "right"):
        xs = np.array([(i, len(who), np.nan if i == 3 else -i) for i in range(6)], np.float32)
        got = [line.split(",") for line in lines if line.startswith(who)]
        assert [row[1] for row in got] == list("012345")
        assert np.array_equal(np.array([row[2:] for row in got], np.float32), el.Stream(make_model(), nan_policy="hold").process(xs))


def test_keys_of_a_column_take_up_their_state(path: Path, tmp_path: Path) -> None:
    text = "who,n,ax,ay,az\n" + "".join(f"{'ab'[i % 2]},{i // 2},{x},{y},{z}\n" for i, (x, y, z) in enumerate(ROWS.tolist()))
    lines = text.splitlines(keepends=True)
    options = ["--key", "who", "--sequence", "n", "--state", tmp_path / "s", "-o", tmp_path / "out.csv", "--append"]
    assert call("run", path, *options, given="".join(lines[:21])).exit_code == 0
    with (tmp_path / "out.csv").open("a") as file:
        file.write("a,1,2\n")  # as of a run that ended before its state was kept
    again = call("run", path, *options, given="".join([lines[0], *lines[15:]]))
    assert "6 samples came again" in again.stderr
    once = call("run", path, "--key", "who", given=text).stdout
    assert (tmp_path / "out.csv").read_text() == once
    stream = el.Stream(make_model()).process(ROWS[1::2])
    assert np.array_equal(np.array([row.split(",")[1:] for row in once.splitlines()[2::2]], np.float32), stream)
    assert "leave out --reset-every" in refused(call("run", path, "--key", "who", "--reset-every", "3", given=text), 2)


def test_a_ledger_knows_what_came_before() -> None:
    def numbered(*numbers: object) -> list[Samples]:
        return [Samples(np.full((1, 1), i, np.float32), [i + 1], [["k", n]]) for i, n in enumerate(numbers)]

    ledger = Ledger(strict=False)
    given = numbered(5, "6", 6, 5, 9, "x", 1, 10, UNSURE + 9, 0, 1, 1, 2.5)
    new = [samples.values[0, 0] for samples in by_column(ledger.fresh(given, by_column=True))]
    assert new == [0, 1, 4, 7, 8, 9, 10]
    assert (ledger.repeated, ledger.missed, ledger.restarted, ledger.unreadable) == (4, 2 + UNSURE - 2, 1, 2)
    with pytest.raises(InputError, match="line 1: 'x' is no sequence number"):
        list(Ledger(strict=True).fresh(numbered("x")))


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


def test_islice_leaves_a_function_cleaned_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_endless.py").write_text(
        "closed = []\ndef read():\n    try:\n        while True:\n            yield 1, 2, 3\n    finally:\n        closed.append(1)\n"
    )
    source = open_input("python:my_endless.read", wanted())
    assert [samples.lines[0] for samples in islice(source, 4)] == [1, 2, 3, 4]
    source.close()
    assert __import__("my_endless").closed == [1]
