"""Tell ten people apart by how they pick something up, beside the training recording that is nearest to each.

python examples/gesture/run.py [--write]
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hands import DATA, PEOPLE, read
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.naive import time_warped

HERE = Path(__file__).parent

#: The recording that is printed, of those held out, and the parts of a movement that the picture shows.
LOOKED_AT, PARTS = 7, np.arange(1, 21) / 20


def load() -> el.Model:
    return el.load(DATA / "gesture.elstm")


@cache
def answers() -> list[NDArray[np.float32]]:
    """Of each recording held out the probabilities, an answer to every fourth sample: (time // 4, 10)."""
    stream, found = el.Stream(load()), []
    for samples in read("held_out").samples:
        stream.reset()
        found.append(stream.process(samples[:, None]))
    return found


def right(place: float) -> NDArray[np.bool_]:
    """Whether the answer is right when a part of the movement has passed: (recordings,)."""
    said = [int(scores[max(1, round(place * len(scores))) - 1].argmax()) for scores in answers()]
    return np.array(said) == read("held_out").people


def network() -> tuple[float, float]:
    return 100 * float(right(1.0).mean()), 100 * float(right(0.75).mean())


def stretched(samples: NDArray[np.float64], count: int = 100) -> NDArray[np.float64]:
    """A recording as `count` samples."""
    return np.interp(np.linspace(0, len(samples) - 1, count), np.arange(len(samples)), samples)


def others() -> dict[str, tuple[float, None]]:
    training, held_out = read("training"), read("held_out")
    same_length = np.array([stretched(samples) for samples in training.samples])  # (recordings, 100)
    columns = [samples[:, None] for samples in training.samples]
    plain = [((same_length - stretched(samples)) ** 2).sum(axis=1).argmin() for samples in held_out.samples]
    warped = [time_warped(samples[:, None], columns).argmin() for samples in held_out.samples]
    shares = [100 * float(np.mean(training.people[nearest] == held_out.people)) for nearest in (plain, warped)]
    return {
        "nearest training recording, of one length": (shares[0], None),
        "nearest by time warping, which waits for the end": (shares[1], None),
        "chance": (100 / PEOPLE, None),
    }


def draw(figure: Any) -> None:
    axes = figure.subplots()
    axes.plot(100 * PARTS, [100 * right(place).mean() for place in PARTS], ".-", label="the network")
    naive = others()
    for style, name in zip((":", "--"), list(naive)[:2], strict=True):
        axes.axhline(naive[name][0], ls=style, color="0.4", label=name)
    axes.set_xlabel("of the movement passed, %")
    axes.set_ylabel("right, %")
    axes.set_ylim(0, 100)
    axes.legend(fontsize=8)


def look() -> None:
    person, scores = read("held_out").people[LOOKED_AT], answers()[LOOKED_AT]
    print(f"person {person + 1} picks something up")
    for at in range(0, len(scores), 5):
        print(f"  sample {4 * at + 4:3}: person {scores[at].argmax() + 1} ({scores[at].max():.0%})")


def steps() -> Any:
    return el.Stream(load()).step, list(np.concatenate(read("held_out").samples)[:1000, None].astype(np.float32))


def parts() -> list[tuple[el.Model, float]]:
    """What is behind the mean of four samples steps once for all four."""
    _, mean, lstm, *rest = load().layers
    return [(el.Model([replace(lstm, inputs=("input",)), *rest]), 1 / mean.size)]


EXAMPLE = Example(
    HERE,
    does="Tells ten people apart by how they pick something up.",
    held_back="50 recordings",
    measures=(Measure("right at the end"), Measure("right when three quarters have passed")),
    files=["data/gesture.elstm"],
    load=parts,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    seconds=8,
    look=look,
)

if __name__ == "__main__":
    EXAMPLE.main()
