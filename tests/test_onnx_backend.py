"""ONNX's own tests of LSTM, GRU and RNN nodes, run by ONNX's own runner."""

import unittest
import warnings

import pytest

pytest.importorskip("onnx")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # ONNX makes its test data with overflows and divisions by zero
    from onnx.backend.test import BackendTest

    from edgelstm import onnx_backend

    CASES = BackendTest(onnx_backend, __name__).test_cases

TESTS = "OnnxBackendNodeModelTest"

NAMES = [
    name
    for name in dir(CASES[TESTS])
    if name.startswith("test_") and any(kind in name for kind in ("lstm", "gru", "rnn")) and name.endswith("_cpu")
]


def test_there_are_six_of_each():
    assert [sum(kind in name for name in NAMES) for kind in ("lstm", "gru", "rnn")] == [6, 6, 6]


@pytest.mark.parametrize("name", NAMES)
def test_node(name):
    result = unittest.TestResult()
    CASES[TESTS](name).run(result)
    assert not result.errors + result.failures, (result.errors + result.failures)[0][1]
    assert result.testsRun == 1
    assert not result.skipped
