"""The grid's models with int8 weights: one symmetric scale a row of each matrix (`rows`); with edgelstm's int8-dynamic a row's two matrices
share a scale but for a power of two.

It knows no engine but edgelstm. The Dense layer, a single row, stays in float32.
"""

from typing import Any

import numpy as np
from grid import CHECKED, Case
from numpy.typing import NDArray

import edgelstm as el
from edgelstm import reference
from edgelstm.layers.integers import LIMIT, MOST_SHIFT
from edgelstm.quantization.weights import joint_rows


def rows(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(rows, columns) -> integers within +-127, and the scale of each row."""
    scales = np.abs(weight).max(axis=1, keepdims=True) / np.float32(LIMIT)
    return np.rint(weight / scales).astype(np.int8), scales[:, 0]


def _range(case: Case, layers: int) -> float:
    """The largest magnitude behind so many layers over the checked steps; the case's own inputs lie within +-1."""
    return float(np.abs(reference.run(el.Model(case.layers[:layers]), case.inputs[:CHECKED])).max()) if layers else 1.0


def model(case: Case, scheme: str) -> el.Model:
    """The case as edgelstm holds it; scheme: ``int8-dynamic``, calibrated over the checked steps, or ``int8-weight``."""
    layers: list[Any] = []
    record: Any = el.LSTMInt8
    for k, layer in enumerate(case.layers):
        if scheme == "int8-weight":
            (weight_ih, scale_ih), (weight_hh, scale_hh) = rows(layer.weight_ih), rows(layer.weight_hh)
            layers.append(record(scheme, weight_ih, weight_hh, scale_hh, layer.bias, scale_ih=scale_ih))
            continue
        scales = [_range(case, number) / LIMIT for number in (k, k + 1)]
        joint = joint_rows(layer.weight_ih * np.float32(scales[0] / scales[1]), layer.weight_hh, (1.0, 1.0), (0, MOST_SHIFT))
        given, kept = ([scale] for scale in scales)
        parts = (joint.first, joint.second, joint.scale, layer.bias)
        layers.append(record(scheme, *parts, input_scale=given, hidden_scale=kept, input_shift=joint.shift))
    return el.Model((*layers, case.dense))
