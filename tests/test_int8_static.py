"""Layers in integers alone: their arithmetic against exact rationals, their functions against float64, their records against nonsense."""

import hashlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgelstm as el
from edgelstm import reference
from edgelstm.layers.dense_int8 import DenseInt8
from edgelstm.layers.dense_int8_static import DenseInt8Static
from edgelstm.layers.integers import multiplier, tanh_table
from edgelstm.layers.lstm_int8 import LSTMInt8
from edgelstm.layers.lstm_int8_static import LSTMInt8Static
from edgelstm.reference import dense_int8_static as dense_twin
from edgelstm.reference import functions, integers
from edgelstm.reference import lstm_int8_static as lstm_twin

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True)
INT16 = np.arange(-32768, 32768)


def multipliers(*factors):
    pairs = np.array([multiplier(float(f)) for f in factors])
    return pairs[:, 0].astype(np.int32), pairs[:, 1].astype(np.int8)


def lstm_parts(seed=0, inputs=5, hidden=6, weight_scale=0.008, x=(0.02, 7), h=(1 / 127, -3), **fields):
    """Keyword arguments of a record whose gates have weights of all sizes."""
    rng = np.random.default_rng(seed)
    from_x, from_h = (multipliers(*[weight_scale * scale * 4096] * 4) for scale in (x[0], h[0]))
    out = multipliers(2.0**-30 / h[0])
    parts = {
        "weight_ih": rng.integers(-127, 128, (4 * hidden, inputs), np.int8),
        "weight_hh": rng.integers(-127, 128, (4 * hidden, hidden), np.int8),
        "bias": rng.integers(-9000, 9000, 4 * hidden, np.int32),
        **dict(
            zip(("mantissa_ih", "shift_ih", "mantissa_hh", "shift_hh", "mantissa_out", "shift_out"), (*from_x, *from_h, *out), strict=True)
        ),
        "input_scale": [x[0]],
        "input_zero_point": x[1],
        "hidden_scale": [h[0]],
        "hidden_zero_point": h[1],
        "cell_bits": 12,
    }
    return parts | fields


def static_lstm(**fields):
    return LSTMInt8Static(**lstm_parts(**fields))


def static_dense(inputs=6, outputs=3, x=(1 / 127, -3), y=(0.05, 11), **fields):
    rng = np.random.default_rng(1)
    mantissa, shift = multipliers(x[0] * 0.01 / y[0])
    parts = {"weight": rng.integers(-127, 128, (outputs, inputs), np.int8), "bias": rng.integers(-900, 900, outputs, np.int32)}
    parts |= {"mantissa": mantissa, "shift": shift, "input_scale": [x[0]], "input_zero_point": x[1]}
    return DenseInt8Static(**parts | {"output_scale": [y[0]], "output_zero_point": y[1]} | fields)


def test_the_table_is_the_same_everywhere():
    table = tanh_table()
    assert (table.shape, table.dtype) == ((1025,), np.uint16)
    assert hashlib.sha256(table.astype("<u2").tobytes()).hexdigest() == "c9f6a472cd9e507b43d62b53794ce2a7e3b4f86762137139fd6ce041f29cf010"


@pytest.mark.parametrize("bits", range(9, 16))
def test_tanh_is_within_one_step_everywhere(bits):
    found = integers.tanh(INT16, bits)
    assert np.abs(found - 32768 * np.tanh(INT16 / 2.0**bits)).max() <= 1
    assert (np.diff(found) >= 0).all()
    np.testing.assert_array_equal(found[1:], -found[:0:-1])


def test_sigmoid_is_within_one_step_everywhere():
    found = integers.sigmoid(INT16)
    assert np.abs(found - 32768 / (1 + np.exp(-INT16 / 4096))).max() <= 1
    assert (np.diff(found) >= 0).all()
    assert (found.min(), found.max()) == (11, 32757)


