"""How long a step takes on this machine: the least of many, so what the code needs when nothing disturbs it.

The tail is shown by `edgelstm bench`.
"""

import time

import numpy as np

from ..model import Model
from ..stream import Stream
from .trace import Floats

#: Samples of a timed block, and for how long blocks and single steps are repeated.
SAMPLES, SECONDS = 512, 0.3


#: The ways to step a model that are timed: the names of `times_ns`.
WAYS = ("process", "step")


def times_ns(model: Model, xs: Floats) -> tuple[float, float]:
    """Nanoseconds a step of each of `WAYS`; twice those of `process` where the model cannot step."""
    least = process_ns(model, xs)
    return least, step_ns(model, xs) if model.streams else least


def process_ns(model: Model, xs: Floats) -> float:
    """Nanoseconds a step of `process`, least of many blocks of samples from xs (time, input_size)."""
    stream, block = _prepared(model, xs)
    clock = time.perf_counter_ns
    least, end = float("inf"), clock() + SECONDS * 1e9
    while (begin := clock()) < end:
        stream.process(block)
        least = min(least, (clock() - begin) / SAMPLES)
    return least


def step_ns(model: Model, xs: Floats) -> float:
    """Nanoseconds of one call of `step`, least of many rounds over samples from xs (time, input_size)."""
    stream, block = _prepared(model, xs)
    clock, step, rows = time.perf_counter_ns, stream.step, list(block)
    least, end = float("inf"), clock() + SECONDS * 1e9
    while (begin := clock()) < end:
        for row in rows:
            step(row)
        least = min(least, (clock() - begin) / SAMPLES)
    return least


def _prepared(model: Model, xs: Floats) -> tuple[Stream, Floats]:
    stream = Stream(model)
    stream.warmup()
    return stream, np.resize(xs, (SAMPLES, xs.shape[1]))
