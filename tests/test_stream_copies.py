"""Copies and pickles of streams and models: independent, in the same state, and freed with their last name."""

import copy
import gc
import multiprocessing
import pickle
import weakref
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model, samples
from library_models import MODELS, built, model_of, samples_of

import edgelstm as el
from edgelstm import device
from edgelstm.runtime import native_call

MODEL = lstm_model(np.random.default_rng(1), 6, 20, 2, names=tuple("abcdef"))
XS = samples(np.random.default_rng(2), MODEL, 40)
HOLED = np.where(np.arange(40)[:, None] % 7 == 3, np.float32(np.nan), XS)
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def sent(protocol):
    return lambda stream: pickle.loads(pickle.dumps(stream, protocol))


WAYS = {"copy": copy.copy, "deepcopy": copy.deepcopy, **{f"pickle {protocol}": sent(protocol) for protocol in PROTOCOLS}}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("copies") / "a.so"
    el.build(MODEL).write(path)
    return path


@pytest.fixture(params=["native", "ctypes"])
def call(request, monkeypatch):
    if request.param == "ctypes":
        monkeypatch.setattr(native_call, "usable", lambda: False)


def answers(stream, xs):
    return np.array([np.array(stream.step(x)) for x in xs])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", ["model", "library", "device"])
def test_a_copy_goes_on_from_the_same_state_by_itself(call, library, way, source):
    make = {"model": lambda: el.Stream(MODEL), "library": lambda: el.Stream(library), "device": lambda: device.Stream(library)}[source]
    whole = answers(make(), XS)
    stream = make()
    answers(stream, XS[:15])
    stream.input[:] = XS[15]
    other = WAYS[way](stream)
    assert type(other) is type(stream)
    assert (other.steps, other.snapshot()) == (15, stream.snapshot())
    np.testing.assert_array_equal(other.step(), whole[15])
    np.testing.assert_array_equal(answers(other, XS[16:30]), whole[16:30])
    assert stream.steps == 15
    np.testing.assert_array_equal(answers(stream, XS[15:]), whole[15:])
    assert other.steps == 30
    other.input[0] = 7
    assert stream.input[0] != 7
    other.reset()
    assert stream.steps == 40


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", ["raise", "hold", "reset", "propagate"])
def test_policy_and_counters_are_copied(way, policy):
    stream = el.Stream(MODEL, nan_policy=policy)
    stream.process(XS[:10] if policy == "raise" else HOLED[:10])
    other = WAYS[way](stream)
    assert other.bad_inputs == stream.bad_inputs
    if policy == "raise":
        with pytest.raises(el.InputError):
            other.step(HOLED[3])
    wanted = stream.process(XS[10:] if policy == "raise" else HOLED[10:])
    np.testing.assert_array_equal(other.process(XS[10:] if policy == "raise" else HOLED[10:]), wanted)
    assert other.bad_inputs == stream.bad_inputs


def test_a_nan_of_the_state_is_copied_where_it_was_let_in():
    stream = el.Stream(MODEL, nan_policy="propagate")
    stream.step(HOLED[3])
    for way in WAYS.values():
        assert np.isnan(way(stream).step(XS[0])).all()


class Named(el.Stream):
    """What an application may make of a stream."""

    def __init__(self, model, name):
        super().__init__(model)
        self.name, self.seen = name, []


@pytest.mark.parametrize("way", WAYS)
def test_an_application_that_holds_a_stream_is_copied(way):
    stream = Named(MODEL, "left")
    stream.twice = stream
    app = {"stream": stream, "same": stream, "model": MODEL}
    other = WAYS[way](app)
    assert isinstance(other["stream"], Named)
    assert other["stream"] is other["same"]
    assert other["stream"].model is other["model"]
    assert other["stream"].name == "left"
    if way != "copy":
        assert other["stream"].twice is other["stream"]
        other["stream"].seen.append(1)
        other["stream"].step(XS[0])
        assert (stream.seen, stream.steps) == ([], 0)


