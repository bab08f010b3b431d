"""Logs of centrifugal pumps in waterworks: a sample every ten minutes, with faults whose beginning and end are known.

Speed follows the town's demand over day and week. Flow, head and current follow the affinity laws of pumps (flow as speed, pressure as its
square, power as its cube), temperature follows power and weather with a lag, vibration follows speed. A fault changes what physics says it
does, slowly or at once; all sensors have noise and their own small errors.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Values of a sample: m³/h, bar, A, °C, mm/s, share of full speed.
FEATURES = ("flow", "pressure", "current", "temperature", "vibration", "speed")

#: Seconds from one sample to the next, and samples of a day.
PERIOD, DAY = 600, 144

Values = dict[str, NDArray[np.float64]]
Floats = NDArray[np.float64]


class Log(NamedTuple):
    """What a pump's sensors say.

    Parameters
    ----------
    samples : (time, 6) float32
    fault : (time,) str
        Empty where the pump is sound.
    """

    samples: NDArray[np.float32]
    fault: NDArray[np.str_]


def _wear(values: Values, ramp: Floats) -> None:
    """A bearing wears out: it shakes, warms up, and brakes."""
    values["vibration"] *= 1 + 1.8 * ramp
    values["temperature"] += 9 * ramp
    values["current"] *= 1 + 0.05 * ramp


def _clog(values: Values, ramp: Floats) -> None:
    """Something closes the line: less flow against more pressure."""
    values["flow"] *= 1 - 0.35 * ramp
    values["pressure"] *= 1 + 0.12 * ramp
    values["current"] *= 1 - 0.10 * ramp


def _leak(values: Values, ramp: Floats) -> None:
    """A pipe has burst behind the pump: more flow against less pressure."""
    values["flow"] *= 1 + 0.20 * ramp
    values["pressure"] *= 1 - 0.25 * ramp
    values["current"] *= 1 + 0.06 * ramp


def _cavitation(values: Values, ramp: Floats) -> None:
    """Too little water at the inlet: bubbles, which hammer."""
    beat = 1 + 0.3 * np.sin(np.arange(len(ramp)) * 2.1)
    values["flow"] *= 1 - 0.10 * ramp * beat
    values["pressure"] *= 1 - 0.12 * ramp * beat
    values["vibration"] *= 1 + 1.2 * ramp * beat


def _dry(values: Values, ramp: Floats) -> None:
    """No water at all."""
    values["flow"] *= 1 - 0.97 * ramp
    values["pressure"] *= 1 - 0.95 * ramp
    values["current"] *= 1 - 0.55 * ramp
    values["temperature"] += 14 * ramp


def _stuck(values: Values, ramp: Floats) -> None:
    """The flow meter says what it said when it froze."""
    values["flow"] = np.where(ramp > 0, values["flow"][np.argmax(ramp > 0)], values["flow"])


#: By name: what a fault does, samples that it takes to grow, and samples that it lasts.
FAULTS: dict[str, tuple[Callable[[Values, Floats], None], int, int]] = {
    "bearing wear": (_wear, 2 * DAY, 4 * DAY),
    "clogged": (_clog, DAY // 2, DAY),
    "leak": (_leak, 3, DAY),
    "cavitation": (_cavitation, 6, DAY // 2),
    "dry": (_dry, 1, 12),
    "stuck meter": (_stuck, 1, DAY),
}


def log(pump: int, days: int, *, seed: int = 0, faults: float = 0.5) -> Log:
    """The log of a pump.

    Parameters
    ----------
    pump, seed : int
        The same two give the same log.
    days : int
    faults : float
        How many there are in a week, on average.
    """
    dice = np.random.default_rng((seed, pump))
    time = np.arange(days * DAY)
    values = _sound(dice, time)
    fault = np.full(len(time), "", "<U12")
    for _ in range(dice.poisson(faults * days / 7)):
        name = str(dice.choice(list(FAULTS)))
        change, grows, lasts = FAULTS[name]
        begin = int(dice.integers(DAY // 2, max(len(time) - lasts, DAY)))
        part = slice(max(begin - DAY, 0), begin + lasts + DAY)
        if (fault[part] != "").any():
            continue
        ramp = np.clip((time - begin) / grows, 0, 1) * (time < begin + lasts)
        change(values, ramp)
        fault[(ramp > 0.25) | ((ramp > 0) & (grows < DAY))] = name
    return Log(_sensed(dice, values), fault)


def _sound(dice: np.random.Generator, time: NDArray[Any]) -> Values:
    """A sound pump of its own size, without noise: (time,) each."""
    hour, weekday = time % DAY / 6, time // DAY % 7
    demand = 0.55 + 0.22 * np.exp(-(((hour - 7.5) / 1.8) ** 2)) + 0.25 * np.exp(-(((hour - 19) / 2.4) ** 2))
    demand = demand * np.where(weekday > 4, 0.92, 1.0) * (1 + 0.06 * _drift(dice, len(time), 0.99))
    speed = np.clip(np.round(demand, 2), 0.35, 1.0)
    size, wear = dice.uniform(0.7, 1.4), dice.uniform(0.95, 1.05)
    flow = 120 * size * speed * (1 + 0.03 * _drift(dice, len(time), 0.95))
    pressure = 6.5 * speed**2 - 0.9 * (flow / (120 * size)) ** 2
    current = 8 + 34 * size * wear * speed**3
    weather = 14 + 9 * np.sin(2 * np.pi * time / (365 * DAY) + dice.uniform(0, 6)) + 4 * np.sin(2 * np.pi * (hour - 9) / 24)
    temperature = _lag(weather + 26 * speed**3, 0.12)
    return {
        "flow": flow,
        "pressure": pressure,
        "current": current,
        "temperature": temperature,
        "vibration": 0.9 * wear + 1.3 * speed**2,
        "speed": speed,
    }


def _drift(dice: np.random.Generator, count: int, stays: float) -> Floats:
    """Noise of unit variance that remembers: (count,)."""
    return _lag(dice.normal(size=count), 1 - stays) * np.sqrt((1 + stays) / (1 - stays))


def _lag(values: Floats, share: float) -> Floats:
    """What follows `values`, by a share of the difference a sample: (time,)."""
    followed, now = np.empty_like(values), float(values[0])
    for k, value in enumerate(values.tolist()):
        now += share * (value - now)
        followed[k] = now
    return followed


def _sensed(dice: np.random.Generator, values: Values) -> NDArray[np.float32]:
    """What sensors say of it: (time, 6)."""
    noise = {"flow": 0.8, "pressure": 0.03, "current": 0.3, "temperature": 0.15, "vibration": 0.06, "speed": 0.0}
    said = [values[name] * dice.normal(1, 0.004) + dice.normal(0, noise[name], len(values[name])) for name in FEATURES]
    return np.stack(said, axis=1).astype(np.float32)
