"""Streams of models that read whole recordings: what they answer, what they refuse, where their rows lie."""

import copy
import pickle

import numpy as np
import pytest
from conftest import TOLERANCE, lstm_layers, samples
from hypothesis import given, settings
from hypothesis import strategies as st

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.layout import lay_out
from edgelstm.compiler.recordings import Recordings
from edgelstm.compiler.targets import host


def tagger(rng, inputs=3, hidden=5, **options):
    """One answer a sample, or one a recording."""
    both = [layer for _ in range(2) for layer in lstm_layers(rng, inputs, hidden, 1, trained_start=True)]
    return el.Model([*el.Bidirectional(*both, inputs=("input",), **options), el.Dense(rng.uniform(-1, 1, (2, 2 * hidden)))])


@pytest.fixture(scope="module")
def model():
    return tagger(np.random.default_rng(5))


@pytest.fixture(scope="module")
def summary():
    return tagger(np.random.default_rng(6), sequences=False)


def test_each_call_is_one_recording(model, rng):
    xs = samples(rng, model, 40)
    stream = el.Stream(model)
    expected = reference.run(model, xs)
    for _ in range(2):
        np.testing.assert_allclose(stream.process(xs), expected, atol=TOLERANCE["f32"])
    assert stream.steps == 40
    stream.warmup()
    np.testing.assert_allclose(stream.process(xs[:7]), reference.run(model, xs[:7]), atol=TOLERANCE["f32"])


def test_copies_answer_alike(model, rng):
    xs = samples(rng, model, 9)
    stream = el.Stream(model, nan_policy="hold")
    expected = stream.process(xs)
    for other in (copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        np.testing.assert_array_equal(other.process(xs), expected)


@pytest.mark.parametrize("call", [lambda s: s.step(np.zeros(3, np.float32)), lambda s: s.step()])
def test_step_is_refused_with_the_way_out(model, call):
    with pytest.raises(el.UsageError, match=r"cannot step: it reads a recording from its end.*process\(xs\)"):
        call(el.Stream(model))


def test_nothing_is_kept_between_recordings(model):
    stream = el.Stream(model)
    for call in (stream.snapshot, lambda: stream.restore(b"")):
        with pytest.raises(el.UsageError, match="keeps nothing from one recording to the next"):
            call()
    with pytest.raises(el.UsageError, match="nan_policy='reset' is for models that step"):
        el.Stream(model, nan_policy="reset")


def test_a_recording_needs_a_sample(model):
    with pytest.raises(el.InputError, match="at least one sample"):
        el.Stream(model).process(np.zeros((0, 3), np.float32))


def test_a_bad_sample_is_named_or_held(model, rng):
    xs = samples(rng, model, 8)
    xs[0, 1] = xs[5, 2] = np.nan
    with pytest.raises(el.InputError, match="channel 1 of sample 0"):
        el.Stream(model).process(xs)
    held = xs.copy()
    held[0, 1], held[5, 2] = 0, xs[4, 2]
    stream = el.Stream(model, nan_policy="hold")
    for _ in range(2):
        np.testing.assert_array_equal(stream.process(xs), el.Stream(model).process(held))


def test_padding_is_not_read_and_answered_by_zeros(model, summary, rng):
    xs = samples(rng, model, 12)
    xs[7:] = np.nan
    stream = el.Stream(model)
    padded = stream.process(xs, length=7)
    np.testing.assert_array_equal(padded[:7], stream.process(xs[:7]))
    assert padded.shape == (12, 2)
    assert not padded[7:].any()
    stream = el.Stream(summary)
    np.testing.assert_array_equal(stream.process(xs, length=7), stream.process(xs[:7]))
    for wrong in (13, -1, 2.5, True):
        with pytest.raises(el.InputError, match="length must be a whole number from 0 to 12"):
            stream.process(xs, length=wrong)


def test_a_recording_of_maps_is_no_batch(rng):
    stream = el.Stream(el.Model([el.MapPool("max", 2, shape=(4, 2)), el.Reverse()]))
    batch = rng.uniform(-1, 1, (3, 10, 4, 2)).astype(np.float32)
    answers = stream.process(batch)
    np.testing.assert_array_equal(stream.process(batch[1]), answers[1])
    np.testing.assert_array_equal(stream.process(batch.reshape(3, 10, 8)), answers)


def test_a_batch_of_recordings(model, summary, rng):
    batch = rng.uniform(-1, 1, (3, 10, 3)).astype(np.float32)
    for each in (model, summary):
        stream = el.Stream(each)
        answers = stream.process(batch, length=[10, 4, 1])
        for xs, length, given_ in zip(batch, (10, 4, 1), answers, strict=True):
            np.testing.assert_array_equal(given_, stream.process(xs, length=length))
    assert stream.process(batch).shape == (3, 1, 2)
    with pytest.raises(el.InputError, match="one number, or 3"):
        stream.process(batch, length=[1, 2])


def test_both_directions_read_the_layer_before_where_nothing_is_said(rng):
    """Twice: the model's input, and what a Dense layer gives, which is as wide."""
    forward, backward = (lstm_layers(rng, 3, 3, 1)[0] for _ in range(2))
    dense = el.Dense(rng.uniform(-1, 1, (3, 6)), name="dense")
    said = [
        *el.Bidirectional(forward, backward, inputs=("input",), name="low"),
        dense,
        *el.Bidirectional(forward, backward, inputs=("dense",), name="high", merge="mul"),
    ]
    unsaid = [*el.Bidirectional(forward, backward, name="low"), dense, *el.Bidirectional(forward, backward, merge="mul", name="high")]
    xs = rng.uniform(-1, 1, (7, 3)).astype(np.float32)
    answers = [reference.run(el.Model(layers), xs) for layers in (said, unsaid)]
    np.testing.assert_array_equal(*answers)
    assert np.ptp(answers[0]) > 1e-3


def test_lengths_of_a_model_that_steps(rng):
    model = el.Model(lstm_layers(rng, 2, 3, 1))
    xs = samples(rng, model, 6)
    stream, other = el.Stream(model), el.Stream(model)
    padded = stream.process(xs, length=4)
    np.testing.assert_array_equal(padded[:4], other.process(xs[:4]))
    assert not padded[4:].any()
    np.testing.assert_array_equal(stream.process(xs), other.process(xs))


def test_the_file_holds_a_whole_recording_as_its_probe(summary, tmp_path, rng):
    path = tmp_path / "model.elstm"
    el.save(summary, path)
    loaded = el.load(path)
    assert loaded.probe.outputs.shape == (1, 2)
    xs = samples(rng, summary, 20)
    np.testing.assert_array_equal(el.Stream(loaded).process(xs), el.Stream(summary).process(xs))
    assert "whole recordings" in repr(loaded)


def test_inputs_of_different_numbers_of_rows_are_refused(rng):
    layer = lstm_layers(rng, 3, 3, 1)[0]
    with pytest.raises(el.ShapeError, match=r"lstm0 \(one at each sample\), last1 \(1\); put a Last, or a Repeat, before it"):
        el.Model([layer, el.Last(), el.Add(inputs=("lstm0", "last1"))])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: el.Last("middle"), "last, first"),
        (lambda: el.Last(["last"], inputs=("a", "b")), "one row for each of 2 inputs"),
        (lambda: el.Mask("x"), "finite number"),
        (lambda: el.Bidirectional(el.Softmax(), el.Softmax(), inputs=("input",)), "two recurrent layers"),
        (
            lambda: el.Bidirectional(*[lstm_layers(np.random.default_rng(0), 2, 2, 1)[0]] * 2, inputs=("input",), merge="max"),
            "merge must be",
        ),
        (lambda: el.LSTM(np.zeros((4, 1)), np.zeros((4, 1)), reverse="yes"), "reverse must be true or false"),
        (lambda: el.LSTM(np.zeros((4, 1)), np.zeros((4, 1)), mask="skip"), "repeat, zero"),
    ],
)
def test_wrong_options_are_refused(make, match):
    with pytest.raises(el.EdgeLSTMError, match=match):
        make()


