"""Say of each trading day held back how much it will move, beside an exponentially weighted mean of squares.

python examples/stock/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from returns import CHOOSING, TRAINING, features, garch, qlike, read, smoothed

import edgelstm as el
from edgelstm.gallery import Example, Measure

HERE = Path(__file__).parent
HELD_BACK = TRAINING + CHOOSING


def load() -> el.Model:
    return el.load(HERE / "data" / "stock.elstm")


@cache
def answers() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each day held back, said the day before: its variance in percent², and how much likelier it is to rise. (days,) each."""
    said = el.Stream(load()).process(features(read())[:-1])[HELD_BACK - 1 :].astype(np.float64)
    return np.exp(said[:, 0]), said[:, 1]


def rises(said: NDArray[np.bool_]) -> float:
    """How often a day rises or not as it was said, in percent."""
    return 100 * float(np.mean((read()[HELD_BACK:] > 0) == said))


def network() -> tuple[float, float]:
    variance, rising = answers()
    return qlike(read()[HELD_BACK:], variance), rises(rising > 0)


def others() -> dict[str, tuple[float, float | None]]:
    returns = read()
    held_back = returns[HELD_BACK:]
    constant = np.full_like(held_back, np.mean(returns[:HELD_BACK] ** 2))
    return {
        "mean of squares, 0.94 kept each day": (qlike(held_back, smoothed(returns)[HELD_BACK:]), None),
        "GARCH(1,1)": (qlike(held_back, garch(returns, HELD_BACK)[HELD_BACK:]), None),
        "always the same, always up": (qlike(held_back, constant), rises(np.ones(len(held_back), bool))),
    }


def draw(figure: Any) -> None:
    axes = figure.subplots()
    returns = read()[HELD_BACK:]
    days = np.arange(len(returns))
    axes.plot(days, np.abs(returns), ".", color="0.75", ms=2, label="the day's move")
    axes.plot(days, np.sqrt(smoothed(read())[HELD_BACK:]), color="C1", lw=0.8, label="mean of squares")
    axes.plot(days, np.sqrt(answers()[0]), color="C0", lw=0.8, label="the network, the day before")
    axes.set_ylim(0, 6)
    axes.set_xlabel("trading days held back")
    axes.set_ylabel("%")
    axes.legend(loc="upper right", ncols=3, fontsize=8)


def look() -> None:
    variance, _ = answers()
    for day in range(-10, 0):
        print(f"said it would move by about {np.sqrt(variance[day]):.1f} %; it moved by {read()[day]:+.1f} %")


def steps() -> Any:
    return el.Stream(load()).step, list(features(read())[-1000:])


EXAMPLE = Example(
    HERE,
    does="Says how much a stock will move tomorrow; whether up or down, nobody can.",
    held_back="1,597 trading days, 2011 to 2017",
    measures=(Measure("loss of the variance", "QLIKE", "lower", 3), Measure("direction right")),
    files=["data/stock.elstm"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a trading day",
    seconds=24,
    look=look,
)

if __name__ == "__main__":
    EXAMPLE.main()