@SETTINGS
@given(st.floats(2.0**-40, 2.0**30, exclude_max=True))
def test_a_multiplier_is_its_factor_to_31_bits(factor):
    mantissa, shift = multiplier(factor)
    if mantissa == 0:
        assert factor < 2.0**-31
        return
    assert 1 << 30 <= mantissa < 1 << 31
    assert abs(Fraction(mantissa, 1 << 31) * Fraction(2) ** shift / Fraction(factor) - 1) <= Fraction(1, 1 << 31)


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf"), 2.0**30])
def test_a_factor_that_no_multiplier_has_is_refused(factor):
    with pytest.raises(el.UnsupportedModelError, match="multiplier"):
        multiplier(factor)


def divided(a, b):
    """a / b in whole numbers, rest dropped towards zero, as C divides."""
    return abs(a) // b * (1 if a >= 0 else -1)


def by_the_book(x, mantissa, shift):
    """Gemmlowp's two roundings with Python's integers, after a left shift that saturates."""
    x = max(-(1 << 31), min((1 << 31) - 1, x << max(shift, 0)))
    product = x * mantissa
    high = divided(product + ((1 << 30) if product >= 0 else 1 - (1 << 30)), 1 << 31)
    right = max(-shift, 0)
    rest = high & ((1 << right) - 1)
    return (high >> right) + (rest > (((1 << right) - 1) >> 1) + (high < 0))


@SETTINGS
@given(
    st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=4, max_size=4),
    st.one_of(st.just(0), st.integers(1 << 30, (1 << 31) - 1)),
    st.integers(-31, 30),
)
def test_rescaling_rounds_as_gemmlowp(values, mantissa, shift):
    found = integers.rescaled(np.array(values), np.array([mantissa], np.int32), np.array([shift], np.int8))
    assert found.tolist() == [by_the_book(v, mantissa, shift) for v in values]


def test_groups_of_rows_share_a_multiplier():
    mantissa, shift = multipliers(0.5, 2)
    assert integers.rescaled(np.array([3, -3, 3, -3]), mantissa, shift).tolist() == [2, -1, 6, -6]


@SETTINGS
@given(st.floats(2e-30, 9e29), st.integers(-128, 127))
def test_a_value_of_the_same_scale_enters_unchanged(scale, zero_point):
    scale = np.array([scale], np.float32)
    q = np.arange(-128, 128)
    np.testing.assert_array_equal(integers.quantised(integers.dequantised(q, scale, zero_point), scale, zero_point), q)


def test_any_float_is_quantised_within_int8():
    x = np.array([1e300, -1e300, 3e38, 0.01, -0.01, 0.03])
    assert integers.quantised(x, np.array([0.02], np.float32), 7).tolist() == [127, -128, 127, 7, 7, 9]  # ties go to even


def exact_lstm(layer, x, h, c):
    """The float64 LSTM of the numbers that the integers stand for, without rounding between."""
    from_x, from_h = (
        m.astype(float) / 2**31 * 2.0**s / 4096 for m, s in ((layer.mantissa_ih, layer.shift_ih), (layer.mantissa_hh, layer.shift_hh))
    )
    sums = (layer.weight_ih.astype(int) @ (x - layer.input_zero_point) + layer.bias) * np.repeat(from_x, layer.hidden_size)
    sums += (layer.weight_hh.astype(int) @ (h - layer.hidden_zero_point)) * np.repeat(from_h, layer.hidden_size)
    i, f, g, o = np.split(sums, 4)
    c = functions.sigmoid(f) * c / 2.0**layer.cell_bits + functions.sigmoid(i) * np.tanh(g)
    return functions.sigmoid(o) * np.tanh(c) / layer.hidden_scale[0] + layer.hidden_zero_point, c * 2.0**layer.cell_bits


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_a_step_is_the_float_lstm_rounded(bits, rng):
    layer = static_lstm(cell_bits=bits, weight_scale=0.002)
    for _ in range(300):
        x, h = (rng.integers(-128, 128, n) for n in (5, 6))
        c = rng.integers(-1 << 12, 1 << 12, 6)
        new_h, new_c = lstm_twin.integer_step(layer, x, h, c)
        exact_h, exact_c = exact_lstm(layer, x, h, c)
        # Two roundings of gates to 2**-12 move them by 1.5 * 2**-12; the cell is rounded twice, h once.
        assert np.abs(new_c - np.clip(exact_c, -32768, 32767)).max() <= 1.1 + 2 * 2.0 ** (bits - 12)
        assert np.abs(new_h - np.clip(exact_h, -128, 127)).max() <= 0.5 + 0.1 + 2.0 ** (7 - bits)


