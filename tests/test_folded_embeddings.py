"""Embeddings that are folded into the recurrent layers behind them: no product, the same numbers, and what is not folded."""

import numpy as np
import pytest
from conftest import lstm_layers
from int8_records import hidden_int8, lstm_int8
from kinds import uniform

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.layout import lay_out
from edgelstm.compiler.targets import TARGETS, host

SYMBOLS = 24

#: Layers of 20 units that read an embedding of five values, by name.
READERS = {
    "lstm": lambda rng: lstm_layers(rng, 5, 20, 1)[0],
    "lstm of one tile": lambda rng: lstm_layers(rng, 5, 7, 1)[0],
    "lstm of many": lambda rng: lstm_layers(rng, 5, 70, 1)[0],
    "norm": lambda rng: el.LSTM(
        uniform(rng, 80, 5), uniform(rng, 80, 20), uniform(rng, 80), norm="tflite", norm_weight=uniform(rng, 80), norm_epsilon=1e-8
    ),
    "coupled": lambda rng: el.LSTM(
        uniform(rng, 80, 5), uniform(rng, 80, 20), uniform(rng, 80), coupled="f=1-i", peephole=uniform(rng, 3, 20)
    ),
    "half": lambda rng: el.LSTMHalf(uniform(rng, 80, 5), uniform(rng, 80, 20), uniform(rng, 80)),
    "int8-weight": lambda rng: lstm_int8(rng, 5, 20, "int8-weight"),
    "int8-dynamic": lambda rng: lstm_int8(rng, 5, 20, "int8-dynamic"),
    "calibrated": lambda rng: lstm_int8(rng, 5, 70, "int8-dynamic", calibrated=True),
    "gru": lambda rng: el.GRU(uniform(rng, 60, 5), uniform(rng, 60, 20), uniform(rng, 60), uniform(rng, 60)),
    "gru, reset before": lambda rng: el.GRU(
        uniform(rng, 60, 5), uniform(rng, 60, 20), uniform(rng, 60), uniform(rng, 60), reset_after=False
    ),
    "gru half": lambda rng: el.GRUHalf(uniform(rng, 60, 5), uniform(rng, 60, 20), uniform(rng, 60), uniform(rng, 60)),
    "rnn": lambda rng: el.RNN(uniform(rng, 20, 5), uniform(rng, 20, 20), uniform(rng, 20)),
    "gru int8-weight": lambda rng: hidden_int8(rng, el.GRUInt8, 5, 37, "int8-weight"),
    "gru int8-weight, reset before": lambda rng: hidden_int8(rng, el.GRUInt8, 5, 37, "int8-weight", reset_after=False),
    "gru int8-dynamic": lambda rng: hidden_int8(rng, el.GRUInt8, 5, 37, "int8-dynamic"),
    "gru int8-dynamic, reset before": lambda rng: hidden_int8(
        rng, el.GRUInt8, 5, 37, "int8-dynamic", reset_after=False, input_scale=[1 / 127]
    ),
    "rnn int8-weight": lambda rng: hidden_int8(rng, el.RNNInt8, 5, 70, "int8-weight"),
    "rnn int8-dynamic": lambda rng: hidden_int8(rng, el.RNNInt8, 5, 70, "int8-dynamic", input_scale=[1 / 127]),
}


def folded(reader):
    rng = np.random.default_rng(4)
    return el.Model([el.Embedding(rng.uniform(-1, 1, (SYMBOLS, 5))), READERS[reader](rng)])


@pytest.mark.parametrize("reader", READERS)
def test_an_embedding_costs_no_product(reader):
    for target in (host(), TARGETS["rpi4"]):
        operation, *others = [op for op in lay_out(folded(reader), target).operations if op.kernel != "activation_f32"]
        assert not others
        assert dict(operation.constants)["inputs"] == 0


@pytest.mark.parametrize(
    "reader", [pytest.param(name, marks=[] if name in ("int8-dynamic", "gru, reset before") else pytest.mark.slow) for name in READERS]
)
def test_tables_hold_what_products_would_be(reader, rng):
    model = folded(reader)
    xs = rng.integers(SYMBOLS, size=(200, 1))
    stream = el.Stream(model)
    ys = stream.process(xs)
    np.testing.assert_allclose(ys, reference.run(model, xs), rtol=0, atol=2e-6)
    stream.reset()
    assert np.array([stream.step(x).copy() for x in xs.astype(np.float32)]).tobytes() == ys.tobytes()


def test_what_is_not_folded(rng):
    table, reader = el.Embedding(uniform(rng, SYMBOLS, 5), name="table"), lstm_layers(rng, 5, 20, 1)[0]
    skip = el.Concat(inputs=("table", "lstm1"))
    large = el.Embedding(np.zeros((60000, 5)))
    for layers in ([table, reader, skip], [large, reader]):
        assert "embedding_f32" in [op.kernel for op in lay_out(el.Model(layers), host()).operations]
    board = lay_out(el.Model([table, reader]), TARGETS["cortex-m4f"])
    assert "embedding_f32" in [op.kernel for op in board.operations]
