"""Answers that are not due at every step: when they are, by every way to step, and what is told of it."""

import ctypes
import json
import struct
import zlib

import numpy as np
import pytest
from cli_calls import call
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import model_of, uniform

import edgelstm as el
from edgelstm import device, reference
from edgelstm.layers.wire import Wire
from edgelstm.runners import Samples
from edgelstm.runners import run as run_source
from edgelstm.runtime import native_call, rates


def network():
    """An answer at every sixth step, the first at step 8: (stride 2, first 4) behind (stride 3, first 2)."""
    rng = np.random.default_rng(7)
    return el.Model(
        [
            el.Conv1D(uniform(rng, 8, 3, 4), uniform(rng, 8), stride=2, padding="valid", name="conv"),
            el.MaxPool1D(3, name="pool"),
            el.LSTM(uniform(rng, 20, 8), uniform(rng, 20, 5), uniform(rng, 20), name="lstm"),
        ]
    )


MODEL = network()
XS = np.random.default_rng(8).uniform(-1, 1, (60, 3)).astype(np.float32)
EVERY, FIRST = 6, 8
DUE = list(range(FIRST - 1, len(XS), EVERY))


@pytest.fixture(scope="module")
def whole():
    return el.Stream(MODEL).process(XS)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("rates") / "model.so"
    el.build(MODEL).write(path)
    return path


def test_a_wire_says_when_values_are_due():
    assert MODEL.output_wire == Wire((5,), EVERY, FIRST)
    assert [MODEL.wire_of(name).when for name in ("input", "conv", "pool")] == [
        "every step",
        "every 2 steps from step 4 on",
        "every 6 steps from step 8 on",
    ]


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 60))
def test_due_counts_steps(every, first, taken):
    assert rates.due(taken, every, first) == sum(step >= first and (step - first) % every == 0 for step in range(1, taken + 1))
    assert rates.step_of(rates.due(taken, every, first), every, first) + 1 > taken


def test_the_twin_counts_for_itself(whole):
    """The oracle knows no rates: its layers say when they have nothing to say."""
    expected = reference.run(MODEL, XS)
    assert len(expected) == len(DUE)
    assert np.abs(whole - expected).max() < 1e-6


def test_a_step_gives_none_where_no_answer_is_due(whole):
    stream = el.Stream(MODEL)
    found = [None if (y := stream.step(x)) is None else y.copy() for x in XS]
    assert [t for t, y in enumerate(found) if y is not None] == DUE
    np.testing.assert_array_equal([found[t] for t in DUE], whole)


def test_the_careful_step_does_as_the_fast_one(whole, monkeypatch):
    monkeypatch.setattr(native_call, "usable", lambda: False)
    stream = el.Stream(MODEL)
    found = [None if (y := stream.step(x)) is None else y.copy() for x in XS.tolist()]
    np.testing.assert_array_equal([found[t] for t in DUE], whole)
    assert sum(y is None for y in found) == len(XS) - len(DUE)


def test_the_counts_of_none_and_of_the_answer_are_kept():
    """A builtin that gave None away too often would end the interpreter."""
    import sys

    stream = el.Stream(MODEL)
    before = sys.getrefcount(None)
    for _ in range(200):
        for x in XS:
            stream.step(x)
    assert abs(sys.getrefcount(None) - before) < 100


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, len(XS)), max_size=6), st.integers(0, len(XS)))
def test_any_cut_and_a_snapshot_at_any_step_give_the_same_bits(cuts, at):
    stream, other = el.Stream(MODEL), el.Stream(MODEL)
    pieces = [stream.process(piece) for piece in np.split(XS, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(pieces), el.Stream(MODEL).process(XS))
    other.process(XS[:at])
    blob = other.snapshot()
    expected = other.process(XS[at:])
    stream.restore(blob)
    np.testing.assert_array_equal(stream.process(XS[at:]), expected)


def forged(blob, taken):
    """The snapshot with another number of steps taken, and the checksum that belongs to it."""
    words = bytearray(blob)
    struct.pack_into("<q", words, 48, taken)
    struct.pack_into("<I", words, len(words) - 4, zlib.crc32(words[:-4]))
    return bytes(words)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, (1 << 62) - 1))
