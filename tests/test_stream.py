"""The laws of a stream's state, and what it says to wrong input."""

import subprocess
import sys
from itertools import pairwise
from threading import Thread

import numpy as np
import pytest
from conftest import lstm_layers, lstm_model, samples
from hypothesis import given, settings
from hypothesis import strategies as st

import edgelstm as el
from edgelstm.runtime import native_call, snapshot

MODEL = lstm_model(np.random.default_rng(1), 6, 20, 2)
XS = samples(np.random.default_rng(2), MODEL, 80)


@pytest.fixture(scope="module")
def whole():
    return el.Stream(MODEL).process(XS)


@pytest.fixture(params=["native", "ctypes"])
def stream(request, monkeypatch):
    """A stream whose step is the builtin, and one that goes through ctypes."""
    if request.param == "ctypes":
        monkeypatch.setattr(native_call, "usable", lambda: False)
    made = el.Stream(MODEL)
    assert (type(made.step).__name__ == "builtin_function_or_method") == (request.param == "native")
    return made


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 80), max_size=8), st.data())
def test_any_cut_gives_the_same_bits(cuts, data):
    expected = el.Stream(MODEL).process(XS)
    stream = el.Stream(MODEL)
    edges = [0, *sorted(cuts), 80]
    for start, end in pairwise(edges):
        if data.draw(st.booleans()):
            answers = stream.process(XS[start:end])
        else:
            answers = np.array([stream.step(x).copy() for x in XS[start:end]], np.float32).reshape(-1, 2)
        np.testing.assert_array_equal(answers, expected[start:end])
    assert stream.steps == 80


def test_every_way_of_giving_a_sample(stream, whole):
    forms = [
        lambda x: x,
        lambda x: x.tolist(),
        lambda x: tuple(x.tolist()),
        lambda x: x.astype(np.float64),
        lambda x: np.stack([x, x], axis=1)[:, 0],  # strided
        lambda x: np.concatenate([[np.float32(0)], x])[1:],
    ]
    for t, x in enumerate(XS):
        np.testing.assert_array_equal(stream.step(forms[t % len(forms)](x)), whole[t])
    stream.reset()
    for t, x in enumerate(XS):
        stream.input[:] = x
        np.testing.assert_array_equal(stream.step(), whole[t])


def test_one_input_takes_bare_numbers(rng):
    model = lstm_model(rng, 1, 4)
    xs = samples(rng, model, 5)
    expected = el.Stream(model).process(xs)
    np.testing.assert_array_equal(el.Stream(model).process(xs[:, 0]), expected)
    stream = el.Stream(model)
    for t, x in enumerate(xs[:, 0]):
        np.testing.assert_array_equal(stream.step(float(x) if t % 2 else x), expected[t])


def test_step_returns_a_view_of_the_stream(stream):
    first = stream.step(XS[0])
    kept = first.copy()
    assert stream.step(XS[1]) is first
    assert (first != kept).any()
    assert (first.shape, first.dtype) == ((2,), np.float32)


def test_reset_replays_exactly(stream, whole):
    stream.process(XS[:33])
    stream.reset()
    assert stream.steps == 0
    np.testing.assert_array_equal(stream.process(XS), whole)


def test_reset_goes_back_to_the_trained_initial_state(rng):
    model = lstm_model(rng, 3, 5, trained_start=True)
    stream = el.Stream(model)
    first = stream.step([0, 0, 0]).copy()
    stream.process(samples(rng, model, 7))
    stream.reset()
    np.testing.assert_array_equal(stream.step([0, 0, 0]), first)


def test_inputs_are_never_written(stream):
    xs = XS.copy()
    xs.flags.writeable = False
    stream.process(xs)
    stream.step(xs[0])
    np.testing.assert_array_equal(xs, XS)


def test_interleaved_streams_do_not_touch(whole):
    one, other = el.Stream(MODEL), el.Stream(MODEL)
    assert one.plan is other.plan
    for t in range(40):
        np.testing.assert_array_equal(one.step(XS[t]), whole[t])
        other.step(-XS[t])
    other.reset()
    np.testing.assert_array_equal(other.process(XS), whole)


