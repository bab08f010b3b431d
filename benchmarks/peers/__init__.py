"""The contenders: every way to step a model that the comparison times, one file a peer.

A peer's file offers ``contenders(case)``. It imports its engine at the top; `available` treats an engine that is not installed as absent.
What is timed, and how often, is not decided here.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter_ns
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from grid import BLOCK, TOLERANCE, Workload
from numpy.typing import NDArray

#: Name on the command line -> module in this folder.
PEERS = {
    "edgelstm": "edgelstm_peer",
    "panel": "panel_peer",
    "onnxruntime": "onnxruntime_peer",
    "litert": "litert_peer",
    "torch": "torch_peer",
    "numpy": "numpy_peer",
}

#: The same for the models with int8 weights.
INT8_PEERS = {
    "edgelstm": "edgelstm_int8",
    "onnxruntime": "onnxruntime_int8",
    "litert": "litert_int8",
    "torch": "torch_int8",
}


class Answer(Protocol):
    """(time, input_size) float32 -> (time,), continuing from the contender's present state."""

    def __call__(self, xs: NDArray[np.float32], /) -> NDArray[Any]: ...


class Chunk(Protocol):
    """Runs the first `steps` of the case's inputs and returns nanoseconds for all of them together."""

    def __call__(self, steps: int, /) -> float: ...


#: Distinct inputs of a loop over steps in Python. A thousand live arrays would be fetched from L3 one by one; a program that takes a
#: sample, steps and drops it always has it in L1.
HOT = 20


@dataclass(frozen=True)
class Contender:
    """One way to step one model, in its initial state.

    Parameters
    ----------
    name : str
    native : bool
        Whether its loop over the steps is native code; else each step is one call from Python.
    answer, chunk : see the protocols
    tolerance : largest error against the float64 reference that it may show
    twin : (CHECKED,), optional
        What its own rounded arithmetic gives when it is computed exactly.
    """

    name: str
    native: bool
    answer: Answer
    chunk: Chunk
    tolerance: float = TOLERANCE
    twin: NDArray[np.float64] | None = None


def stepwise(
    name: str,
    step: Callable[[Any], Any],
    case: Workload,
    *,
    ready: Callable[[NDArray[np.float32]], Any] = lambda x: x,
    value: Callable[[Any], float] = lambda y: float(y[0]),
    within: Callable[[], AbstractContextManager[Any]] = nullcontext,
    tolerance: float = TOLERANCE,
) -> Contender:
    """A contender whose steps are calls from a bare Python loop.

    Parameters
    ----------
    step : what is timed; input in the engine's own container, output as it comes
    ready : makes the engine's container from one sample (input_size,); not timed
    value : the one output as a number; not timed
    within : a context that surrounds the loop; entering it is not timed
    """
    prepared = [ready(x) for x in case.inputs[:HOT]] * (BLOCK // HOT)

    def answer(xs: NDArray[np.float32]) -> NDArray[Any]:
        with within():
            return np.array([value(step(ready(x))) for x in xs])

    def chunk(steps: int) -> float:
        with within():
            return _loop(step, prepared[:steps])

    return Contender(name, False, answer, chunk, tolerance)


def _loop(step: Callable[[Any], Any], inputs: Sequence[Any]) -> float:
    start = perf_counter_ns()
    for x in inputs:
        step(x)
    return perf_counter_ns() - start


def empty_loop(steps: int) -> float:
    """Nanoseconds of the bare Python loop around every step of a `stepwise` contender."""
    inputs = range(steps)
    start = perf_counter_ns()
    for _ in inputs:
        pass
    return perf_counter_ns() - start


def available(names: Sequence[str], modules: dict[str, str] = PEERS) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The peers of these names that can be imported, and why the others cannot; `modules`: `PEERS` or `INT8_PEERS`."""
    found: dict[str, ModuleType] = {}
    absent: dict[str, str] = {}
    for name in names:
        try:
            found[name] = import_module(f"peers.{modules[name]}")
        except ImportError as problem:
            absent[name] = str(problem)
    return found, absent