def test_extreme_weights_neither_overflow_nor_wrap():
    hidden, inputs = 512, 640
    ones = {"weight_ih": np.full((4 * hidden, inputs), 127, np.int8), "weight_hh": np.full((4 * hidden, hidden), -127, np.int8)}
    layer = static_lstm(hidden=hidden, inputs=inputs, x=(1.0, -128), weight_scale=1.0, bias=np.zeros(4 * hidden, np.int32), **ones)
    high = lstm_twin.gates(layer, np.full(inputs, 127), np.full(hidden, -128))
    low = lstm_twin.gates(layer, np.full(inputs, -128), np.full(hidden, 127))
    assert (high.min(), low.max()) == (32767, -32768)
    c = np.zeros(hidden, np.int64)
    for _ in range(20):
        h, c = lstm_twin.integer_step(layer, np.full(inputs, 127), np.full(hidden, -128), c)
    assert (c == 32767).all()
    assert (h == round(127 * float(functions.sigmoid(8.0) * np.tanh(8))) - 3).all()


def test_the_cell_is_clipped_in_integer_steps(rng):
    layer = static_lstm(cell_clip=100)
    free = replace(layer, cell_clip=None)
    x, h, c = rng.integers(-128, 128, 5), rng.integers(-128, 128, 6), rng.integers(-9000, 9000, 6)
    clipped, unclipped = lstm_twin.integer_step(layer, x, h, c), lstm_twin.integer_step(free, x, h, c)
    assert np.abs(unclipped[1]).max() > 100
    np.testing.assert_array_equal(clipped[1], np.clip(unclipped[1], -100, 100))
    assert (clipped[0] != unclipped[0]).any()


