"""The benchmark of convolutions times what it says, and counts its products. No time is asserted."""

from importlib import import_module
from pathlib import Path

import pytest

import edgelstm as el


@pytest.fixture
def convolutions(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return import_module("convolutions")


def test_a_block_is_answered_as_often_as_it_is_counted(convolutions):
    size = convolutions.Size(32, 32, 4, stride=2)
    assert convolutions.block(size)().shape == (convolutions.ROWS // 2, 32)
    assert size.flops == 2 * el.Conv1D([[[0.0] * 4] * 32] * 32).multiply_accumulates / 2
    assert str(size) == "32 -> 32, 4 taps, stride 2"
    assert {min(each[:2]) for each in convolutions.SIZES} >= {convolutions.CHANNELS, 256}
