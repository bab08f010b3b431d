"""Streams that go through a model together, by groups and by blocks: each with the bits of a stream of its own."""

import numpy as np
import pytest
from bank_twins import agree, drawn
from conftest import lstm_model
from int8_records import lstm_int8
from kinds import MAKERS, model_of
from library_models import MODELS

import edgelstm as el


def gru_model(inputs, hidden, **options):
    rng = np.random.default_rng([inputs, hidden])
    shapes = (3 * hidden, inputs), (3 * hidden, hidden), (3 * hidden,), (3 * hidden,)
    return el.Model([el.GRU(*(rng.uniform(-0.3, 0.3, shape) for shape in shapes), **options)])


def int8_model(inputs, hidden, **options):
    rng = np.random.default_rng([inputs, hidden])
    return el.Model([lstm_int8(rng, inputs, hidden, "int8-dynamic", **options)])


#: Tiles of every form: cells side by side; some gates at a time; a tail; a table; by turns; and what is taken one by one.
SIZES = {
    "1,8": lambda: lstm_model(np.random.default_rng(1), 1, 8, 1, 1),
    "2,4": lambda: lstm_model(np.random.default_rng(1), 2, 4),
    "6,32": lambda: lstm_model(np.random.default_rng(2), 6, 32, trained_start=True),
    "7,41": lambda: lstm_model(np.random.default_rng(3), 7, 41, 2, 3),
    "40,128": lambda: lstm_model(np.random.default_rng(4), 40, 128, 1, 5),
    "gru": lambda: gru_model(3, 8),
    "gru, tiles": lambda: gru_model(9, 70),
    "gru, reset before": lambda: gru_model(9, 70, reset_after=False),
    "int8, small": lambda: int8_model(2, 8, calibrated=True),
    **{name: MODELS[name] for name in ("f32-table", "f32-cells", "f32-gru", "f32-maps", "f16-weight", "f32-all-layers")},
    **{name: MODELS[name] for name in ("int8-dynamic", "int8-dynamic-calibrated")},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_groups_give_the_bits_of_streams(name):
    model = SIZES[name]()
    agree(model, drawn(model, 11 * 9))


@pytest.mark.nightly
@pytest.mark.parametrize("kind", [kind for kind in MAKERS if model_of(kind).streams])
def test_every_kind_in_a_bank(kind):
    model = model_of(kind)
    agree(model, drawn(model, 11 * 20))


def test_a_group_ends_where_a_stream_comes_again():
    """More streams than a group has, in any order, some of them twice: each step in its turn."""
    model, rng = lstm_model(np.random.default_rng(1), 2, 20), np.random.default_rng(7)
    bank, streams = el.StreamBank(model, 150), [el.Stream(model) for _ in range(150)]
    for count in (150, 47, 48, 49, 2, 151, 200):
        keys = rng.permutation(150)[:count].tolist() if count <= 150 else rng.integers(0, 150, count).tolist()
        xs = rng.uniform(-1, 1, (len(keys), 3, 2)).astype(np.float32)
        np.testing.assert_array_equal(bank.process_many(keys, xs), [streams[key].process(part) for key, part in zip(keys, xs, strict=True)])
    keys = [0, 1, 0, 2, 2, 2, *range(3, 60), 5, 4]
    xs = rng.uniform(-1, 1, (len(keys), 2)).astype(np.float32)
    np.testing.assert_array_equal(bank.step_many(keys, xs), [streams[key].step(x).copy() for key, x in zip(keys, xs, strict=True)])
