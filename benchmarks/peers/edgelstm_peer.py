"""edgelstm itself: a block in one call, and one call a step from Python."""

from time import perf_counter_ns
from typing import Any

import numpy as np
from grid import TOLERANCE, Case
from numpy.typing import NDArray

import edgelstm as el
from peers import Contender, stepwise

VERSION = el.__version__

PROCESS = "edgelstm process()"
STEP = "edgelstm step(x)"
STEP_IN_PLACE = "edgelstm step()"


def process(name: str, model: el.Model, case: Case, tolerance: float = TOLERANCE) -> Contender:
    """A block in one call."""
    call, inputs = el.Stream(model).process, case.inputs

    def answer(xs: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(call(xs)[:, 0])

    def chunk(steps: int) -> float:
        block = inputs[:steps]
        start = perf_counter_ns()
        call(block)
        return perf_counter_ns() - start

    return Contender(name, True, answer, chunk, tolerance)


def step_in_place(name: str, model: el.Model, tolerance: float = TOLERANCE) -> Contender:
    """The input lies in the stream's own buffer; putting it there is not timed."""
    stream = el.Stream(model)
    step, buffer = stream.step, stream.input

    def answer(xs: NDArray[np.float32]) -> NDArray[Any]:
        ys = np.empty(len(xs), np.float32)
        for t, x in enumerate(xs):
            buffer[:] = x
            ys[t] = step()[0]
        return ys

    def chunk(steps: int) -> float:
        times = range(steps)
        start = perf_counter_ns()
        for _ in times:
            step()
        return perf_counter_ns() - start

    return Contender(name, False, answer, chunk, tolerance)


def contenders(case: Case) -> list[Contender]:
    model = case.model
    return [process(PROCESS, model, case), stepwise(STEP, el.Stream(model).step, case), step_in_place(STEP_IN_PLACE, model)]
