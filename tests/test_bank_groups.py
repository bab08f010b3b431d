"""Streams that go through a model together, by groups and by blocks: each with the bits of a stream of its own."""

from itertools import pairwise

import numpy as np
import pytest
from bank_twins import agree, drawn
from conftest import lstm_layers, lstm_model
from int8_records import lstm_int8
from kinds import MAKERS, model_of
from library_models import MODELS

import edgelstm as el


def lstms():
    """Tiles of every form: cells side by side; some gates at a time; a narrower last tile; by turns."""
    rng, sizes = np.random.default_rng(1), (1, 8, 4, 32, 41, 128)
    return el.Model([lstm_layers(rng, *pair, 1, trained_start=pair[1] == 32)[0] for pair in pairwise(sizes)])


def grus():
    """Both places of the reset gate, in one tile and in several."""
    rng, sizes = np.random.default_rng(2), (3, 8, 70, 70, 20)
    shapes = [((3 * n, i), (3 * n, n), (3 * n,), (3 * n,)) for i, n in pairwise(sizes)]
    layers = [[rng.uniform(-0.3, 0.3, shape) for shape in of_layer] for of_layer in shapes]
    return el.Model([el.GRU(*arrays, reset_after=number % 3 < 2) for number, arrays in enumerate(layers)])


def integers():
    """Inputs quantised by a scale and by their largest, in one tile and in several."""
    rng = np.random.default_rng(3)
    sizes = (2, 8, 41, 41)
    return el.Model([lstm_int8(rng, *pair, "int8-dynamic", calibrated=number < 2) for number, pair in enumerate(pairwise(sizes))])


SIZES = {
    "lstms": lstms,
    "grus": grus,
    "integers": integers,
    **{name: MODELS[name] for name in ("f32-table", "f32-cells", "f32-maps", "f16-weight", "f32-all-layers")},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_groups_give_the_bits_of_streams(name):
    model = SIZES[name]()
    agree(model, drawn(model, 11 * 9))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstms", "grus", "integers", "f32-all-layers"])
def test_groups_in_a_built_library(name, tmp_path):
    model, count = SIZES[name](), 101  # two groups and a rest, by `edgelstm_step_many`
    el.build(model).write(tmp_path / "a.so")
    agree(model, drawn(model, 4 * count), count, tmp_path / "a.so")


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
