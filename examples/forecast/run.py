"""Forecast the electricity demand of the held-out hours, each from those before it.

python examples/forecast/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure

HERE = Path(__file__).parent

#: The first hour that is held out, and what the picture shows of it.
HELD_OUT, SHOWN = 120 * 24, 10 * 24

DAY, WEEK = 24, 7 * 24

Hours = NDArray[np.float64]


def load() -> el.Model:
    return el.load(HERE / "data" / "forecast.pt", layers="norm:normalizer, lstm, fc")


@cache
def read() -> Hours:
    """Demand in MWh: (hours,)."""
    return np.loadtxt(HERE / "data" / "demand.csv", delimiter=",", skiprows=1, usecols=1)


def forecasts() -> Hours:
    """Of the held-out hours, each from all before it: (hours,)."""
    return el.Stream(load()).process(read()[:-1, None])[HELD_OUT - 1 :, 0].astype(np.float64)


def errors(forecast: Hours) -> tuple[float, float]:
    """Root mean square and mean of the errors."""
    error = forecast - read()[HELD_OUT:]
    return float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error)))


def network() -> tuple[float, float]:
    return errors(forecasts())


def others() -> dict[str, tuple[float, float]]:
    demand = read()
    return {
        "as the hour before": errors(demand[HELD_OUT - 1 : -1]),
        "as the same hour yesterday": errors(demand[HELD_OUT - DAY : -DAY]),
        "as the same hour a week ago": errors(demand[HELD_OUT - WEEK : -WEEK]),
    }


def draw(figure: Any) -> None:
    axes = figure.subplots()
    days = np.arange(SHOWN) / DAY
    axes.plot(days, read()[HELD_OUT : HELD_OUT + SHOWN], color="0.7", lw=3, label="demand")
    axes.plot(days, forecasts()[:SHOWN], lw=1, label="said an hour before")
    axes.set_xlabel("days held out")
    axes.set_ylabel("MWh")
    axes.legend(loc="upper right", ncols=2)


def look() -> None:
    for hour, said in zip(range(HELD_OUT, HELD_OUT + 12), forecasts(), strict=False):
        print(f"hour {hour - HELD_OUT:3}  demand {read()[hour]:7,.0f} MWh, said an hour before {said:7,.0f}")


def steps() -> Any:
    return el.Stream(load()).step, list(read()[:1000, None].astype(np.float32))


EXAMPLE = Example(
    HERE,
    does="Forecasts electricity demand an hour ahead.",
    held_back="720 hours after the training hours",
    measures=(Measure("root mean squared error", "MWh", "lower"), Measure("mean absolute error", "MWh", "lower")),
    files=["data/forecast.pt"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="an hour",
    seconds=25,
    look=look,
)

if __name__ == "__main__":
    EXAMPLE.main()