@st.composite
def stacks(draw):
    """Layers of random widths, each behind some of those before it, read forwards or backwards."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    widths, layers = {"input": draw(st.integers(1, 20))}, []
    for k in range(draw(st.integers(1, 7))):
        names = draw(st.lists(st.sampled_from(sorted(widths)), min_size=1, max_size=3, unique=True)) if k else ["input"]
        names = [f"l{k - 1}", *(n for n in names if n != f"l{k - 1}")] if k else names
        hidden = draw(st.integers(1, 20))
        (layer,) = lstm_layers(rng, sum(widths[n] for n in names), hidden, 1)
        fields = {"name": f"l{k}", "inputs": tuple(names), "reverse": draw(st.booleans())}
        layers.append(el.LSTM(layer.weight_ih, layer.weight_hh, **fields))
        widths[f"l{k}"] = hidden
    if draw(st.booleans()) or not any(layer.reverse for layer in layers):
        layers.append(el.Last(inputs=(f"l{len(layers) - 1}",)))
    return el.Model(layers)


def answer(layout):
    """What the last operation of a layout writes, spelled out: every float as the kernel and the floats that it was made of."""
    memory, made = {}, None
    for op in layout.operations:
        sizes = dict(dict(op.constants).get("constants", op.constants))
        reads, writes = sizes.get("inputs", sizes.get("size")), sizes.get("padded", sizes.get("size"))
        x = tuple(memory.get(cell, "never written") for cell in cells(op.source, reads))
        made = hash((op.kernel, op.weights, op.source.region, x))
        memory.update({cell: hash((made, k)) for k, cell in enumerate(cells(op.target, writes))})
        assert not set(cells(op.source, reads)) & set(cells(op.target, writes)), "an operation reads where it writes"
    return made


def cells(place, count):
    """Where a place's row begins, float by float: in work memory behind those of other places."""
    return [] if place.region == "input" else [(place.region, place.before + place.offset + k) for k in range(count)]


@settings(max_examples=60, deadline=None)
@given(stacks())
def test_rows_make_room_for_others_when_nobody_reads_them_any_more(model):
    shared = lay_out(model, host())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recordings, "release", lambda *_: None)
        apart = lay_out(model, host())
    assert answer(shared) == answer(apart)
    assert shared.work <= apart.work


def test_a_deep_stack_takes_no_more_memory_than_a_shallow_one(rng):
    layers = lstm_layers(rng, 16, 16, 9)
    deep = el.Model([*layers, el.Reverse()])
    shallow = el.Model([*layers[:3], el.Reverse()])
    assert lay_out(deep, host()).work == lay_out(shallow, host()).work
