"""Short blocks, which native code takes from array to array, against the careful way, which takes all others."""

import copy
import pickle

import numpy as np
import pytest
from conftest import lstm_model, samples

import edgelstm as el
from edgelstm.runtime.arena import Arena

WIDE, NARROW = (lstm_model(np.random.default_rng(size), size, 20, 2) for size in (6, 1))
XS, MONO = (samples(np.random.default_rng(2), model, 40) for model in (WIDE, NARROW))


@pytest.fixture
def careful(monkeypatch):
    """Counts the blocks that the careful way takes."""
    taken, process = [], Arena.process

    def counted(self, rows, answers, *, counted):
        taken.append(len(rows))
        return process(self, rows, answers, counted=counted)

    monkeypatch.setattr(Arena, "process", counted)
    return taken


def both(model, xs, policy="raise"):
    """Answers and streams of native code and of the careful way."""
    streams = [el.Stream(model, nan_policy=policy) for _ in range(2)]
    streams[1]._blocks = None
    return [stream.process(xs) for stream in streams], streams


@pytest.mark.parametrize(
    ("model", "xs"),
    [(WIDE, XS), (WIDE, XS[:1]), (WIDE, XS[:0]), (WIDE, XS[::1, :]), (NARROW, MONO), (NARROW, MONO[:, 0].copy()), (NARROW, MONO[:0, 0])],
    ids=["a block", "one", "none", "a slice", "one input", "no axis", "no axis and none"],
)
def test_native_code_gives_what_the_careful_way_gives(careful, model, xs):
    (native, slow), (one, other) = both(model, xs)
    assert careful == [len(xs)]
    assert native.shape == slow.shape == (len(xs), 2)
    assert native.dtype == np.float32
    np.testing.assert_array_equal(native, slow)
    assert one.snapshot() == other.snapshot()
    assert one.steps == len(xs)


@pytest.mark.parametrize(
    "given",
    [XS.astype(np.float64), XS.tolist(), XS[::2], XS.T.copy().T, XS.astype(">f4"), np.ma.array(XS), XS.view(np.recarray)],
    ids=["float64", "lists", "strided", "Fortran", "big-endian", "masked", "a subclass"],
)
def test_other_arrays_are_taken_with_care(careful, given):
    (answers, expected), _ = both(WIDE, given)
    assert len(careful) == 2
    np.testing.assert_array_equal(answers, expected)


@pytest.mark.parametrize("shape", [(6,), (3, 7), (7, 6, 1), (1, 3, 6), ()])
def test_other_shapes_are_refused(shape):
    stream = el.Stream(WIDE)
    before = stream.snapshot()
    with pytest.raises(el.InputError, match="samples have shape"):
        stream.process(np.zeros(shape, np.float32))
    assert stream.snapshot() == before


@pytest.mark.parametrize("policy", ["raise", "hold", "reset", "propagate"])
def test_bad_values_are_left_to_the_policy(policy):
    xs = XS.copy()
    xs[7, 3], xs[8, 0] = np.nan, 1e30
    if policy != "raise":
        (native, slow), (one, other) = both(WIDE, xs, policy)
        np.testing.assert_array_equal(native, slow)
        assert (one.bad_inputs, one.steps) == (other.bad_inputs, other.steps)
        return
    stream = el.Stream(WIDE)
    with pytest.raises(el.InputError, match="channel 3 of sample 7"):
        stream.process(xs)
    assert stream.steps == 0


@pytest.mark.parametrize("xs", [XS, XS[:, :0].copy()], ids=["samples", "samples of nothing"])
def test_a_step_of_two_arguments_is_none(xs):
    stream, answers = el.Stream(WIDE), np.zeros((40, 2), np.float32)
    with pytest.raises(el.UsageError, match="got 2 arguments"):
        stream.step(xs, answers)
    assert not answers.any()
    assert stream.steps == 0


def test_long_blocks_let_other_threads_run(careful):
    stream = el.Stream(WIDE)
    most = stream._arena.brief
    stream.process(np.zeros((most, 6), np.float32))
    assert not careful
    stream.process(np.zeros((most + 1, 6), np.float32))
    assert careful == [most + 1]


def test_copies_step_their_own_state(careful):
    stream = el.Stream(WIDE)
    stream.process(XS[:20])
    copies = [copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    expected = stream.process(XS[20:])
    for one in copies:
        np.testing.assert_array_equal(one.process(XS[20:]), expected)
    assert not careful


def test_answers_belong_to_whoever_asked():
    stream = el.Stream(WIDE)
    first = stream.process(XS[:20])
    kept = first.copy()
    stream.process(XS[20:])
    np.testing.assert_array_equal(first, kept)


def test_models_that_answer_seldom_have_no_such_way(careful):
    rng = np.random.default_rng(3)
    conv = el.Conv1D(rng.normal(size=(4, 6, 3)).astype(np.float32), np.zeros(4, np.float32), stride=2)
    stream = el.Stream(el.Model([conv]))
    stream.process(XS)
    assert careful == [40]
