"""The hand-written C panel kernels (panel_kernel.c, panel_gru.c, panel_rnn.c), compiled for the case's sizes and timed in C."""

import ctypes

import native
import numpy as np
from grid import Case
from numpy.typing import NDArray

import edgelstm as el
from peers import Contender

native.compiler()
VERSION = native.compiler_version()


def _lstm_layer(layer: el.LSTM, tiles: int, lanes: int) -> NDArray[np.float32]:
    rows = np.concatenate([layer.bias[:, None], layer.weight_ih, layer.weight_hh], axis=1)  # (4*hidden, 1+K)
    return _tiled(rows, 4, tiles, lanes).transpose(1, 3, 0, 2).ravel()  # [tiles][1+K][4][LANES]


def _gru_layer(layer: el.GRU, tiles: int, lanes: int) -> NDArray[np.float32]:
    hidden = layer.hidden_size
    biases = np.concatenate([(layer.bias_ih + layer.bias_hh)[: 2 * hidden], layer.bias_ih[2 * hidden :], layer.bias_hh[2 * hidden :]])
    first = _tiled(biases[:, None], 4, tiles, lanes).transpose(1, 3, 0, 2)  # [tiles][1][4][LANES]
    rest = _tiled(np.concatenate([layer.weight_ih, layer.weight_hh], axis=1), 3, tiles, lanes).transpose(1, 3, 0, 2)  # [tiles][K][3][LANES]
    return np.concatenate([np.concatenate([a.ravel(), b.ravel()]) for a, b in zip(first, rest, strict=True)])


def _rnn_layer(layer: el.RNN, tiles: int, lanes: int) -> NDArray[np.float32]:
    rows = np.concatenate([layer.bias[:, None], layer.weight_ih, layer.weight_hh], axis=1)  # (hidden, 1+K)
    return _tiled(rows, 1, tiles, lanes).transpose(1, 3, 0, 2).ravel()  # [tiles][1+K][LANES]


def _tiled(rows: NDArray[np.float32], gates: int, tiles: int, lanes: int) -> NDArray[np.float32]:
    """(gates*hidden, columns) -> (gates, tiles, lanes, columns), zeros for the padding units."""
    padded = np.zeros((gates, tiles * lanes, rows.shape[1]), np.float32)
    padded[:, : len(rows) // gates] = rows.reshape(gates, -1, rows.shape[1])
    return padded.reshape(gates, tiles, lanes, -1)


#: Source and packing of a layer, by the kind of the case's layers.
KERNELS = {"lstm": ("panel_kernel.c", _lstm_layer), "gru": ("panel_gru.c", _gru_layer), "rnn": ("panel_rnn.c", _rnn_layer)}


def _panels(case: Case, lanes: int) -> NDArray[np.float32]:
    """All weights in the order that the source names, with tiles of `lanes` units."""
    hidden = case.row.hidden_size
    tiles = -(-hidden // lanes)
    pack = KERNELS[case.layers[0].kind][1]
    parts = [pack(layer, tiles, lanes) for layer in case.layers]
    dense = np.zeros(tiles * lanes, np.float32)
    dense[:hidden] = case.dense.weight[0]
    return np.concatenate([*parts, dense, np.ravel(case.dense.bias)])


def contenders(case: Case) -> list[Contender]:
    source = KERNELS[case.layers[0].kind][0]
    library = native.load(source, INPUT=case.row.input_size, HIDDEN=case.row.hidden_size, LAYERS=case.row.num_layers)
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
