"""Amplifier models in JSON: whatever their bytes, a model or one sentence, within the promised time and memory. Nothing in them is run.

Tried: bytes changed, cut and repeated; values exchanged for others of any type and size; lists by the million; sizes without end.
"""

import copy
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_from_audio_json import guitarml, nam, small
from test_hostile_files import attempt, mutated

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
FILES = [make(np.random.default_rng(7)) for make in (guitarml, nam, small)]
VALUES = st.sampled_from([None, True, 0, -1, 2, 1 << 40, 1e300, "1", "lstm", [], {}, [[1]], [None], [1.5, "a"]])


@SETTINGS
@given(data=st.sampled_from([json.dumps(document).encode() for document in FILES]).flatmap(mutated))
def test_changed_bytes(tmp_path, data):
    attempt(tmp_path / "amp.json", data)


def places(value, path=()):
    """Every place of a document, as the names and numbers that lead to it."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


@SETTINGS
@given(data=st.data())
def test_exchanged_values(tmp_path, data):
    document = copy.deepcopy(data.draw(st.sampled_from(FILES)))
    *path, last = data.draw(st.sampled_from([place for place in places(document) if place]))
    parent = document
    for name in path:
        parent = parent[name]
    parent[last] = data.draw(VALUES)
    attempt(tmp_path / "amp.json", json.dumps(document).encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"in_shape": [1], "layers": [' + "[]," * 200_000 + "[]]}",
        '{"in_shape": [1], "layers": ' + "[" * 300_000,
        '{"architecture": "LSTM", "config": {"input_size": 1, "hidden_size": 65536, "num_layers": 65536}, "weights": [1]}',
        '{"architecture": "LSTM", "sample_rate": 1e300, "config": {"input_size": 1, "hidden_size": 1, "num_layers": 1}, "weights": '
        + json.dumps([0.1] * 16)
        + "}",
        '{"in_shape": [1], "in_gain": NaN, "layers": []}',
        '{"in_shape": [1], "in_gain": 1e300, "layers": []}',
        '{"in_shape": [1], "in_gain": 1' + "0" * 400 + ', "layers": []}',
        '{"architecture": "LSTM", "sample_rate": 1' + "0" * 400 + ', "config": {}, "weights": [1]}',
        '{"in_shape": [1], "in_shape": [2], "layers": []}',
    ],
)
def test_sizes_without_end(tmp_path, text):
    tracemalloc.start()
    attempt(tmp_path / "amp.json", text.encode())
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
