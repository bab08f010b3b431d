"""Snapshots that are damaged, of another model, or that no step can have left: a sentence, and the state stays."""

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_models import built, model_of, samples_of

import edgelstm as el
from edgelstm import device
from edgelstm.runtime import snapshot

SETTINGS = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    """Streams of the same library: with NumPy, and with the standard library alone."""
    place = tmp_path_factory.mktemp("streams") / "a.so"
    built("f32-odd", "host").write(place)
    made = el.Stream(place), device.Stream(place)
    for stream in made:
        for x in samples_of("f32-odd")[:20]:
            stream.step(x)
    return made


def refuses(stream, blob, match=None):
    before = stream.snapshot()
    with pytest.raises(el.StateError, match=match) as caught:
        stream.restore(blob)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".") or "got " in str(caught.value)
    assert stream.snapshot() == before


@SETTINGS
@given(where=st.integers(0, 10_000), mask=st.integers(1, 255), cut=st.booleans())
def test_damaged_snapshots_are_refused(streams, where, mask, cut):
    blob = streams[0].snapshot()
    damaged = bytearray(blob)
    if cut:
        del damaged[where % len(blob) :]
    else:
        damaged[where % len(blob)] ^= mask
    for stream in streams:
        refuses(stream, bytes(damaged))


def test_snapshots_of_another_model_are_refused(streams, rng):
    same_shape = el.Model([type(layer)(**_shifted(layer)) for layer in model_of("f32-odd").layers])
    for other in (same_shape, model_of("f32-table")):
        blob = el.Stream(other).snapshot()
        for stream in streams:
            refuses(stream, blob, "another model|no whole snapshot of this model")
    refuses(streams[1], el.Stream(same_shape).snapshot(), "another model")


def _shifted(layer):
    changed = {name: getattr(layer, name) for name in ("weight_ih", "weight_hh", "weight", "bias", "h0", "c0") if hasattr(layer, name)}
    return changed | {"bias": changed["bias"] + np.float32(0.5), "name": layer.name, "inputs": layer.inputs}


def test_snapshots_that_no_step_can_have_left_are_refused(streams):
    """Right digest and checksum, and values that must not enter the state."""
    state = streams[0]._arena.state.copy()
    digest = streams[0]._digest
    for at, value in ((64, np.nan), (64, 1e38), (64 + 64, np.inf), (len(state) - 4, -np.inf)):
        crafted = state.copy()
        crafted[at : at + 4].view(np.float32)[0] = value
        for stream in streams:
            refuses(stream, snapshot.pack(crafted, digest))
    later = bytearray(snapshot.pack(state, digest))
    later[8:12] = struct.pack("<I", 2)  # a version to come
    later[-4:] = struct.pack("<I", snapshot.crc32(bytes(later[:-4])))
    for stream in streams:
        refuses(stream, bytes(later))


def test_an_index_that_no_step_can_have_read_is_refused(tmp_path):
    path = tmp_path / "a.so"
    built("f32-table", "host").write(path)
    stream, alone = el.Stream(path), device.Stream(path)
    for bad in (7.0, -1.0, 2.5, 1e9):
        crafted = stream._arena.state.copy()
        crafted[64:68].view(np.float32)[0] = bad
        for each in (stream, alone):
            refuses(each, snapshot.pack(crafted, stream._digest))


@pytest.mark.parametrize("wrong", [b"", b"ELSTMSNP", "text", None, 7, [1, 2], bytes(3000)])
def test_what_is_no_snapshot_is_refused(streams, wrong):
    for stream in streams:
        refuses(stream, wrong)
