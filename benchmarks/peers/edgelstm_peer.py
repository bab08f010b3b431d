"""edgelstm itself: a block in one call, and one call a step from Python."""

from time import perf_counter_ns
from typing import Any

import numpy as np
from grid import Case
from numpy.typing import NDArray

import edgelstm as el
from peers import Contender, stepwise

VERSION = el.__version__

PROCESS = "edgelstm process()"
STEP = "edgelstm step(x)"
STEP_IN_PLACE = "edgelstm step()"


def _process(case: Case) -> Contender:
    process, inputs = el.Stream(case.model).process, case.inputs

    def answer(xs: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(process(xs)[:, 0])

    def chunk(steps: int) -> float:
        block = inputs[:steps]
        start = perf_counter_ns()
        process(block)
        return perf_counter_ns() - start

    return Contender(PROCESS, True, answer, chunk)


def _step_in_place(case: Case) -> Contender:
    """The input lies in the stream's own buffer; putting it there is not timed."""
    stream = el.Stream(case.model)
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

    return Contender(STEP_IN_PLACE, False, answer, chunk)


def contenders(case: Case) -> list[Contender]:
    return [_process(case), stepwise(STEP, el.Stream(case.model).step, case), _step_in_place(case)]
