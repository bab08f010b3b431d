"""Words for activations: their spelling, their functions in float64 against frameworks, and compiled code against these."""

import inspect
import math

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.reach import input_limit
from edgelstm.kernels.activations import FORMULAS
from edgelstm.layers import activations
from edgelstm.reference import functions

#: Every name, with the numbers of more than one where it takes some.
WORDS = (
    *(activations.checked("test", name) for name in activations.ALONE),
    *("clip(-0.5, 3)", "clip(1, 1)", "hard_sigmoid(0.16666667, 0.5)", "softplus(3.5)", "elu(-0.7)", "celu(0.3)", "leaky_relu(-2)"),
    *("leaky_relu(0)", "thresholded_relu(-1)", "hard_shrink(0)", "soft_shrink(2)", "scaled_tanh(1.7159, 0.6666667)", "affine(-3, 0.25)"),
    *("log(1e-05)", "log(2.5)", "reciprocal(0.5)"),
)


def numbers():
    """Small, usual and huge ones of both signs, and the corners of the functions: (n, 1) float32."""
    large = np.logspace(0, 37, 400)
    near = np.concatenate([corner + np.linspace(-0.01, 0.01, 21) for corner in (-6, -3, -2.5, -1, -0.5, 0, 0.5, 1, 2.5, 3, 6)])
    usual = np.linspace(-30, 30, 4001)
    tiny = np.logspace(-37, 0, 200)
    return np.concatenate([usual, near, tiny, -tiny, large, -large, [0.0, -0.0]]).astype(np.float32)[:, None]


def model_of(words, **options):
    """One input, and its value under every word."""
    first = el.Normalizer([0], [1], name="x")
    return el.Model([first, *(el.Activation(w, name=w, inputs=["x"]) for w in words), el.Activation("linear", inputs=words)], **options)


@pytest.fixture(scope="module")
def stream():
    return el.Stream(model_of([word for word in WORDS if word != "exp"]), nan_policy="propagate")


def test_all_lists_have_the_same_names():
    assert set(activations.FUNCTIONS) == set(FORMULAS) == set(functions.ACTIVATIONS)
    for name, function in activations.FUNCTIONS.items():
        count = len(function.numbers)
        for formula in (FORMULAS[name], function.bound):
            taken = inspect.signature(formula).parameters.values()
            assert len(taken) == 1 + count or any(p.kind is p.VAR_POSITIONAL for p in taken)
        assert function.defaults is None or len(function.defaults) == count


@pytest.mark.parametrize(
    ("word", "spelling"),
    [
        ("relu", "relu"),
        ("hard_sigmoid", "hard_sigmoid(0.2, 0.5)"),
        (" leaky_relu( 0.30000001192092896 ) ", "leaky_relu(0.3)"),
        ("hard_sigmoid(.16666666666666666,5e-1)", "hard_sigmoid(0.16666667, 0.5)"),
        ("elu(1.0)", "elu(1)"),
        (activations.spelled("scaled_tanh", 1.7159, 2 / 3), "scaled_tanh(1.7159, 0.6666667)"),
    ],
)
def test_a_word_has_one_spelling(word, spelling):
    assert el.Activation(word).function == spelling
    assert el.Activation(spelling).function == spelling
    assert el.Activation(word).options() == {"function": spelling}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("swisch", "must be one of linear, relu"),
        ("", "must be one of"),
        (None, "must be one of"),
        (7, "must be one of"),
        ("relu()", r"of the form relu"),
        ("relu(1)", "it takes 0 numbers"),
        ("elu(1, 2)", "it takes 1 numbers"),
        ("elu(one)", "could not convert"),
        ("elu(nan)", "within a million"),
        ("elu(1e40)", "within a million"),
        ("affine", "its numbers are missing"),
        ("clip(2, 1)", "a must not be above b"),
        ("softplus(0)", "below 1e-6"),
        ("soft_shrink(-1)", "below 0"),
        ("elu(" + "1" * 200 + ")", "must be one of"),
    ],
)
def test_another_word_is_refused(word, says):
    with pytest.raises(el.UnsupportedModelError, match=says) as refused:
        el.Activation(word, name="a")
    assert str(refused.value).startswith("activation 'a': function must be ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("word", WORDS)
def test_the_bound_holds_and_is_reached(word):
    """Over inputs up to some size no answer is larger than said, and where a bound is finite for all inputs, it is not idle."""
    for most in (0.01, 0.7, 5.0, 50.0):
        xs = np.linspace(-most, most, 2001)
        assert np.abs(functions.activation(word)(xs)).max() <= activations.bound(word, most) * (1 + 1e-12)
    everywhere = activations.bound(word)
    if math.isfinite(everywhere):
        xs = np.append(np.linspace(-1e5, 1e5, 2001), activations.parts(word)[1])
        assert np.abs(functions.activation(word)(xs)).max() == pytest.approx(everywhere, rel=0.01)
    assert activations.within_one(word) == (everywhere <= 1)


def test_compiled_functions_stay_with_their_definitions(stream):
    """To 1e-6 of the largest answer so far from zero: an error may grow with the range that inputs span, and not beyond."""
    xs = numbers()
    answers = stream.process(xs)
    for column, word in enumerate(w for w in WORDS if w != "exp"):
        expected = functions.activation(word)(np.clip(xs[:, 0].astype(np.float64), -1e30, 1e30))
        held = np.abs(xs[:, 0]) <= 1e30
        error = np.abs(answers[held, column] - expected[held]) / np.maximum(1, np.abs(expected[held]))
        assert error.max() <= 1e-6, (word, float(xs[held][error.argmax(), 0]), float(error.max()))
        assert np.isfinite(answers[:, column]).all(), word


def test_not_a_number_passes(stream):
    answer = stream.step(np.array([np.nan], np.float32))
    assert [w for w, y in zip((w for w in WORDS if w != "exp"), answer, strict=True) if not np.isnan(y)] == []
    stream.reset()


def test_exp_is_bounded_by_the_largest_input():
    """What follows exp must not overflow: a stream refuses inputs whose exponential would."""
    model = el.Model([el.Normalizer([0], [1]), el.Activation("exp"), el.Dense([[1000.0]])])
    limit = input_limit(model)
    assert limit == 64
    stream = el.Stream(model)
    xs = np.linspace(-120, 60, 500, dtype=np.float32)[:, None].clip(-limit)
    expected = reference.run(model, xs)
    np.testing.assert_allclose(stream.process(xs), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(el.InputError):
        stream.step(np.array([70], np.float32))
