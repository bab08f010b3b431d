"""Keras files: whatever they hold, a model or one sentence, within the promised time and memory; nothing is run, no other file is read.

Tried: bytes of HDF5 and zip changed, cut and repeated; links out of the file, arrays and virtual arrays in other files, shapes without
end, archives that unpack to more than they say, layers in layers, graphs that follow from themselves, code in Lambda layers.
"""

import io
import json
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras_nets import KERAS2
from test_audio_json_files import VALUES, places
from test_hostile_files import attempt, mutated

import edgelstm as el

h5py = pytest.importorskip("h5py")

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", ["stateful.h5", "stateful.keras"])
def test_changed_bytes(tmp_path, name):
    whole = KERAS2.read(name)

    @SETTINGS
    @given(data=mutated(whole))
    def try_all(data):
        attempt(tmp_path / name, data)

    try_all()


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(KERAS2.read("stateful.h5"))
    return path


def refused(path, words, seconds=5, most=200e6):
    """The message, of an error within time and memory."""
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(el.EdgeLSTMError) as caught:
        el.load(path)
    assert time.monotonic() - began < seconds
    assert tracemalloc.get_traced_memory()[1] < most
    tracemalloc.stop()
    assert words in str(caught.value), str(caught.value)
    assert "\n" not in str(caught.value)


def kernel_of(file):
    """The path of an LSTM's kernel."""
    return next(name for name in paths(file) if name.endswith("/kernel:0") and "lstm" in name)


def paths(file):
    found = []
    file.visit(found.append)
    return found


def test_links_out_of_the_file_are_not_followed(tmp_path, model):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["numbers"] = np.ones((3, 12), np.float32)
    for link in (h5py.ExternalLink(str(tmp_path / "other.h5"), "numbers"), h5py.SoftLink("/model_weights")):
        with h5py.File(model, "r+") as file:
            name = kernel_of(file)
            del file[name]
            file[name] = link
        refused(model, "is a link to somewhere else")
        model.write_bytes(KERAS2.read("stateful.h5"))


def test_arrays_in_other_files_are_not_read(tmp_path, model):
    (tmp_path / "raw").write_bytes(np.ones((3, 12), np.float32).tobytes())
    with h5py.File(model, "r+") as file:
        name = kernel_of(file)
        del file[name]
        file.create_dataset(name, (3, 12), np.float32, external=[(str(tmp_path / "raw"), 0, 144)])
    refused(model, "another file")
    layout = h5py.VirtualLayout((3, 12), np.float32)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "numbers", shape=(3, 12))
    model.write_bytes(KERAS2.read("stateful.h5"))
    with h5py.File(model, "r+") as file:
        del file[name]
        file.create_virtual_dataset(name, layout)
    refused(model, "another file")


@pytest.mark.parametrize(("shape", "options"), [((1 << 20, 1 << 20), {"chunks": (64, 64)}), ((1 << 14, 1 << 13), {"compression": "gzip"})])
def test_shapes_that_are_not_stored_are_refused(model, shape, options):
    with h5py.File(model, "r+") as file:
        name = kernel_of(file)
        del file[name]
        data = file.create_dataset(name, shape, np.float32, **options)
        if "compression" in options:
            data[:64] = 0
    refused(model, "stores")


def test_numbers_that_are_none(model):
    with h5py.File(model, "r+") as file:
        name = kernel_of(file)
        del file[name]
        file[name] = np.full((3, 12), "x", dtype=h5py.string_dtype())
    refused(model, "no numbers")


def archive(**parts):
    """A .keras file of Keras 2 with parts exchanged."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(KERAS2.read("stateful.keras"))) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, parts.get(name.partition(".")[0], source.read(name)))
    return buffer.getvalue()


def test_archives_that_unpack_without_end_are_refused(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(archive(config=b"[" + b"[]," * (1 << 22) + b"[]]"))
    refused(path, "config.json has")
    path.write_bytes(archive(model=bytes(1 << 28)))
    refused(path, "model.weights.h5 has")
    path.write_bytes(archive(config=b"[" * 100_000))
    refused(path, "config.json")


def wrapped(depth):
    """TimeDistributed layers, one in the other."""
    layer = {"class_name": "Dense", "config": {"name": "dense", "units": 2}}
    for index in range(depth):
        layer = {"class_name": "TimeDistributed", "config": {"name": f"outer{index}", "layer": layer}}
    first = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4, 3], "name": "input_1"}}
    return {"class_name": "Sequential", "config": {"name": "model", "layers": [first, layer]}}


def circle():
    """Two layers, each of which reads the other."""
    layers = [
        {"class_name": "Activation", "config": {"name": name, "activation": "relu"}, "name": name, "inbound_nodes": [[[other, 0, 0, {}]]]}
        for name, other in (("a", "b"), ("b", "a"))
    ]
    first = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4, 3], "name": "x"}, "name": "x", "inbound_nodes": []}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["a", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": [first, *layers], **ends}}


@pytest.mark.parametrize(
    ("config", "words"), [(wrapped(40), ""), (wrapped(200), ""), (circle(), "follows from itself"), ({"class_name": 3}, "class_name")]
)
def test_structures_without_end_are_refused(tmp_path, config, words):
    path = tmp_path / "model.keras"
    path.write_bytes(archive(config=json.dumps(config).encode()))
    refused(path, words)


def test_code_in_a_layer_is_not_run(tmp_path):
    path, mark = tmp_path / "model.keras", tmp_path / "run"
    config = json.loads(zipfile.ZipFile(io.BytesIO(KERAS2.read("stateful.keras"))).read("config.json"))
    code = {"class_name": "__lambda__", "config": {"code": f"open({str(mark)!r}, 'w')", "defaults": None, "closure": None}}
    config["config"]["layers"][2] = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "evil", "function": code}}
    path.write_bytes(archive(config=json.dumps(config).encode()))
    refused(path, "not run")
    config["config"]["layers"][2] = {
        "module": "os",
        "class_name": "system",
        "config": {"name": f"touch {mark}"},
        "registered_name": "os>system",
    }
    path.write_bytes(archive(config=json.dumps(config).encode()))
    refused(path, "would not be run")
    assert not mark.exists()


def whole_config(name):
    return json.loads(zipfile.ZipFile(io.BytesIO(KERAS2.read(name))).read("config.json"))


def exchanged(name, config):
    """The same file with another configuration."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(KERAS2.read(name))) as source, zipfile.ZipFile(buffer, "w") as target:
        for entry in source.namelist():
            target.writestr(entry, json.dumps(config) if entry == "config.json" else source.read(entry))
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["operators.keras", "nested.keras", "normalised.keras"])
def test_exchanged_settings(tmp_path, name):
    known = [place for place in places(whole_config(name)) if place and not any("initializer" in str(part) for part in place)]

    @SETTINGS
    @given(place=st.sampled_from(known), value=VALUES)
    def try_all(place, value):
        config = parent = whole_config(name)
        *path, last = place
        for part in path:
            parent = parent[part]
        parent[last] = value
        attempt(tmp_path / name, exchanged(name, config))

    try_all()


def test_values_of_wrong_types_are_one_sentence(tmp_path):
    config = whole_config("normalised.keras")
    next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Rescaling")["config"]["scale"] = [[1]]
    path = tmp_path / "model.keras"
    path.write_bytes(exchanged("normalised.keras", config))
    refused(path, "wrong types")
