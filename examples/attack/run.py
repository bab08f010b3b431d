"""Tell domains made by malware from honest ones, beside a regression on what characters follow each other.

python examples/attack/run.py [--write]
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import domains
import numpy as np
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.naive import area_under_curve, average_precision

HERE = Path(__file__).parent

#: Names that are looked at, and those that the picture shows.
LOOKED_AT = ("wikipedia", "debian", "stackoverflow", "xjpakmdcfuqe", "kwtoestnessbiophysicalohax", "vojyqem")


def load() -> el.Model:
    return el.load(domains.DGAINTEL)


def probability(name: str, stream: "el.Stream") -> float:
    """That malware made a name."""
    return float(stream.process(domains.padded(name)[:, None])[-1, 0])


def figures(scores: Sequence[float]) -> tuple[float, float, float]:
    """Average precision over all that is held back, and with the speakable families alone; the area under the curve."""
    made = np.array([made for _, made in domains.held_back()])
    found = np.asarray(scores, np.float64)
    some = ~made
    some[-len(domains.SPEAKABLE) * domains.HELD_BACK :] = True
    return 100 * average_precision(made, found), 100 * average_precision(made[some], found[some]), area_under_curve(made, found)


@cache
def network() -> tuple[float, float, float]:
    stream = el.Stream(load())
    return figures([probability(name, stream) for name, _ in domains.held_back()])


def regressed(features: Callable[[list[domains.Named]], NDArray[Any]], training: list[domains.Named]) -> tuple[float, float, float]:
    """Figures of a logistic regression."""
    weights = domains.regression(features(training), np.array([made for _, made in training]))
    return figures(domains.regressed(weights, features(domains.held_back())).tolist())


def others() -> dict[str, tuple[float, float, float]]:
    every, some = domains.training(domains.RANDOM + domains.SPEAKABLE), domains.training(domains.RANDOM)
    return {
        "regression on one to three characters, length, entropy": regressed(domains.Grams(every), every),
        "the same, banjori and simda unknown": regressed(domains.Grams(some), some),
        "regression on length and entropy": regressed(domains.rule, every),
        "chance": figures([0.0] * len(domains.held_back())),
    }


def draw(figure: Any) -> None:
    """How the scores of honest names and of each family lie."""
    stream, names = el.Stream(load()), domains.held_back()
    scores = np.array([probability(name, stream) for name, _ in names])
    made = len(domains.RANDOM + domains.SPEAKABLE) * domains.HELD_BACK
    kinds = {"honest": scores[:-made], **dict(zip(domains.RANDOM + domains.SPEAKABLE, np.split(scores[-made:], 5), strict=True))}
    axes = figure.subplots()
    for place, (kind, some) in enumerate(kinds.items()):
        axes.plot(np.sort(some) * 100, 100 * (np.arange(len(some)) + 1) / len(some), "0.3" if place == 0 else f"C{place - 1}", label=kind)
    axes.set_xlabel("said to be malware's with at most, %")
    axes.set_ylabel("of the names, %")
    axes.legend()


def look() -> None:
    stream = el.Stream(load())
    for name in LOOKED_AT:
        print(f"{name:30}{probability(name, stream):7.1%} made by malware")


def steps() -> Any:
    return el.Stream(load()).process, [domains.padded(name)[:, None] for name, _ in domains.held_back()[:20]]


EXAMPLE = Example(
    HERE,
    does="Tells domains that malware made from honest ones.",
    held_back="1,608 honest and 200 made names",
    measures=(Measure("average precision"), Measure("with banjori and simda alone"), Measure("area under the curve", "", digits=3)),
    files=["data/dgaintel.elstm"],
    load=None,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a name",
    look=look,
)

if __name__ == "__main__":
    EXAMPLE.main()
