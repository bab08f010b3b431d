"""Sound: WAVE files of every form that is read, and a microphone."""

import struct
import subprocess
import sys
import wave
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_calls import answers, call, make_model, refused
from input_asking import rows_of, wanted

import edgelstm as el
from edgelstm.errors import InputError, UsageError
from edgelstm.sources import open_input


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sources") / "model.elstm"
    el.save(make_model(), file)
    return file


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


@pytest.mark.parametrize(("whole", "size"), [(b"\xff\xff\xff\xff", 0xFFFFFFFF), (b"\0\0\0\0", 0), (b"\x24\xf0\xff\x7f", 0x7FFFF000)])
def test_sound_whose_length_nobody_wrote_goes_on_to_its_end(whole: bytes, size: int, tmp_path: Path) -> None:
    numbers = np.arange(30, dtype="<i2")
    (tmp_path / "a.wav").write_bytes(b"RIFF" + whole + riff(1, 3, 50, 16, numbers.tobytes() + b"\1", size=size)[8:])
    got = rows_of(open_input(f"wav:{tmp_path / 'a.wav'}", wanted(rate_hz=50)))
    assert np.array_equal(got, (numbers.reshape(-1, 3) / 32768).astype(np.float32))


def test_a_file_of_no_sound_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF\x30\0\0\0" + riff(1, 3, 50, 16, b"LIST\2\0\0\0ab", size=0)[8:])
    with closing(open_input(f"wav:{tmp_path / 'a.wav'}", wanted(rate_hz=50))) as source:
        assert list(source) == []


def test_sound_comes_through_a_pipe_as_it_is_written(path: Path, tmp_path: Path) -> None:
    data = riff(1, 3, 50, 16, np.arange(30, dtype="<i2").tobytes(), size=0xFFFFFFFF)
    for place in ("wav:/dev/stdin", "wav:-"):
        done = subprocess.run([sys.executable, "-m", "edgelstm", "run", path, "-i", place], input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 11
