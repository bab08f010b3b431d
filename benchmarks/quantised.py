"""The grid's models with int8 weights: one symmetric scale a row, as every int8 engine of the comparison can hold them.

It knows no engine but edgelstm. The Dense layer, a single row, stays in float32.
"""

from typing import Any

import numpy as np
from grid import CHECKED, Case
from numpy.typing import NDArray

import edgelstm as el
from edgelstm import reference


def rows(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(rows, columns) -> integers within +-127, and the scale of each row."""
    scales = np.abs(weight).max(axis=1, keepdims=True) / np.float32(127)
    return np.rint(weight / scales).astype(np.int8), scales[:, 0]


def _input_scale(case: Case, k: int) -> list[float]:
    """Step of the input of layer k: the case's inputs lie within +-1, those of later layers are calibrated over the checked steps."""
    largest = np.abs(reference.run(el.Model(case.lstms[:k]), case.inputs[:CHECKED])).max() if k else 1.0
    return [float(largest) / 127]


def model(case: Case, scheme: str) -> el.Model:
    """The case as edgelstm holds it; scheme: ``int8-dynamic`` or ``int8-weight``."""
    layers: list[Any] = []
    for k, layer in enumerate(case.lstms):
        step = _input_scale(case, k) if scheme == "int8-dynamic" else None
        (weight_ih, scale_ih), (weight_hh, scale_hh) = rows(layer.weight_ih), rows(layer.weight_hh)
        layers.append(el.LSTMInt8(scheme, weight_ih, weight_hh, scale_ih, scale_hh, layer.bias, step))
    return el.Model((*layers, case.dense))
