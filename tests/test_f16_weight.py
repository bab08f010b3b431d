"""Weights in half precision: what the records hold, what quantisation makes and loses, and what code a CPU without a conversion gets."""

from dataclasses import fields, replace

import numpy as np
import pytest
from conftest import lstm_layers, lstm_model
from hypothesis import given
from hypothesis import strategies as st
from kinds import uniform

import edgelstm as el
from edgelstm import building
from edgelstm.compiler import targets
from edgelstm.compiler.lowering import halves, lowered
from edgelstm.compiler.reach import input_limit
from edgelstm.compiler.targets import TARGETS, named
from edgelstm.kernels.simd import bounds
from edgelstm.quantization import schemes
from edgelstm.quantization.choosing import choose

#: Largest change of an answer that is printed for random networks (docs/quantization.md), with room for other draws.
MOST_CHANGE = 3e-4


def network(rng):
    """One layer of each kind."""
    gru = el.GRU(*(uniform(rng, *shape) / 2 for shape in ((60, 24), (60, 20), (60,), (60,))))
    return el.Model([*lstm_layers(rng, 6, 24, 1), gru, el.Dense(uniform(rng, 3, 20), uniform(rng, 3))])


@pytest.fixture(scope="module")
def pair():
    """A float model, the same in half precision, and samples."""
    rng = np.random.default_rng(16)
    model, windows = network(rng), rng.uniform(-1, 1, (4, 120, 6)).astype(np.float32)
    return model, el.quantize(model, windows, "f16-weight"), windows[0]


def test_every_layer_is_converted(pair):
    model, small, _ = pair
    assert [type(layer) for layer in small.layers] == [el.LSTMHalf, el.GRUHalf, el.DenseHalf]
    assert small.scheme == "f16-weight"
    for before, after in zip(model.layers, small.layers, strict=True):
        for name, array in before.arrays().items():
            assert after.arrays()[name].dtype == (np.float16 if array.ndim == 2 else np.float32)
            np.testing.assert_allclose(after.arrays()[name], array, rtol=2.0**-11, atol=2.0**-24)
        assert after.options() == before.options()


@pytest.mark.slow
def test_answers_stay_near_float32(pair):
    model, small, xs = pair
    change = np.abs(el.Stream(small).process(xs) - el.Stream(model).process(xs)).max()
    assert 0 < change <= MOST_CHANGE


def test_a_file_gives_it_back_at_half_the_size(pair, tmp_path):
    model, small, xs = pair
    for each, name in ((model, "f32"), (small, "f16")):
        el.save(each, tmp_path / f"{name}.elstm")
    loaded = el.load(tmp_path / "f16.elstm")
    np.testing.assert_array_equal(el.Stream(loaded).process(xs), el.Stream(small).process(xs))
    held = [sum(array.nbytes for layer in each.layers for array in layer.arrays().values() if array.ndim == 2) for each in (model, loaded)]
    assert held[0] == 2 * held[1]
    assert el.Stream(loaded).program.about().weight_bytes < 0.6 * el.Stream(model).program.about().weight_bytes


def test_windows_do_not_move_it(rng):
    """Nor do channels of different sizes: nothing is rounded that scales would help."""
    model = network(rng)
    windows = rng.uniform(-1, 1, (4, 90, 6)).astype(np.float32)
    small, wild = (el.quantize(model, w, "f16-weight") for w in (windows, windows * [1, 1000, 1, 1, 1, 0.001]))
    for one, other in zip(small.layers, wild.layers, strict=True):
        for name, array in one.arrays().items():
            np.testing.assert_array_equal(array, other.arrays()[name])


@given(st.lists(st.floats(-65504, 65504, width=32), min_size=1, max_size=40))
def test_a_record_holds_the_nearest_numbers_whose_halves_are_exact(weights):
    held = el.DenseHalf([weights]).weight[0].astype(np.float64)
    assert ((held / 2).astype(np.float16) == held / 2).all()
    error = np.abs(held - np.asarray(weights, np.float32))
    assert (error <= np.maximum(2.0**-24, 2.0**-11 * np.abs(weights))).all()
    np.testing.assert_array_equal(el.DenseHalf([held]).weight[0], held)


def test_small_weights_and_those_at_the_end_of_the_range_are_computed_with(rng):
    """Subnormal ones too, which no fast conversion may take for zeros."""
    weight = np.concatenate([rng.uniform(-1, 1, (9, 12)) * 2.0**-15, [[65504.0] * 12], [[2.0**-23] * 12]])
    layer = el.DenseHalf(weight)
    stream = el.Stream(el.Model([layer]))
    xs = rng.uniform(-1, 1, (20, 12)).astype(np.float32)
    wanted = xs.astype(np.float64) @ layer.weight.astype(np.float64).T
    error = np.abs(stream.process(xs) - wanted) / np.abs(layer.weight.astype(np.float64)).max(axis=1)
    assert error.max() <= 2e-6


