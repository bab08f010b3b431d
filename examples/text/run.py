"""Guess the next character of the held-out fortunes, and write one on.

apt-get install fortunes fortunes-min
python examples/text/run.py [--write]
"""

import json
from functools import cache
from typing import Any

import evaluate
import fortunes
import numpy as np
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure

#: Characters that the time of a step is measured over, and those whose share counts.
TIMED, OFFERED = 4000, 3


@cache
def held_out() -> NDArray[np.int64]:
    """Indices of the characters of the fortunes that training did not see: (characters,)."""
    texts = fortunes.read()
    fortunes.check(texts)
    vocabulary = evaluate.load().vocabulary
    assert vocabulary is not None
    return evaluate.indices(fortunes.parted(texts)[1], vocabulary)


def pair(told: dict[str, Any]) -> tuple[float, float | None]:
    """Bits a character, and the share of right ones among three, where it is known."""
    return told["bits"], 100 * told["among"][OFFERED - 1] if "among" in told else None


def network() -> tuple[float, float | None]:
    return pair(evaluate.network_guesses(evaluate.load(), held_out()).figures())


def others() -> dict[str, tuple[float, float | None]]:
    results = json.loads(evaluate.RESULTS.read_text())
    named = {"5-gram model": "5-gram", "3-gram model": "3-gram", "bzip2": "bzip2"}
    return {name: pair(results[key]) for name, key in named.items()}


def look() -> None:
    model = evaluate.load()
    assert model.vocabulary is not None
    tokens = el.generate(el.Stream(model), "The best ", 120, sample=el.Sampler(temperature=0.6, seed=2), stop="<end>")
    print(f"The best {model.vocabulary.text(tokens)}\n")


def steps() -> Any:
    return el.Stream(evaluate.load()).step, list(held_out()[:TIMED, None].astype(np.float32))


EXAMPLE = Example(
    evaluate.HERE,
    does="Writes text on, character by character.",
    held_back="751 fortunes of Debian",
    measures=(Measure("cost", "bits a character", "lower", 3), Measure("right one among the three likeliest")),
    files=["data/text.pt"],
    load=evaluate.load,
    network=network,
    others=others,
    steps=steps,
    draw=evaluate.draw,
    step_of="a character",
    seconds=780,
    look=look,
    size=(9.0, 3.4),
)

if __name__ == "__main__":
    EXAMPLE.main()
