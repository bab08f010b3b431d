"""edgelstm itself: a block in one call, one call a step from Python, and one call a step from C of the library built ahead of time."""

import ctypes
import tempfile
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import native
import numpy as np
from grid import TOLERANCE, Case, Workload
from numpy.typing import NDArray

import edgelstm as el
from peers import Contender, stepwise

VERSION = el.__version__

PROCESS = "edgelstm process()"
STEP = "edgelstm step(x)"
STEP_IN_PLACE = "edgelstm step()"
STEP_IN_C = "edgelstm_step() in C"


def process(name: str, model: el.Model, case: Workload, tolerance: float = TOLERANCE) -> Contender:
    """A block in one call."""
    call, inputs = el.Stream(model).process, case.inputs

    def answer(xs: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(call(xs).reshape(len(xs), -1)[:, 0])

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


def step_in_c(name: str, model: el.Model, case: Case) -> Contender:
    """A loop in C over a library built for this machine."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.so")
        el.build(model).write(path)
        library = ctypes.CDLL(str(path))
    loop = native.load("step_loop.c").step_loop
    loop.restype = ctypes.c_double
    loop.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_long, ctypes.c_void_p, ctypes.c_long]
    arena = np.zeros(library.edgelstm_arena_bytes() // 8 + 8, np.int64)
    place = arena.ctypes.data + -arena.ctypes.data % 64
    assert library.edgelstm_init(ctypes.c_void_p(place)) == 0
    step = ctypes.cast(library.edgelstm_step, ctypes.c_void_p).value
    inputs, ys = case.inputs, np.empty(len(case.inputs), np.float32)

    def run(xs: NDArray[np.float32], out: NDArray[np.float32], steps: int, alive: object = (library, arena)) -> float:
        return float(loop(step, place, xs.ctypes.data, case.row.input_size, out.ctypes.data, steps))

    def answer(xs: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.empty(len(xs), np.float32)
        run(np.ascontiguousarray(xs), out, len(xs))
        return out

    return Contender(name, True, answer, lambda steps: run(inputs, ys, steps))


def contenders(case: Case) -> list[Contender]:
    model = case.model
    own = [process(PROCESS, model, case), stepwise(STEP, el.Stream(model).step, case), step_in_place(STEP_IN_PLACE, model)]
    try:
        native.compiler()
    except native.NoCompilerError:
        return own
    return [*own, step_in_c(STEP_IN_C, model, case)]