def test_no_forged_step_counter_leads_out_of_memory(taken):
    """Whatever the counter says, as many answers are written as are announced, and nothing beside them."""
    stream = el.Stream(MODEL)
    stream.restore(forged(stream.snapshot(), taken))
    arena = stream._arena
    due = arena.due(30)
    guarded = np.full((40, 5), 777, np.float32)
    arena.run(XS[:30], guarded[5:35], checked=True)
    assert (guarded != 777).all(axis=1).nonzero()[0].tolist() == list(range(5, 5 + due))
    assert np.isfinite(stream.process(XS)).all()


@pytest.mark.parametrize("taken", [-1, -(1 << 63), 1 << 62, (1 << 63) - 1])
def test_a_step_counter_that_cannot_be_is_refused(taken, library):
    for stream in (el.Stream(MODEL), el.Stream(library), device.Stream(library)):
        blob = stream.snapshot()
        with pytest.raises(el.StateError):
            stream.restore(forged(blob, taken))
        assert stream.snapshot() == blob


def test_a_built_library_equals_the_stream(library, whole):
    assert el.Stream(library).first == FIRST
    np.testing.assert_array_equal(el.Stream(library).process(XS), whole)
    small = device.Stream(library)
    assert (small.every, small.first) == (EVERY, FIRST)
    found = [None if (y := small.step(x.tolist())) is None else list(y) for x in XS]
    assert [t for t, y in enumerate(found) if y is not None] == DUE
    np.testing.assert_array_equal([found[t] for t in DUE], whole)
    small.reset()
    np.testing.assert_array_equal(small.process(XS[:21]), whole[:3])
    answers = np.zeros((small.due(39), 5), np.float32)
    small.process(XS[21:], answers)
    np.testing.assert_array_equal(answers, whole[3:])
    with pytest.raises(el.InputError, match=r"\(1, 5\)"):
        small.process(XS[:6], np.zeros((6, 5), np.float32))