def test_streams_in_threads(whole):
    answers = {}

    def run(name):
        answers[name] = el.Stream(MODEL).process(np.tile(XS, (20, 1)))[:80]

    threads = [Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers.values():
        np.testing.assert_array_equal(answer, whole)


def test_snapshot_and_restore(stream, whole):
    stream.process(XS[:31])
    blob = stream.snapshot()
    np.testing.assert_array_equal(stream.process(XS[31:]), whole[31:])
    stream.restore(blob)
    assert stream.steps == 31
    np.testing.assert_array_equal(stream.process(XS[31:]), whole[31:])


def test_snapshot_restores_in_another_process(tmp_path, whole):
    stream = el.Stream(MODEL)
    stream.process(XS[:31])
    el.save(MODEL, tmp_path / "model.elstm")
    (tmp_path / "state").write_bytes(stream.snapshot())
    np.save(tmp_path / "xs.npy", XS[31:])
    code = (
        "import sys, numpy as np, edgelstm as el\n"
        "folder = sys.argv[1]\n"
        "stream = el.Stream(el.load(folder + '/model.elstm'))\n"
        "stream.restore(open(folder + '/state', 'rb').read())\n"
        "np.save(folder + '/ys.npy', stream.process(np.load(folder + '/xs.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "ys.npy"), whole[31:])


def test_snapshot_of_another_model_is_refused(rng, stream):
    stream.process(XS[:5])
    before = stream.snapshot()
    with pytest.raises(el.StateError, match="another model"):
        stream.restore(el.Stream(lstm_model(rng, 6, 20, 2)).snapshot())
    assert stream.snapshot() == before


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_snapshots_are_refused_and_leave_the_state(data):
    stream = el.Stream(MODEL)
    stream.process(XS[:5])
    blob = stream.snapshot()
    damaged = bytearray(blob)
    if data.draw(st.booleans()):
        damaged[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del damaged[data.draw(st.integers(0, len(blob) - 1)) :]
    with pytest.raises(el.StateError):
        stream.restore(bytes(damaged))
    assert stream.snapshot() == blob


@pytest.mark.parametrize("policy", ["raise", "hold"])
def test_a_crafted_snapshot_reaches_nothing(rng, policy):
    """Right digest, right checksum, and a last sample or a turn that no step can have left."""
    table = el.Embedding(rng.normal(size=(7, 8)))
    model = el.Model([table, *lstm_layers(rng, 8, 70, 1)])
    stream = el.Stream(model, nan_policy=policy)
    stream.process([1, 2, 3])
    state = stream._arena.state.copy()
    for bad in (7.0, -1.0, 1e9, 2.5):
        crafted = state.copy()
        crafted[64:68].view(np.float32)[0] = bad  # the sample read last
        with pytest.raises(el.StateError, match="sample"):
            stream.restore(snapshot.pack(crafted, stream._digest))
    crafted = state.copy()
    turn = np.flatnonzero(crafted[128:].view(np.float32) == 1)  # after three steps
    assert turn.size == 1
    crafted[128:].view(np.float32)[turn] = 1e38
    stream.restore(snapshot.pack(crafted, stream._digest))
    assert np.isfinite(stream.process([1, 2, 3])).all()


def test_what_is_no_snapshot_is_refused(stream):
    for wrong in (b"", "text", None, 7, b"ELSTMSNP"):
        with pytest.raises(el.StateError):
            stream.restore(wrong)


def test_warmup_leaves_no_trace(stream, whole):
    stream.process(XS[:9])
    before = stream.snapshot()
    stream.warmup()
    assert stream.snapshot() == before
    np.testing.assert_array_equal(stream.process(XS[9:]), whole[9:])


WRONG = [
    ([1, 2], "shape"),
    (np.zeros((2, 6)), r"process\(\)"),
    ("abcdef", "numbers"),
    (None, "numbers"),
    ([1, 2, 3, 4, 5, "x"], "numbers"),
    (np.zeros(6, complex), "numbers"),
    ([[1], [2, 3]], "numbers"),
    (np.full(6, np.nan, np.float32), "channel 0 is nan"),
    ([0, 0, np.inf, 0, 0, 0], "channel 2 is inf"),
    (np.array([0, 0, 0, 0, 0, 1e38], np.float32), "channel 5 is 1e.38, beyond"),
    ([0, 0, 0, 0, 1e300, 0], "channel 4 is inf"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[m for _, m in WRONG])
def test_wrong_samples_are_refused_and_leave_the_state(stream, wrong, message):
    stream.process(XS[:5])
    before, answer = stream.snapshot(), stream.step(XS[5]).copy()
    stream.restore(before)
    with pytest.raises(el.InputError, match=message):
        stream.step(wrong)
    assert stream.snapshot() == before
    np.testing.assert_array_equal(stream.step(XS[5]), answer)


def test_a_sample_by_keyword_is_refused_in_the_streams_name():
    with pytest.raises(TypeError, match=r"^Stream\.step\(\) takes no keyword"):
        el.Stream(MODEL).step(x=XS[0])


def test_wrong_number_of_arguments(stream):
    with pytest.raises(el.UsageError, match="got 2"):
        stream.step(XS[0], XS[1])


def test_process_refuses_a_block_whole(stream):
    block = XS.copy()
    block[50, 3] = np.nan
    before = stream.snapshot()
    with pytest.raises(el.InputError, match="channel 3 of sample 50 is nan"):
        stream.process(block)
    assert stream.snapshot() == before
    for wrong in (XS[:, :5], XS[0], [["a"] * 6], np.zeros((2, 3, 6))):
        with pytest.raises(el.InputError):
            stream.process(wrong)


def test_empty_blocks(stream):
    assert stream.process(np.zeros((0, 6))).shape == (0, 2)
    assert stream.process([]).shape == (0, 2)
    assert stream.steps == 0


def test_wrong_construction(tmp_path):
    with pytest.raises(el.LibraryError, match="No such file"):
        el.Stream(tmp_path / "model.elstm")
    el.save(MODEL, tmp_path / "model.elstm")
    with pytest.raises(el.UsageError, match="load"):
        el.Stream(tmp_path / "model.elstm")
    with pytest.raises(el.UsageError, match="propagate"):
        el.Stream(MODEL, nan_policy="ignore")


def test_step_explains_itself():
    assert "(6,)" not in el.Stream(MODEL).step.__doc__
    assert "valid until the next step" in el.Stream(MODEL).step.__doc__
