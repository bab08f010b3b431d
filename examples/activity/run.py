"""Recognise the activities of the held-out recordings, beside the training recording that is nearest to each.

python examples/activity/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.naive import time_warped

HERE = Path(__file__).parent
LABELS = ("standing", "running", "walking", "badminton")

#: Samples of the first 2 s.
SETTLING = 20

#: A recording (time, 6), and which activity it is.
Recording = tuple[NDArray[np.float64], int]


def load() -> el.Model:
    return el.load(HERE / "data" / "activity.pt", layers="norm:normalizer, lstm, fc:softmax")


@cache
def read(folder: str) -> list[Recording]:
    paths = sorted((HERE / folder).glob("*.csv"))
    return [(np.loadtxt(p, delimiter=",", skiprows=1), LABELS.index(p.stem.split("-")[1])) for p in paths]


def answers() -> NDArray[np.float32]:
    """Probabilities at each step of the held-out recordings: (recordings, time, 4)."""
    stream = el.Stream(load())
    found = []
    for samples, _ in read("data/held_out"):
        stream.reset()
        found.append(stream.process(samples))
    return np.stack(found)


def network() -> tuple[float, float]:
    right = answers().argmax(axis=2) == np.array([label for _, label in read("data/held_out")])[:, None]
    return 100 * right[:, -1].mean(), 100 * right[:, SETTLING:].mean()


def nearest(warped: bool) -> float:
    """How often the nearest training recording, each channel in its standard deviations, is of the right activity."""
    training = read("training")
    scale = np.concatenate([samples for samples, _ in training]).std(axis=0)
    others = [samples / scale for samples, _ in training]
    right = []
    for samples, label in read("data/held_out"):
        scaled = samples / scale
        distances = time_warped(scaled, others) if warped else ((np.stack(others) - scaled) ** 2).sum(axis=(1, 2))
        right.append(training[int(distances.argmin())][1] == label)
    return 100 * float(np.mean(right))


def others() -> dict[str, tuple[float, None]]:
    return {
        "nearest training recording": (nearest(warped=False), None),
        "nearest by time warping, which waits for the end": (nearest(warped=True), None),
    }


def draw(figure: Any) -> None:
    """A recording, and what the network says at each of its samples."""
    samples, label = read("data/held_out")[7]
    top, bottom = figure.subplots(2, 1, sharex=True)
    seconds = np.arange(len(samples)) / 10
    top.plot(seconds, samples[:, :3], lw=1, label=["acceleration x", "y", "z"])
    bottom.plot(seconds, 100 * answers()[7], label=LABELS)
    for axes in (top, bottom):
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    top.set_title(f"held-out recording 8: {LABELS[label]}", fontsize=9)
    bottom.set_ylabel("says, %")
    bottom.set_xlabel("s")


def steps() -> Any:
    return el.Stream(load()).step, list(read("data/held_out")[7][0].astype(np.float32))


EXAMPLE = Example(
    HERE,
    does="Says what a person does, from the accelerometer and gyroscope of a smart watch.",
    held_back="40 recordings of 10 s",
    measures=(Measure("right at the end"), Measure("right at each sample after 2 s")),
    files=["data/activity.pt"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    seconds=15,
)

if __name__ == "__main__":
    EXAMPLE.main()
