"""Play a guitar through the network of a pedal, one sample a step; how near it comes to its own runtime, and whether it is in time.

It writes `guitar.dry.wav` and `guitar.wav`, and prints the table. A WAV file of one channel of 16 bits at 48 kHz may be given in place of
the guitar.

    python examples/guitar/run.py [recording.wav] [-o FOLDER] [--write]
"""

import argparse
import time
import wave
from functools import cache
from pathlib import Path
from typing import Any

import guitar
import numpy as np
from guitar import RATE, Floats
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.example import print_result

HERE = Path(__file__).parent
PEDAL, GOLDEN = HERE / "data" / "pedal.nam", HERE / "data" / "golden.npz"


#: The samples that the picture shows.
SHOWN = (RATE // 5, RATE // 5 + 400)

#: Shares of steps that are at most as slow as is said.
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}


@cache
def load() -> el.Model:
    return el.load(PEDAL)


def golden() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A recording, and what Neural Amp Modeler's own runtime answered to it: (time,) each."""
    with np.load(GOLDEN) as file:
        return file["x"], file["y"]


def figures(answer: Floats) -> tuple[float, float]:
    """Of an answer to the golden recording: error to signal in decibels, and the largest error in millionths."""
    right = golden()[1]
    return guitar.error_to_signal(answer, right), 1e6 * float(np.abs(answer - right).max())


def network() -> tuple[float, float]:
    return figures(stepped(el.Stream(load()), golden()[0]))


def others() -> dict[str, tuple[float, float]]:
    dry, right = golden()
    return {
        "the best linear filter": figures(guitar.best_filter(dry, right)),
        "the best curve without memory": figures(guitar.best_curve(dry, right)),
        "the dry guitar": figures(dry),
    }


def stepped(stream: el.Stream, dry: Floats) -> NDArray[np.float32]:
    """The answers to samples that come one by one: (time,)."""
    wet = np.empty(len(dry), np.float32)
    for k, sample in enumerate(dry[:, None]):
        wet[k] = stream.step(sample)[0]
    return wet


def timed(stream: el.Stream, dry: Floats) -> NDArray[np.int64]:
    """Nanoseconds that each step took, the clock's own cost included: (time,)."""
    clock, step, taken = time.perf_counter_ns, stream.step, np.empty(len(dry), np.int64)
    stream.warmup()
    for k, sample in enumerate(dry[:, None]):
        begin = clock()
        step(sample)
        taken[k] = clock() - begin
    return taken


def told(model: el.Model, dry: Floats) -> None:
    """Print how many times faster it is than the samples come, and how long single steps take."""
    stream = el.Stream(model)
    taken, period = timed(stream, dry), 1e9 / RATE
    begin = time.perf_counter_ns()
    stream.process(dry[:, None])
    block = time.perf_counter_ns() - begin
    print(f"{period / taken.mean():.0f} times real time in single steps, {len(dry) * period / block:.0f} in one block")
    quantiles = ", ".join(f"{name} {np.quantile(taken, share):.0f}" for name, share in QUANTILES.items())
    print(f"ns a step: {quantiles}; {(taken > period).sum()} of {len(taken)} steps took longer than a sample's {period:.0f} ns")


def read(path: Path) -> NDArray[np.float32]:
    try:
        with wave.open(str(path)) as file:
            form, frames = (file.getframerate(), file.getnchannels(), file.getsampwidth()), file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as problem:
        raise SystemExit(f"{path} is no WAV file: {str(problem) or 'it ends too early'}.") from None
    if form != (RATE, 1, 2) or not frames:
        raise SystemExit(f"{path} must have one channel of 16 bits at {RATE} Hz, and samples in it.")
    return np.frombuffer(frames, "<i2").astype(np.float32) / 32768


def write(path: Path, samples: Floats) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes())


def draw(figure: Any) -> None:
    """Dry and wet, and how long steps take."""
    left, right = figure.subplots(1, 2, width_ratios=(2, 1.2))
    model, dry = load(), guitar.riff()
    wet = el.Stream(model).process(dry[:, None])[:, 0]
    part, milliseconds = slice(*SHOWN), np.arange(SHOWN[1] - SHOWN[0]) / RATE * 1000
    left.plot(milliseconds, dry[part], color="0.6", lw=1, label="guitar")
    left.plot(milliseconds, wet[part], color="C0", lw=1, label="through the pedal")
    left.set_xlabel("ms")
    left.margins(y=0.15)
    left.legend(loc="upper left", ncols=2, fontsize=8)
    taken = np.sort(timed(el.Stream(model), dry)) / 1000
    right.semilogx(taken[::50], 100 * np.arange(0, len(taken), 50) / len(taken), color="C0")
    right.axvline(1e6 / RATE, color="C3", lw=1)
    right.set_xlabel("µs a step; red: a sample's period")
    right.set_ylabel("steps as fast, %")


def steps() -> Any:
    return el.Stream(load()).step, list(guitar.riff()[:RATE, None])


EXAMPLE = Example(
    HERE,
    does="Plays a guitar through a pedal, one sample a step at 48 kHz.",
    held_back="12,000 samples that the pedal's own runtime answered",
    measures=(Measure("error to signal", "dB", "lower"), Measure("largest error", "millionths", "lower")),
    files=["data/pedal.nam"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    size=(7.0, 2.4),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, nargs="?", help="a WAV file to play in place of the guitar")
    parser.add_argument("-o", "--output", type=Path, default=Path(), metavar="FOLDER", help="where to write")
    parser.add_argument("--write", action="store_true", help="write result.json and the picture (needs matplotlib)")
    asked = parser.parse_args()
    if asked.write:
        return print_result(EXAMPLE.write())
    if not asked.output.is_dir():
        parser.error(f"{asked.output} is no folder to write to; make it first.")
    dry = guitar.riff() if asked.recording is None else read(asked.recording)
    model = load()
    write(asked.output / "guitar.dry.wav", dry)
    write(asked.output / "guitar.wav", stepped(el.Stream(model), dry))
    print_result(EXAMPLE.measured())
    told(model, dry)
    print(f"wrote {asked.output / 'guitar.dry.wav'} and {asked.output / 'guitar.wav'}")
    return None


if __name__ == "__main__":
    main()