def test_copies_share_the_weights():
    stream = el.Stream(MODEL)
    for way in (copy.copy, copy.deepcopy):
        assert way(stream).plan is stream.plan
    one, other = pickle.loads(pickle.dumps([stream, el.Stream(MODEL)]))
    assert one.plan is other.plan


@pytest.mark.parametrize("name", MODELS)
def test_streams_of_every_kind_are_copied(name):
    stream = el.Stream(model_of(name))
    xs = samples_of(name)
    stream.process(xs[:7])
    made = [way(stream) for way in WAYS.values()]
    wanted = stream.process(xs[7:])
    for other in made:
        np.testing.assert_array_equal(other.process(xs[7:]), wanted)


def stepped(stream, xs):
    """Runs in another process: its answers and the stream as it is then."""
    return [stream.step(x).copy() for x in xs], stream


def test_a_pool_of_spawned_processes_takes_streams(library, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    whole = el.Stream(MODEL).process(XS)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for source in (MODEL, library):
            stream = el.Stream(source)
            stream.process(XS[:20])
            got, back = pool.submit(stepped, stream, XS[20:30]).result()
            np.testing.assert_array_equal(got, whole[20:30])
            np.testing.assert_array_equal(back.process(XS[30:]), whole[30:])


def test_a_library_that_is_gone_or_another_is_told(tmp_path, library):
    path = tmp_path / "a.so"
    for kind in (el.Stream, device.Stream):
        path.write_bytes(library.read_bytes())
        stream = kind(path)
        stream.step(XS[0])
        blob = pickle.dumps(stream)
        path.unlink()
        assert copy.copy(stream).steps == copy.deepcopy(stream).steps == 1
        with pytest.raises(el.LibraryError, match="No such file"):
            pickle.loads(blob)
        built("f32", "host").write(path)
        with pytest.raises(el.StateError, match=r"another model|no whole snapshot of this model"):
            pickle.loads(blob)


def test_a_relative_path_is_found_from_another_folder(tmp_path, library, monkeypatch):
    (tmp_path / "a.so").write_bytes(library.read_bytes())
    monkeypatch.chdir(tmp_path)
    blobs = [pickle.dumps(kind("a.so")) for kind in (el.Stream, device.Stream)]
    monkeypatch.chdir("/")
    for blob in blobs:
        pickle.loads(blob).step(XS[0])


def test_a_step_alone_says_to_take_the_stream(call):
    step = el.Stream(MODEL).step
    for protocol in PROTOCOLS:
        with pytest.raises(el.UsageError, match="pickle the stream"):
            pickle.dumps(step, protocol)


@pytest.mark.parametrize("way", WAYS)
def test_models_are_copied(way):
    model = el.Model(MODEL.layers, labels=("no", "yes"), input_names="abcdef", rate_hz=50, probe=el.Probe(XS, np.zeros((40, 2)), "test"))
    other = WAYS[way](model)
    assert (other.labels, other.input_names, other.rate_hz, other.probe.source) == (model.labels, model.input_names, 50, "test")
    np.testing.assert_array_equal(el.Stream(WAYS[way](MODEL)).process(XS), el.Stream(MODEL).process(XS))
    arrays = [a for layer in other.layers for a in layer.arrays().values()] + [other.probe.inputs]
    assert not any(array.flags.writeable for array in arrays)
    layer = WAYS[way](MODEL.layers[0])
    assert layer.name == MODEL.layers[0].name
    with pytest.raises(ValueError, match="read-only"):
        layer.weight_ih[0, 0] = 1


def test_a_stream_is_freed_without_the_collector():
    whole = el.Stream(MODEL).process(XS)
    gc.disable()
    try:
        stream = el.Stream(MODEL)
        gone = weakref.ref(stream._arena)
        step = stream.step
        del stream
        assert gone() is not None  # the builtin keeps its memory
        np.testing.assert_array_equal(step(XS[0]), whole[0])
        with pytest.raises(el.InputError):
            step([1])
        del step
        assert gone() is None
    finally:
        gc.enable()