def test_a_multiplier_a_row_is_the_same_as_one_a_gate(rng):
    by_gate = lstm_parts()
    by_row = by_gate | {n: np.repeat(by_gate[n], 6) for n in ("mantissa_ih", "shift_ih", "mantissa_hh", "shift_hh")}
    x, h, c = rng.integers(-128, 128, 5), rng.integers(-128, 128, 6), rng.integers(-9000, 9000, 6)
    for one, other in zip(
        lstm_twin.integer_step(LSTMInt8Static(**by_gate), x, h, c), lstm_twin.integer_step(LSTMInt8Static(**by_row), x, h, c), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_reference_carries_integers_through_a_chain(rng):
    lstm, dense = static_lstm(), static_dense()
    model = el.Model([lstm, dense, el.Softmax()])
    xs = rng.uniform(-2, 2, (20, 5)).astype(np.float32)
    found = reference.run(model, xs)
    h, c = (s.astype(np.int64) for s in lstm_twin.start(lstm))
    assert h.tolist() == [-3] * 6
    for x, y in zip(xs, found, strict=True):
        h, c = lstm_twin.integer_step(lstm, integers.quantised(x, lstm.input_scale, 7), h, c)
        logits = (dense_twin.dense_step(dense, h) - 11) * np.float32(0.05)
        np.testing.assert_allclose(y, functions.softmax(logits), rtol=1e-6)


def test_the_state_may_begin_elsewhere(rng):
    h0, c0 = rng.integers(-128, 128, 6, np.int8), rng.integers(-32768, 32768, 6, np.int16)
    xs = rng.uniform(-2, 2, (9, 5))
    whole = el.Model([static_lstm(h0=h0, c0=c0)])
    state = reference.initial_state(whole)
    np.testing.assert_array_equal(state["lstm_int8_static0"], [h0, c0])
    halves = [reference.run(whole, xs[:4], state), reference.run(whole, xs[4:], state)]
    np.testing.assert_array_equal(np.concatenate(halves), reference.run(whole, xs))
    assert (reference.run(el.Model([static_lstm()]), xs) != reference.run(whole, xs)).any()


def test_all_integer_records_survive_a_file(tmp_path, rng):
    weight = lambda rows, columns: rng.integers(-127, 128, (rows, columns), np.int8)  # noqa: E731
    scale = lambda rows: rng.uniform(0.001, 0.01, rows)  # noqa: E731
    chains = [
        [static_lstm(cell_clip=32767, h0=np.zeros(6, np.int8), c0=np.ones(6, np.int16)), static_dense()],
        [
            LSTMInt8("int8-dynamic", weight(8, 3), weight(8, 2), scale(8), input_scale=[0.01], hidden_scale=[0.005], input_shift=3),
            DenseInt8("int8-weight", weight(2, 2), scale(2)),
        ],
    ]
    for chain in chains:
        model = el.Model(chain)
        el.save(model, tmp_path / "m.elstm")
        loaded = el.load(tmp_path / "m.elstm")
        for mine, theirs in zip(model.layers, loaded.layers, strict=True):
            assert mine.options() == theirs.options()
            for name, array in mine.arrays().items():
                assert (theirs.arrays()[name].dtype, theirs.arrays()[name].tobytes()) == (array.dtype, array.tobytes())


ROWS = np.full(4, 1 << 30, np.int32)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight_ih": np.zeros((24, 5))}, "weight_ih must be int8"),
        ({"weight_ih": np.zeros((20, 5), np.int8)}, "weight_ih must have shape"),
        ({"weight_hh": np.full((24, 6), -128, np.int8)}, "-128"),
        ({"weight_hh": np.zeros((24, 5), np.int8)}, "weight_hh must have shape"),
        ({"bias": np.zeros(24)}, "bias must be int32"),
        ({"bias": np.zeros(20, np.int32)}, "bias must be int32 of shape"),
        ({"mantissa_ih": ROWS - 1}, "mantissa_ih must be 0 or"),
        ({"mantissa_ih": -ROWS}, "mantissa_ih must be 0 or"),
        ({"mantissa_ih": np.full(24, 1 << 30, np.int32)}, "must both hold 4 or 24"),
        ({"mantissa_hh": ROWS[:1], "shift_hh": np.zeros(1, np.int8)}, "must both hold 4 or 24"),
        ({"shift_hh": np.full(4, 31, np.int8)}, "from -31 to 30"),
        ({"shift_out": np.full(1, -32, np.int8)}, "from -31 to 30"),
        ({"input_scale": [0.0]}, "input_scale must lie"),
        ({"hidden_scale": [-1.0]}, "hidden_scale must lie"),
        ({"hidden_scale": [0.1, 0.1]}, "hidden_scale must have shape"),
        ({"input_zero_point": 128}, "whole number from -128 to 127"),
        ({"hidden_zero_point": True}, "whole number"),
        ({"cell_bits": 16}, "cell_bits must be a whole number from 9 to 15"),
        ({"cell_bits": 12.0}, "cell_bits must be a whole number"),
        ({"cell_clip": 0}, "cell_clip must be a whole number from 1"),
        ({"h0": np.zeros(6)}, "h0 must be int8"),
        ({"c0": np.zeros(5, np.int16)}, "c0 must be int16"),
    ],
)
def test_records_that_no_kernel_could_run_are_refused(fields, message):
    with pytest.raises(el.ShapeError, match=message):
        static_lstm(**fields)


def test_sums_beyond_int32_are_refused():
    with pytest.raises(el.UnsupportedModelError, match="beyond int32"):
        static_lstm(bias=np.full(24, (1 << 31) - 1, np.int32))
    with pytest.raises(el.UnsupportedModelError, match="row 2 can sum up to"):
        static_dense(bias=np.array([0, 0, -(1 << 31)], np.int32))
