"""Find where two hearts do what was not expected, beside how far samples are from the usual.

python examples/heart/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import detector
import numpy as np
from detector import KINDS, SETTLING, Detector, Floats, read, robust

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.naive import average_precision

HERE = Path(__file__).parent


def load() -> el.Model:
    return detector.load("ecg")


@cache
def scored(name: str) -> Floats:
    """What the network makes of a recording held back: (time,)."""
    return Detector(name).scores(read(name).held_back)


def precision(name: str, scores: Floats) -> float:
    """In percent, without the first samples."""
    return 100 * average_precision(read(name).wanted[SETTLING:], scores[SETTLING:])


def network() -> tuple[float, ...]:
    return tuple(precision(name, scored(name)) for name in KINDS)


def others() -> dict[str, tuple[float, ...]]:
    found: dict[str, list[float]] = {}
    for name in KINDS:
        of, held_back = read(name).training, read(name).held_back
        naive = {
            "robust z-score": robust(of, held_back),
            "of the change from sample to sample": robust(np.diff(of, prepend=of[0]), np.diff(held_back, prepend=held_back[0])),
            "chance": np.zeros(len(held_back)),
        }
        for way, scores in naive.items():
            found.setdefault(way, []).append(precision(name, scores))
    return {way: tuple(figures) for way, figures in found.items()}


def draw(figure: Any) -> None:
    for name, axes, unit in zip(KINDS, figure.subplots(2, 1), ("mV", "mmHg"), strict=True):
        recording, scores = read(name), scored(name)
        first = int(recording.anomalies[0, 0])
        shown = slice(max(0, first - 600), first + 500)
        at = np.arange(shown.start, shown.stop)
        axes.plot(at, recording.held_back[shown], color="0.6", lw=0.8)
        axes.set_ylabel(f"{name}, {unit}")
        for begin, end in recording.anomalies:
            if begin < shown.stop:
                axes.axvspan(begin, end, color="C1", alpha=0.3)
        score = axes.twinx()
        score.plot(at, scores[shown], color="C0", lw=0.8)
        score.set_ylabel("score")
    figure.axes[-1].set_xlabel("sample")


def look() -> None:
    for name in KINDS:
        found = Detector(name)
        print(f"{name}: alarms at {found.alarms(scored(name))}; anomalies {read(name).anomalies.tolist()}")


def steps() -> Any:
    return el.Stream(load()).step, list(read("ecg").held_back[:1000, None].astype(np.float32))


EXAMPLE = Example(
    HERE,
    does="Finds wrong beats in an electrocardiogram, and a fault in a recording of blood pressure.",
    held_back="9,800 samples of an electrocardiogram and 7,301 of blood pressure",
    measures=(Measure("average precision, electrocardiogram"), Measure("blood pressure")),
    files=[f"data/{name}.elstm" for name in KINDS],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    seconds=7,
    look=look,
    size=(8.0, 4.0),
)

if __name__ == "__main__":
    EXAMPLE.main()