@pytest.mark.parametrize("record", [el.LSTMHalf, el.GRUHalf])
def test_weights_beyond_half_precision_are_refused_by_name(rng, record):
    gates = len(record.gates)
    weight = uniform(rng, gates * 4, 3)
    weight[2, 1] = 7e4
    with pytest.raises(el.ShapeError, match=r"weight_ih reaches 70000; half precision ends at 65504\. Keep this layer in f32"):
        record(weight, uniform(rng, gates * 4, 4))


def test_quantize_refuses_them_and_names_the_way_out(rng):
    model = network(rng)
    large = replace(model.layers[2], weight=model.layers[2].weight * 1e6)
    model = el.Model([*model.layers[:2], large])
    windows = rng.uniform(-1, 1, (4, 90, 6))
    with pytest.raises(el.UnsupportedModelError, match=r"dense2.*half precision.*--keep dense2"):
        el.quantize(model, windows, "f16-weight")
    small = el.quantize(model, windows, "f16-weight", keep=["dense2"])
    assert [layer.numbers for layer in small.layers] == ["f16-weight", "f16-weight", "f32"]


def test_a_kind_without_it_is_refused_by_name(rng):
    model = el.Model([el.RNN(uniform(rng, 8, 3), uniform(rng, 8, 8) / 4)])
    with pytest.raises(el.UnsupportedModelError, match=r"rnn.*f16-weight has LSTM, GRU and Dense layers alone"):
        el.quantize(model, rng.uniform(-1, 1, (4, 90, 3)), "f16-weight")


def test_a_layer_is_quantised_once(pair):
    with pytest.raises(el.UnsupportedModelError, match=r"lstm0.* is quantised already \(f16-weight\); give the float model"):
        el.quantize(pair[1], [pair[2]], "int8-weight")


def test_the_report_says_what_it_costs(rng):
    choice = choose(lstm_model(rng, 6, 24), rng.uniform(-1, 1, (4, 120, 6)).astype(np.float32), "f16-weight")
    options = [decision.option for decision in choice.decisions.values()]
    assert all(option.scheme == "f16-weight" and 50 < option.alone_db < 120 for option in options)
    assert set(schemes.SCHEMES) >= {"f16-weight"}


def test_which_targets_convert_with_an_instruction():
    without = {name for name, target in TARGETS.items() if not target.halves}
    assert without == {"x86-64-v2", "riscv64", "riscv64-v", "cortex-m3"}
    assert not named("x86-64-v3", features="-f16c").halves


def test_no_library_of_conversions_is_called(rng):
    """Objects for boards would have to find one when they are linked."""
    data = building.build(el.Model([el.DenseHalf(uniform(rng, 5, 7))]), "cortex-m3").data
    assert b"__aeabi_fmul" in data, "the control: what is called can be seen"
    assert b"extendhf" not in data
    assert b"h2f" not in data


def test_both_conversions_give_the_same_bits(pair, tmp_path, monkeypatch):
    """The product moves exponents exactly, those of subnormal numbers too."""
    if named("host").architecture != "x86_64":
        pytest.skip("tried with the libraries of x86-64-v3")
    _, small, xs = pair
    answers = []
    for extends in (True, False):
        with monkeypatch.context() as patch:
            form = bounds.of_halves
            patch.setattr(bounds, "of_halves", lambda n, _, form=form, extends=extends: form(n, extends))
            building.build(small, "x86-64-v3").write(tmp_path / f"{extends}.so")
        answers.append(el.Stream(tmp_path / f"{extends}.so").process(xs))
    assert (tmp_path / "True.so").read_bytes() != (tmp_path / "False.so").read_bytes()
    np.testing.assert_array_equal(*answers)


def test_woven_rows_hold_every_number_below_two():
    """Parted as two instructions part them: bytes that begin at any bit of two words, and bits that are kept."""
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    rows = every[np.isfinite(every) & (np.abs(every) < 2)].reshape(4, -1)
    words = halves.woven(rows).view("<u8")  # (4, half a row): as many floats as words of a pair and the next
    of_pairs = words.reshape(2, -1)
    for row, first_bits in enumerate([(0, 8, 16, 24), (0, -5, 4, 28)]):
        starts = [(bit + 32 * word) % 64 for word in range(2) for bit in first_bits]
        parts = [((of_pairs >> s) | (of_pairs << (64 - s) % 64 if s else 0)) & 0xFF for s in map(np.uint64, starts)]
        found = np.stack(parts, axis=-1).astype(np.uint8).view("<u4") & 0x87FFE000
        np.testing.assert_array_equal(found.view(np.float32).reshape(2, -1) * np.float32(2.0**112), rows[row::2].astype(np.float32))