def test_c_has_a_code_and_a_count_for_it(library, whole):
    c = ctypes.CDLL(str(library))
    c.edgelstm_arena_bytes.restype = c.edgelstm_due.restype = c.edgelstm_process.restype = ctypes.c_size_t
    memory = np.zeros(c.edgelstm_arena_bytes() + 64, np.uint8)
    arena = ctypes.c_void_p(memory.ctypes.data + -memory.ctypes.data % 64)
    c.edgelstm_init(arena)
    assert [c.edgelstm_due(arena, ctypes.c_size_t(n)) for n in (0, 7, 8, 13, 14)] == [0, 0, 1, 1, 2]
    y = np.full(5, 777, np.float32)
    for t, x in enumerate(XS):
        before = y.copy()
        done = c.edgelstm_step(arena, ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
        assert done == (0 if t in DUE else 2)
        np.testing.assert_array_equal(y, whole[DUE.index(t)] if t in DUE else before)
    bad = np.full(3, np.nan, np.float32)
    assert c.edgelstm_step(arena, ctypes.c_void_p(bad.ctypes.data), ctypes.c_void_p(y.ctypes.data)) == 1
    header = el.build(MODEL, "cortex-m4f").header
    assert "#define EDGELSTM_EVERY 6" in header
    assert "#define EDGELSTM_FIRST 8" in header


def test_the_model_file_gives_the_rates_back(tmp_path, whole):
    el.save(MODEL, tmp_path / "model.elstm")
    loaded = el.load(tmp_path / "model.elstm")
    assert loaded.output_wire == MODEL.output_wire
    assert len(loaded.probe.outputs) == loaded.output_wire.due(len(loaded.probe.inputs)) > 1
    np.testing.assert_array_equal(el.Stream(loaded).process(XS), whole)


def test_a_reset_within_a_block_begins_to_count_anew():
    xs = XS.copy()
    xs[20, 1] = np.nan
    stream, stepped = el.Stream(MODEL, nan_policy="reset"), el.Stream(MODEL, nan_policy="reset")
    expected = np.concatenate([el.Stream(MODEL).process(XS[:20]), el.Stream(MODEL).process(XS[21:])])
    np.testing.assert_array_equal(stream.process(xs), expected)
    np.testing.assert_array_equal([y.copy() for x in xs if (y := stepped.step(x)) is not None], expected)


def test_layers_that_join_different_rates_are_refused_by_name():
    rng = np.random.default_rng(0)
    conv = el.Conv1D(uniform(rng, 3, 3, 2), stride=2, name="slow")
    with pytest.raises(el.UnsupportedModelError, match=r"add 'sum' joins .*input every step; slow every 2 steps"):
        el.Model([conv, el.Add(name="sum", inputs=("input", "slow"))])
    dense = el.Dense(uniform(rng, 2, 6), name="head", inputs=("slow", "input"))
    with pytest.raises(el.UnsupportedModelError, match=r"dense 'head' joins"):
        el.Model([conv, dense])


def test_a_probe_has_the_answers_that_are_due():
    with pytest.raises(el.ShapeError, match=r"outputs \(answers, 5\), one every 6 steps from step 8 on"):
        el.Model(MODEL.layers, probe=el.Probe(XS, np.zeros((60, 5)), "test"))


def test_a_runner_writes_the_answers_that_are_due(whole):
    written, beside = [], []

    class Sink:
        def write(self, answers, kept=()):
            written.extend(answers.copy())
            beside.extend(kept)

    lines = range(1, len(XS) + 1)
    run_source(el.Stream(MODEL), [Samples(XS, lines, [[line] for line in lines])], Sink())
    np.testing.assert_array_equal(written, whole)
    assert beside == [[t + 1] for t in DUE]


def test_verify_compares_the_answers_that_are_due(whole):
    assert el.verify(MODEL, XS, whole).passed
    assert el.verify(MODEL, [XS, XS[:30]], [whole[-1], whole[3]]).passed
    wrong = whole.copy()
    wrong[2, 3] += 1
    assert el.verify(MODEL, XS, wrong).first_beyond == (0, DUE[2])
    with pytest.raises(el.InputError, match="first answer, which is due at step 8"):
        el.verify(MODEL, XS[:5], whole[:1])


def test_describe_tells_delays_and_receptive_fields(tmp_path):
    """As continual-inference counts them: a window of 4, then 3 of every second, then all that came before."""
    el.save(MODEL, tmp_path / "model.elstm")
    told = json.loads(call("describe", tmp_path / "model.elstm", "--json").output)
    found = [(layer["every"], layer["delay"], layer["receptive_field"]) for layer in told["layers"]]
    assert found == [(2, 3, 4), (6, 7, 8), (6, 7, 0)]
    printed = call("describe", tmp_path / "model.elstm").output
    assert "every 6 steps, the first at step 8" in printed
    assert "sees" in printed


def test_a_map_is_taken_in_its_shape(tmp_path):
    """As an array of its shape, flat, or as nested lists; by streams of every sort, fast and careful, with the same bits."""
    model = model_of("conv_lstm")
    xs = np.random.default_rng(0).uniform(-1, 1, (6, *model.input_shape)).astype(np.float32)
    stream = el.Stream(model)
    whole = stream.process(xs)
    assert stream.input.shape == stream.input_shape == model.input_shape == (4, 5, 2)
    np.testing.assert_array_equal(el.Stream(model).process(xs.reshape(6, -1)), whole)
    for form in (lambda x: x, np.ndarray.tolist, np.ravel, np.asfortranarray, lambda x: x.astype(np.float64)):
        stream.reset()
        np.testing.assert_array_equal([stream.step(form(x)).copy() for x in xs], whole)
    with pytest.raises(el.InputError, match=r"a sample has shape \(4, 5, 2\); got \(5, 4, 2\)"):
        stream.step(xs[0].transpose(1, 0, 2))
    el.build(model).write(tmp_path / "model.so")
    library, small = el.Stream(tmp_path / "model.so"), device.Stream(tmp_path / "model.so")
    np.testing.assert_array_equal(library.process(xs), whole)
    assert (library.input_shape, small.input.shape) == ((4, 5, 2), (4, 5, 2))
    np.testing.assert_array_equal([list(small.step(x)) for x in xs], whole)
