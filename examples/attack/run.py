"""Tell domains made by malware from honest ones, character by character, beside a regression on what characters follow each other.

python examples/attack/run.py [--write]
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
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

#: How many characters are read where the verdict is measured before a name ends.
EARLY = (6, 9)

#: Names that are looked at, and those that the picture shows.
LOOKED_AT = ("wikipedia", "debian", "stackoverflow", "xjpakmdcfuqe", "kwtoestnessbiophysicalohax", "vojyqem")


def load() -> list[tuple[el.Model, float]]:
    """Of dgaintel what reads a character, and what reads two behind the pooling; and how often each steps for a name."""
    embedding, convolution, relu, pool, lstm, _, *rest = el.load(domains.DGAINTEL).layers
    front, back = [embedding, convolution, relu], [replace(lstm, inputs=("input",)), replace(rest[0], inputs=(lstm.name,)), *rest[1:]]
    return [(el.Model(front), domains.LENGTH), (el.Model(back), domains.LENGTH / pool.size)]


def stepping() -> el.Model:
    """The network that reads character by character."""
    return el.load(domains.STEPPING)


def verdicts(name: str, stream: "el.Stream") -> NDArray[np.float64]:
    """How likely it is at each character that malware made the name: (characters,)."""
    stream.reset()
    return np.array([stream.step([index])[0] for index in domains.indices(name)], np.float64)


@cache
def streamed() -> list[NDArray[np.float64]]:
    """Of each name held back."""
    stream = el.Stream(stepping())
    return [verdicts(name, stream) for name, _ in domains.held_back()]


def after(characters: int) -> list[float]:
    """What is said of each name when so many characters of it were read, or all."""
    return [float(said[: characters or None][-1]) for said in streamed()]


def whole(name: str, stream: "el.Stream") -> float:
    """The published network's verdict, which comes once the name and the zeros behind it were read."""
    return float(stream.process(domains.padded(name)[:, None])[-1, 0])


def figures(scores: Sequence[float]) -> tuple[float, float, float]:
    """Average precision over all that is held back, and with the speakable families alone; the area under the curve."""
    made = np.array([made for _, made in domains.held_back()])
    found = np.asarray(scores, np.float64)
    some = ~made
    some[-len(domains.SPEAKABLE) * domains.HELD_BACK :] = True
    return 100 * average_precision(made, found), 100 * average_precision(made[some], found[some]), area_under_curve(made, found)


@cache
def said_of_whole_names() -> list[float]:
    """What the published network says of each name held back."""
    stream = el.Stream(el.load(domains.DGAINTEL))
    return [whole(name, stream) for name, _ in domains.held_back()]


def network() -> tuple[float, float, float]:
    return figures(said_of_whole_names())


def regressed(features: Callable[[list[domains.Named]], NDArray[Any]], training: list[domains.Named]) -> tuple[float, float, float]:
    """Figures of a logistic regression."""
    weights = domains.regression(features(training), np.array([made for _, made in training]))
    return figures(domains.regressed(weights, features(domains.held_back())).tolist())


def others() -> dict[str, tuple[float, float, float]]:
    every, some = domains.training(domains.RANDOM + domains.SPEAKABLE), domains.training(domains.RANDOM)
    drawn = domains.as_the_network()
    return {
        "regression on one to three characters, length, entropy": regressed(domains.Grams(drawn), drawn),
        "the same, of one seed a family": regressed(domains.Grams(every), every),
        "the same, banjori and simda unknown": regressed(domains.Grams(some), some),
        "regression on length and entropy": regressed(domains.rule, every),
        "character by character, at the end": figures(after(0)),
        **{f"character by character, after {count}": figures(after(count)) for count in reversed(EARLY)},
        "chance": figures([0.0] * len(domains.held_back())),
    }


def draw(figure: Any) -> None:
    """How the scores of honest names and of each family lie."""
    scores = np.array(said_of_whole_names())
    made = len(domains.RANDOM + domains.SPEAKABLE) * domains.HELD_BACK
    kinds = {"honest": scores[:-made], **dict(zip(domains.RANDOM + domains.SPEAKABLE, np.split(scores[-made:], 5), strict=True))}
    axes = figure.subplots()
    for place, (kind, some) in enumerate(kinds.items()):
        axes.plot(np.sort(some) * 100, 100 * (np.arange(len(some)) + 1) / len(some), "0.3" if place == 0 else f"C{place - 1}", label=kind)
    axes.set_xlabel("said to be malware's with at most, %")
    axes.set_ylabel("of the names, %")
    axes.legend()


def look() -> None:
    stream = el.Stream(stepping())
    for name in LOOKED_AT:
        print(
            " ".join(f"{character}{100 * said:.0f}" for character, said in zip(name, verdicts(name, stream), strict=True)),
            "% made by malware",
        )


def steps() -> Any:
    return el.Stream(el.load(domains.DGAINTEL)).process, [domains.padded(name)[:, None] for name, _ in domains.held_back()[:20]]


EXAMPLE = Example(
    HERE,
    does="Tells domains that malware made from honest ones.",
    held_back="1,608 honest and 200 made names",
    measures=(Measure("average precision"), Measure("with banjori and simda alone"), Measure("area under the curve", "", digits=3)),
    files=["data/dgaintel.elstm"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a name",
    look=look,
)

if __name__ == "__main__":
    EXAMPLE.main()
