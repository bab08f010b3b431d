"""A step allocates nothing and compiles nothing. Each check has a control that must trip it."""

import sys
import tracemalloc
from itertools import repeat

import numpy as np
import pytest
from conftest import lstm_model

import edgelstm as el


def peak_of(action, argument, times=1000):
    """Most memory, in bytes, that Python and NumPy held at once during the calls beyond what they held before."""
    action(argument)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in repeat(None, times):
            action(argument)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.fixture
def stream(rng):
    made = el.Stream(lstm_model(rng, 6, 32))
    assert type(made.step).__name__ == "builtin_function_or_method"
    return made


def test_a_step_allocates_nothing(stream):
    x = np.ones(6, np.float32)
    nothing = peak_of(lambda _: None, x)  # what the measuring loop itself holds
    assert peak_of(stream.step, x) <= nothing
    assert peak_of(lambda _: stream.step(), x) <= nothing


def test_the_allocation_count_sees_one_allocation(stream):
    x = np.ones(6, np.float32)
    nothing = peak_of(lambda _: None, x)
    assert peak_of(lambda v: stream.step(v).copy(), x) > nothing
    assert peak_of(stream.step, [1.0] * 6) > nothing


def test_a_step_leaves_reference_counts_alone(stream):
    x = np.ones(6, np.float32)
    y = stream.step(x)
    before = [sys.getrefcount(v) for v in (x, y, None)]
    for _ in range(1000):
        stream.step(x)
    after = [sys.getrefcount(v) for v in (x, y, None)]
    assert np.abs(np.subtract(after, before)[:2]).max() == 0
    assert abs(after[2] - before[2]) < 10


def test_nothing_compiles_after_construction(stream, monkeypatch):
    from edgelstm.compiler import plan

    monkeypatch.setattr(plan, "_compiled", lambda *_: pytest.fail("compiled during a step"))
    for x in ([0.5] * 6, np.ones(6), np.ones((6, 2), np.float32)[:, 0], np.ones(6, np.float32)):
        stream.step(x)
    stream.process(np.ones((100, 6), np.float32)[::2])