@pytest.mark.slow
def test_woven_rows_give_the_same_bits(pair, rng, tmp_path, monkeypatch):
    """Rows that no four divide, a wide Dense layer with a narrower tile, weights that pairs cannot hold, a GRU before its product."""
    if "avx512vbmi" not in targets.cpuinfo().get("flags", "").split():
        pytest.skip("this CPU has no AVX-512 VBMI")
    wide = el.Dense(uniform(rng, 37, 30), uniform(rng, 37))
    first = el.GRU(*(uniform(rng, *shape) / 2 for shape in ((90, 7), (90, 30), (90,), (90,))), reset_after=False)
    large = replace(wide, weight=np.where(wide.weight > 0.9, 3, wide.weight))
    floats = [el.Model([*lstm_layers(rng, 7, 33, 1), el.Dense(uniform(rng, 7, 33)), first, last]) for last in (wide, large)]
    xs = rng.uniform(-1, 1, (9, 7)).astype(np.float32) * np.float32(2) ** rng.integers(-20, 20, (9, 1))
    small = [el.quantize(model, xs.repeat(20, axis=0), "f16-weight") for model in floats]
    for model, samples in ((pair[1], pair[2]), *((each, xs) for each in small)):
        answers, sizes = [], []
        for number, weaving in enumerate(((), ("x86-64-v4",))):
            monkeypatch.setattr(targets, "WEAVING", weaving)
            built = building.build(model, named("x86-64-v4", features="+avx512vbmi"))
            built.write(tmp_path / f"{number}.so")
            sizes.append(built.data.count(bytes.fromhex("87ffe000")[::-1]))
            answers.append(el.Stream(tmp_path / f"{number}.so").process(samples))
        assert sizes[0] == 0 < sizes[1], "the control: rows are woven for the second alone"
        np.testing.assert_array_equal(*answers)


def test_where_conversion_loses_small_layers_are_held_in_float32(rng, monkeypatch):
    """With the numbers of half precision, by the code of float32; larger ones are not, nor are any on another CPU."""
    monkeypatch.setattr(targets, "WIDENING", ("cortex-a72",))
    most = el.DenseHalf(uniform(rng, 64, 128))
    larger = el.DenseHalf(uniform(rng, 64, 129))
    same = el.Dense(most.weight.astype(np.float32), most.bias)
    held, floats = (lowered(layer, [128], named("rpi4")) for layer in (most, same))
    assert held.constants == floats.constants
    np.testing.assert_array_equal(held.weights, floats.weights)
    assert lowered(larger, [129], named("rpi4")).constants["halves"] == lowered(most, [128], named("rpi5")).constants["halves"] == 1
    lstm = el.quantize(lstm_model(rng, 6, 24), rng.uniform(-1, 1, (4, 90, 6)), "f16-weight").layers[0]
    assert isinstance(lstm, el.LSTMHalf)
    assert lowered(lstm, [6], named("rpi4")).weights.size > 1.5 * lowered(lstm, [6], named("rpi5")).weights.size


def test_on_this_machine_they_answer_the_same(pair, monkeypatch):
    _, small, xs = pair
    plain = el.Stream(small)
    monkeypatch.setattr(targets, "WIDENING", (named("host").cpu,))
    wide = el.Stream(el.Model(small.layers))  # a model is planned once
    np.testing.assert_allclose(wide.process(xs), plain.process(xs), rtol=0, atol=1e-6)
    assert wide.program.about().weight_bytes > 1.7 * plain.program.about().weight_bytes


def test_inputs_have_room_to_be_multiplied(pair):
    """Woven rows multiply inputs, which may not overflow; what they answer is no larger for that."""
    deep = el.Model([el.DenseHalf(np.full((4, 4), 0.25)) for _ in range(5)])
    assert 2.0**64 <= input_limit(deep) <= 2.0**71
    assert input_limit(pair[1]) * 2.0**56 <= float(np.finfo(np.float32).max) < input_limit(pair[0]) * 2.0**56


def test_records_take_the_fields_of_their_float_kind():
    for half, whole in ((el.LSTMHalf, el.LSTM), (el.GRUHalf, el.GRU), (el.DenseHalf, el.Dense)):
        assert [f.name for f in fields(half)] == [f.name for f in fields(whole)]
        assert half.float_kind == whole.kind


def test_fewer_rows_than_are_woven_are_packed():
    """A Dense layer has no rows of h: none are as good as packed."""
    for rows in range(4):
        matrix = np.full((rows, 12), 0.5)
        np.testing.assert_array_equal(halves.woven(matrix), halves.packed(matrix))
