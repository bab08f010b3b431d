"""The hand-written C panel kernel (panel_kernel.c), compiled for the case's sizes and timed in C."""

import ctypes

import native
import numpy as np
from grid import Case
from numpy.typing import NDArray

from peers import Contender

native.compiler()
VERSION = native.compiler_version()


def _panels(case: Case, lanes: int) -> NDArray[np.float32]:
    """All weights in the order that panel_kernel.c names, with tiles of `lanes` units."""
    hidden = case.row.hidden_size
    tiles = -(-hidden // lanes)
    parts = []
    for layer in case.lstms:
        rows = np.concatenate([layer.bias[:, None], layer.weight_ih, layer.weight_hh], axis=1)  # (4*hidden, 1+K)
        padded = np.zeros((4, tiles * lanes, rows.shape[1]), np.float32)
        padded[:, :hidden] = rows.reshape(4, hidden, -1)
        parts.append(padded.reshape(4, tiles, lanes, -1).transpose(1, 3, 0, 2).ravel())  # [tiles][1+K][4][LANES]
    dense = np.zeros(tiles * lanes, np.float32)
    dense[:hidden] = case.dense.weight[0]
    return np.concatenate([*parts, dense, np.ravel(case.dense.bias)])


def contenders(case: Case) -> list[Contender]:
    library = native.load("panel_kernel.c", INPUT=case.row.input_size, HIDDEN=case.row.hidden_size, LAYERS=case.row.num_layers)
    library.panel_run.restype = ctypes.c_double
    library.panel_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long]
    weights = np.ascontiguousarray(_panels(case, library.panel_lanes()))
    assert weights.size == library.panel_size()
    library.panel_load(weights.ctypes.data_as(ctypes.c_void_p))
    inputs, ys = case.inputs, np.empty(len(case.inputs), np.float32)

    def answer(xs: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.empty(len(xs), np.float32)
        library.panel_run(np.ascontiguousarray(xs).ctypes.data, out.ctypes.data, len(xs))
        return out

    def chunk(steps: int) -> float:
        return float(library.panel_run(inputs.ctypes.data, ys.ctypes.data, steps))

    return [Contender("C panel kernel", True, answer, chunk)]
