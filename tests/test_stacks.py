"""Random stacks of streaming layers: whole = chunked = stepped, and what PyTorch and Keras compute over the whole signal."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import stack_layers
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_stacks import MAKERS as KERAS_MAKERS
from stack_layers import MAKERS, attention, convolution, gated, lstm, magnitude, norm, overlap, pool, tensor, transposed, window

import edgelstm as el
from edgelstm import reference

#: Samples of a signal, and their width.
STEPS, WIDTH = 40, 4

#: Which layers, and the seed of their sizes and numbers.
STACKS = st.lists(st.sampled_from(MAKERS), min_size=1, max_size=5), st.integers(0, 1 << 30)


def stack(makers, seed):
    """A model, a signal (time, width), and what the framework gives of all of it."""
    rng = np.random.default_rng(seed)
    xs = rng.uniform(-1, 1, (STEPS, WIDTH)).astype(np.float32)
    layers, width, whole = [el.Normalizer(np.zeros(WIDTH), np.ones(WIDTH), name="part0")], WIDTH, tensor(xs.T)
    for number, make in enumerate(makers, 1):
        before = f"part{number - 1}"
        made, width, over = make(rng, width, before)
        made[0] = replace(made[0], inputs=made[0].inputs or (before,))
        made[-1] = replace(made[-1], name=f"part{number}")
        layers += made
        short = any(whole is not None and whole.shape[1] < layer.receptive_field for layer in made)
        whole = None if whole is None or short else over(whole)
    return el.Model(layers), xs, np.zeros((0, width)) if whole is None else whole.numpy().T


def holds_for_the_twin(makers, seed, tolerance=1e-9):
    model, xs, expected = stack(makers, seed)
    found = reference.run(model, xs)
    assert len(found) == model.output_wire.due(STEPS)
    if len(expected):
        np.testing.assert_allclose(found, expected, atol=tolerance)


def holds_compiled(makers, seed):
    model, xs, expected = stack(makers, seed)
    whole = el.Stream(model).process(xs)
    steps = el.Stream(model)
    stepped = [y.copy() for x in xs if (y := steps.step(x)) is not None]
    np.testing.assert_array_equal(np.reshape(stepped, whole.shape), whole)
    chunks, cuts = el.Stream(model), np.random.default_rng(seed).integers(0, STEPS, 4)
    parts = [chunks.process(xs[a:b]).copy() for a, b in pairwise([0, *np.sort(cuts).tolist(), STEPS]) if b > a]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    if len(expected):
        np.testing.assert_allclose(whole.reshape(expected.shape), expected, atol=1e-5 * max(1, np.abs(expected).max()))


@given(*STACKS)
@settings(max_examples=30, deadline=None)
def test_stacks_answer_as_torch_does_over_the_whole_signal(makers, seed):
    holds_for_the_twin(makers, seed)


@pytest.mark.slow
@given(*STACKS)
@settings(max_examples=1000, deadline=None)
def test_a_thousand_stacks_answer_as_torch_does(makers, seed):
    holds_for_the_twin(makers, seed)


@pytest.mark.parametrize(
    ("makers", "seed"),
    [
        ((convolution, pool, lstm), 3),
        ((window, magnitude, overlap, norm, convolution), 5),
        ((window, attention, convolution), 4),
        ((convolution, gated, transposed), 9),
    ],
    ids=["convolution first", "window first", "attention between", "transposed last"],
)
def test_whole_chunked_and_stepped_are_the_same_bits(makers, seed):
    holds_compiled(makers, seed)


@pytest.mark.slow
@given(*STACKS)
@settings(max_examples=60, deadline=None)
def test_random_stacks_compiled(makers, seed):
    holds_compiled(makers, seed)


@pytest.mark.nightly
@given(*STACKS)
@settings(max_examples=1000, deadline=None)
def test_a_thousand_stacks_compiled(makers, seed):
    holds_compiled(makers, seed)


#: Keras takes means of squares in float32, whatever the layer's own numbers are.
IN_FLOAT32 = 1e-6

#: The same of layers that Keras has.
KERAS_STACKS = st.lists(st.sampled_from(KERAS_MAKERS), min_size=1, max_size=5), st.integers(0, 1 << 30)


@pytest.fixture
def keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    return pytest.importorskip("keras")


@pytest.mark.parametrize("make", KERAS_MAKERS, ids=lambda make: make.__name__)
def test_each_layer_answers_as_keras_does(keras, make):
    for seed in range(3):
        holds_for_the_twin([make], seed, IN_FLOAT32)


@pytest.mark.slow
@pytest.mark.usefixtures("keras")
def test_a_thousand_stacks_answer_as_keras_does():
    given(*KERAS_STACKS)(settings(max_examples=1000, deadline=None)(lambda makers, seed: holds_for_the_twin(makers, seed, IN_FLOAT32)))()


def test_every_maker_is_drawn():
    """A stack of all of them is one model."""
    names = [name for name, made in vars(stack_layers).items() if callable(made) and made.__module__ == stack_layers.__name__]
    assert {make.__name__ for make in MAKERS} == set(names) - {"tensor", "functional", "stacked", "recurrent"}
