"""Models that are built for microcontrollers, in every scheme, with samples and the answers of their twins."""

import tempfile
from dataclasses import replace
from functools import cache
from itertools import pairwise

import lstm_cells
import numpy as np
import pytest
from kinds import conv_lstm
from library_models import made_once

import edgelstm as el
from edgelstm import building
from edgelstm.compiler import targets

STEPS, TURN = 24, 9


def vectors(rng):
    """Every layer kind that takes vectors, two LSTM layers with a start of their own, a sum, and a skip connection by concatenation."""

    def drawn(*shape):
        return rng.uniform(-0.5, 0.5, shape)

    return [
        el.Normalizer(drawn(5), rng.uniform(0.5, 2, 5), name="norm"),
        el.LSTM(drawn(52, 5), drawn(52, 13), drawn(52), drawn(13), drawn(13), name="low"),
        el.LSTM(drawn(52, 13), drawn(52, 13), drawn(52), name="high"),
        el.Add(inputs=("low", "high"), name="sum"),
        el.Dense(2 * drawn(17, 13), drawn(17)),
        el.Activation("tanh"),
        el.Dense(drawn(9, 17), drawn(9)),
        el.Activation("relu"),
        el.Activation("linear", name="deep"),
        el.Dense(drawn(6, 14), drawn(6), inputs=("deep", "norm")),
        el.Activation("sigmoid"),
        el.Dense(4 * drawn(4, 6), drawn(4)),
        el.Softmax(),
    ]


def indices(rng):
    """A table, one LSTM layer, a head."""

    def drawn(*shape):
        return rng.uniform(-1, 1, shape)

    return [el.Embedding(drawn(11, 6)), el.LSTM(drawn(32, 6), drawn(32, 8), drawn(32)), el.Dense(drawn(3, 8), drawn(3))]


def without_cell(rng):
    """GRUs of both conventions, an Elman layer, minimal layers and an sLSTM: those that have int8 first."""

    def drawn(*shape):
        return rng.uniform(-0.5, 0.5, shape)

    return [
        el.GRU(drawn(39, 5), drawn(39, 13), drawn(39), drawn(39), drawn(13)),
        el.GRU(drawn(27, 13), drawn(27, 9), drawn(27), reset_after=False),
        el.RNN(drawn(6, 9), drawn(6, 6), drawn(6), name="low"),
        el.MinGRU(drawn(10, 6), drawn(10), candidate="positive", name="gru"),
        el.MinLSTM(drawn(21, 5), drawn(21), name="lstm"),
        el.SLSTM(drawn(32, 7), drawn(32, 4), drawn(32), name="slstm"),
    ]


def options(rng):
    """LSTM layers with each option of a cell, and maps that a convolutional LSTM reads."""
    first = lstm_cells.lstm(rng, 5, 13, projection=7, peephole=True, cell_clip=0.5, projection_clip=0.4, name="first")
    coupled = lstm_cells.lstm(rng, 7, 9, coupled="f=1-i", gate_clip=2.0, name="coupled")
    maps = conv_lstm(rng, (9, 1), 6, (3,), peephole=rng.uniform(-0.5, 0.5, (3, 9, 6)), name="maps")
    return [first, coupled, maps, el.Dense(rng.uniform(-0.5, 0.5, (4, 54)) / 2)]


def widths(rng):
    """LSTM layers whose widths fill words of activations, quads of words and tiles, and those between."""

    def drawn(*shape):
        return rng.uniform(-0.5, 0.5, shape)

    sizes = pairwise([5, *range(12, 19), 20, 21, 24])
    return [el.LSTM(drawn(4 * hidden, size), drawn(4 * hidden, hidden), drawn(4 * hidden)) for size, hidden in sizes]


#: By name, what makes the layers of a model.
MAKERS = {maker.__name__: maker for maker in (vectors, indices, without_cell, options, widths)}


def in_scheme(model, windows, scheme):
    """`quantize`, and the Dense layers too that it leaves in f32 for being small; the layer "high" scales its input at each step."""
    newer = [layer.name for layer in model.layers if layer.kind in ("min_gru", "min_lstm", "slstm")]
    if scheme == "f16-weight":
        return el.quantize(model, windows, scheme)
    layers = el.quantize(model, windows, scheme, keep=newer).layers
    if scheme == "int8-static":
        assert not any(isinstance(layer, el.Dense) for layer in layers)
        return el.Model(layers)
    found_each_step = {"high": {"input_scale": None}} if scheme == "int8-dynamic" else {}
    return el.Model([replace(dense_in(layer, scheme), **found_each_step.get(layer.name, {})) for layer in layers])


def dense_in(layer, scheme):
    """An int8 record of a Dense layer; any other layer as it is."""
    if not isinstance(layer, el.Dense):
        return layer
    scale = np.abs(layer.weight).max(axis=1) / 127
    weight = np.rint(layer.weight / scale[:, None]).astype(np.int8)
    return el.DenseInt8(scheme, weight, scale, layer.bias, name=layer.name, inputs=layer.inputs)


@cache
def case(kind, scheme):
    """A model and samples (STEPS, input_size)."""
    rng = np.random.default_rng(20261124)
    model = el.Model(MAKERS[kind](rng))
    draw = (lambda n: rng.integers(0, 11, (n, 1))) if kind == "indices" else (lambda n: rng.uniform(-2, 2, (n, 5)))
    xs = draw(STEPS).astype(np.float32)
    if scheme != "f32":
        model = in_scheme(model, [draw(60).astype(np.float32) for _ in range(3)], scheme)
    return model, xs


@cache
def twin(kind, scheme, fma):
    """A stream of the same model on this machine, with or without multiply-add in one rounding."""
    model, _ = case(kind, scheme)
    if targets.host().fma == fma:
        return el.Stream(model)
    if fma or targets.host().architecture != "x86_64":
        pytest.skip(f"this machine has no code with fma={fma} to compare with")
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        made_once(f"twin {kind} {scheme}", lambda: building.build(model, "x86-64-v2")).write(file.name)
        return el.Stream(file.name)
