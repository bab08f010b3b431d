"""edgelstm over the grid, by pytest-benchmark: ``pytest benchmarks/test_step.py``.

Figures of one machine beside its own earlier ones (``--benchmark-autosave``, ``--benchmark-compare``); other engines are in `compare`.
"""

from typing import Any

import numpy as np
import pytest
from grid import BLOCK, CHECKED, GRID, TOLERANCE, Case, Row, make_case

import edgelstm as el


@pytest.fixture(params=GRID, ids=lambda row: "-".join(map(str, row)), scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    row: Row = request.param
    return make_case(row)


@pytest.fixture
def stream(case: Case) -> el.Stream:
    stream = el.Stream(case.model)
    np.testing.assert_allclose(stream.process(case.inputs[:CHECKED])[:, 0], case.answers, rtol=0, atol=TOLERANCE)
    return stream


def test_step(benchmark: Any, stream: el.Stream, case: Case) -> None:
    benchmark.group = f"{case.row}"
    benchmark(stream.step, case.inputs[0])


def test_step_in_place(benchmark: Any, stream: el.Stream, case: Case) -> None:
    benchmark.group = f"{case.row}"
    stream.input[:] = case.inputs[0]
    benchmark(stream.step)


def test_process(benchmark: Any, stream: el.Stream, case: Case) -> None:
    """One call takes BLOCK steps; ``ns_per_step`` stands in the extra info."""
    benchmark.group = f"{case.row} process of {BLOCK} steps"
    benchmark(stream.process, case.inputs)
    benchmark.extra_info["ns_per_step"] = 1e9 * benchmark.stats.stats.median / BLOCK
