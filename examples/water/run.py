"""Say how much water will flow one, three and six hours later, with intervals, beside the hour before.

python examples/water/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import flow
import numpy as np
from flow import AHEAD, SHARES, Floats, absolute_error, within
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure

HERE = Path(__file__).parent

#: Hours that the picture shows, and those that are printed.
SHOWN, PRINTED = 120, 8


def load() -> el.Model:
    return el.load(flow.DATA / "water.elstm")


@cache
def series() -> tuple[Floats, int]:
    """The flow, and the first hour that is held back."""
    read = flow.read()
    return read, flow.first_held_back(read)


@cache
def said() -> NDArray[np.float64]:
    """By hours ahead and by share, what was said of each hour held back: (3, 3, hours). The state is carried all the way."""
    hours, first = series()
    answers = el.Stream(load()).process(hours[:, None]).reshape(-1, len(AHEAD), len(SHARES)).astype(np.float64)
    # An interval's ends are learned one by one: in their order they are an interval.
    ordered = np.sort(answers, axis=2)
    return np.stack([ordered[first - ahead : -ahead, at].T for at, ahead in enumerate(AHEAD)])


def figures(forecasts: NDArray[np.float64]) -> tuple[float, ...]:
    """Absolute errors of the medians one and six hours ahead; the share of hours within the interval of both; its width."""
    hours, first = series()
    near, far = forecasts[0], forecasts[-1]
    errors = (absolute_error(of_one[1], hours, first) for of_one in (near, far))
    return (*errors, within(near[0], near[2], hours, first), within(far[0], far[2], hours, first), float((far[2] - far[0]).mean()))


def network() -> tuple[float, ...]:
    return figures(said())


def naive(lag: int) -> tuple[float, ...]:
    """As `lag` hours before, or as now if that is later; the interval by how far such forecasts were wrong in training."""
    hours, first = series()
    forecasts = []
    for ahead in AHEAD:
        back = max(lag, ahead)
        change = hours[back:first] - hours[: first - back]
        forecasts.append(
            flow.later(hours, back, first) + np.array([[np.quantile(change, SHARES[0])], [0.0], [np.quantile(change, SHARES[2])]])
        )
    return figures(np.stack(forecasts))


def others() -> dict[str, tuple[float, ...]]:
    return {"as now": naive(0), "as the same hour yesterday": naive(24)}


def draw(figure: Any) -> None:
    hours, first = series()
    axes, days = figure.subplots(), np.arange(SHOWN) / 24
    low, middle, high = said()[-1][:, :SHOWN]
    axes.fill_between(days, low, high, color="C0", alpha=0.2, lw=0, label="interval for 80 %, said six hours before")
    axes.plot(days, hours[first : first + SHOWN], color="0.3", label="flow")
    axes.plot(days, middle, lw=1, label="said six hours before")
    axes.set_xlabel("days held back")
    axes.set_ylabel("litres a second")
    axes.legend(loc="upper left", fontsize=8)


def look() -> None:
    hours, first = series()
    for at in range(PRINTED):
        parts = (f"{ahead} h before {low:.1f} to {high:.1f}" for ahead, (low, _, high) in zip(AHEAD, said()[:, :, at], strict=True))
        print(f"hour {at:2}: {hours[first + at]:.1f} l/s; said {', '.join(parts)}")


def steps() -> Any:
    return el.Stream(load()).step, list(series()[0][:, None].astype(np.float32))


EXAMPLE = Example(
    HERE,
    does="Forecasts how much water a pipeline carries, one to six hours ahead, with an interval.",
    held_back="the last 253 of 1,268 hours",
    measures=(
        Measure("mean absolute error an hour ahead, l/s", "", "lower", 3),
        Measure("six hours ahead, l/s", "", "lower", 3),
        Measure("hours in the interval for 80 %, an hour ahead", "%"),
        Measure("six hours ahead"),
        Measure("its width, l/s", "", "lower", 2),
    ),
    files=["data/water.elstm"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="an hour",
    seconds=4,
    look=look,
)

if __name__ == "__main__":
    EXAMPLE.main()
