"""Mutations of one sound file of every format, in a process of its own that a crash ends: see `mutations`.

A few each here; twenty thousand each in the nightly form, which prints them as a table.
"""

import io
import json
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from elstm_files import sensor_model
from keras_nets import KERAS2
from test_bags import NETWORK, npz, packed
from test_from_audio_json import guitarml, nam, small
from test_from_icu import segmenter
from test_recipes import OWN, OWN_NAMES
from test_torch_formats import madmom_pickle
from torch_files import linear_arrays, lstm_arrays, torch_legacy, torch_zip, under

import edgelstm as el

HERE = Path(__file__).parent
STATE_DICT = under("lstm", lstm_arrays(2, 3)) | under("fc", linear_arrays(1, 3))

#: Findings of the nightly form: an input with an axis of length 0.
MENDED = [("TensorFlow Lite", 114002)]

#: Mutations of the quick form, and of the nightly form.
FEW, MANY = 25, 20_000


def json_of(document):
    return json.dumps(document).encode()


def onnx_file():
    onnx = pytest.importorskip("onnx")
    arrays = {"W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32), "H": (4, 2)}
    rng = np.random.default_rng(1)
    weights = [onnx.numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name) for name, shape in arrays.items()]
    nodes = [
        onnx.helper.make_node("LSTM", ["x", "W", "R", "B"], ["all"], hidden_size=4),
        onnx.helper.make_node("Squeeze", ["all", "axes"], ["rows"]),
        onnx.helper.make_node("MatMul", ["rows", "H"], ["product"]),
        onnx.helper.make_node("Tanh", ["product"], ["y"]),
    ]
    weights.append(onnx.numpy_helper.from_array(np.array([1]), "axes"))
    shapes = {"x": ("time", 1, 3), "y": ("time", 1, 2)}
    infos = {name: onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in shapes.items()}
    graph = onnx.helper.make_graph(nodes, "g", [infos["x"]], [infos["y"]], weights)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])


def onnx_and_its_weights(folder):
    """The same network, with its numbers in a file beside it."""
    model = onnx_file()
    numbers = b""
    for tensor in model.graph.initializer:
        if tensor.data_type == 1:
            for key, value in (("location", "weights.bin"), ("offset", str(len(numbers))), ("length", str(len(tensor.raw_data)))):
                tensor.external_data.add(key=key, value=value)
            numbers += tensor.raw_data
            tensor.ClearField("raw_data")
            tensor.data_location = 1
    (folder / "weights.bin").write_bytes(numbers)
    return model.SerializeToString()


def tflite_file():
    with zipfile.ZipFile(HERE.parent / "golden" / "tflite.zip") as archive:
        return archive.read("keras2_gru.tflite")


def program(ending):
    """A network as torch.export and TorchScript write it."""
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()
    buffer = io.BytesIO()
    if ending == "pt2":
        torch.export.save(torch.export.export(net, (torch.zeros(1, 5, 3),)), buffer)
    else:
        torch.jit.save(torch.jit.script(net), buffer)
    return buffer.getvalue()


def frozen_graph(name):
    with tarfile.open(HERE.parent / "golden" / "tensorflow.tar.xz") as archive:
        return archive.extractfile(name).read()


def keras_file(name):
    pytest.importorskip("h5py")
    return KERAS2.read(name)


def weights_alone():
    """What ``save_weights`` writes: the groups of a file's weights, without what describes them."""
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(KERAS2.read("stateful.h5"))) as whole, h5py.File(buffer, "w") as alone:
        described = json.loads(whole.attrs["model_config"])
        weights = whole["model_weights"]
        for name in weights:
            weights.copy(name, alone)
        alone.attrs.update(weights.attrs)
    return buffer.getvalue(), json.dumps(described).encode()


def description(folder):
    weights, described = weights_alone()
    (folder / "arrays").write_bytes(weights)
    return described


def tensorflowjs(folder):
    with zipfile.ZipFile(HERE.parent / "golden" / "tensorflowjs.zip") as archive:
        for name in ("group1-shard1of2.bin", "group1-shard2of2.bin"):
            (folder / name).write_bytes(archive.read(f"words/{name}"))
        return archive.read("words/model.json")


def recipe(folder):
    (folder / "arrays").write_bytes(npz(OWN_NAMES))
    return OWN.encode()


def own_file(folder):
    el.save(sensor_model(), folder / "model.elstm")
    return (folder / "model.elstm").read_bytes()


def snapshot(folder):
    own_file(folder)
    stream = el.Stream(el.load(folder / "model.elstm"))
    stream.process(np.ones((5, 3), np.float32))
    return stream.snapshot()


def kept_state(folder):
    from edgelstm.field.store import StateStore

    state, store = snapshot(folder), StateStore(folder)
    store.write(state, {"sequence": {"": 92}})
    store.close()
    return (folder / "state.1.state").read_bytes()


def library(folder):
    own_file(folder)
    el.build(el.load(folder / "model.elstm")).write(folder / "whole.so")
    return (folder / "whole.so").read_bytes()


#: By the name of a format: the form of its files, a file's name, and its bytes, given the folder that it shall lie in.
SOUND = {
    "PyTorch": ("network", "m.pt", lambda _: torch_zip(STATE_DICT)),
    "PyTorch of old": ("network", "m.pkl", lambda _: torch_legacy(STATE_DICT)),
    "safetensors": ("network", "m.safetensors", lambda _: safetensors.numpy.save(NETWORK, {"a": "b"})),
    "npz": ("network", "m.npz", lambda _: npz(NETWORK)),
    "pickle": ("network", "m.pkl", lambda _: pickle.dumps(NETWORK, 2)),
    "msgpack": ("network", "m.msgpack", lambda _: packed(NETWORK)),
    "JSON": ("network", "m.json", lambda _: json_of({name: array.tolist() for name, array in NETWORK.items()})),
    "madmom": ("network", "m.pkl", lambda _: madmom_pickle()),
    "ONNX": ("network", "m.onnx", lambda _: onnx_file().SerializeToString()),
    "ONNX with external data": ("network", "m.onnx", onnx_and_its_weights),
    "TensorFlow Lite": ("network", "m.tflite", lambda _: tflite_file()),
    "TensorFlow": ("network", "m.pb", lambda _: frozen_graph("keras_loop.pb")),
    "torch.export": ("network", "m.pt2", lambda _: program("pt2")),
    "TorchScript": ("network", "m.pt", lambda _: program("pt")),
    "Keras (.h5)": ("network", "m.h5", lambda _: keras_file("stateful.h5")),
    "Keras (.keras)": ("network", "m.keras", lambda _: keras_file("stateful.keras")),
    "Keras (weights alone)": ("weights", "m.h5", lambda _: weights_alone()[0]),
    "Keras (description)": ("recipe", "m.json", description),
    "TensorFlow.js": ("network", "m.json", tensorflowjs),
    "GuitarML": ("network", "m.json", lambda _: json_of(guitarml(np.random.default_rng(7)))),
    "NAM": ("network", "m.nam", lambda _: json_of(nam(np.random.default_rng(7)))),
    "RTNeural": ("network", "m.json", lambda _: json_of(small(np.random.default_rng(7)))),
    "ICU": ("network", "m.json", lambda _: json_of(segmenter())),
    "recipe": ("recipe", "m.toml", recipe),
    "edgelstm": ("own", "m.safetensors", own_file),
    "snapshot": ("snapshot", "m", snapshot),
    "kept states": ("states", "m", kept_state),
    "library": ("library", "m.so", library),
}


#: Formats for which nothing has to be installed or compiled.
BARE = {*SOUND} - {
    *("ONNX", "ONNX with external data", "torch.export", "TorchScript", "Keras (.h5)", "Keras (.keras)", "Keras (weights alone)"),
    *("Keras (description)", "snapshot", "kept states", "library", "TensorFlow"),
}


def outcome(kinds, folder, count, first=0):
    """The summaries, and the findings, of mutations from the number `first` on."""
    files = []
    for kind in kinds:
        form, name, make = SOUND[kind]
        place = folder / str(len(files))
        place.mkdir()
        (place / name).write_bytes(make(place))
        files += [form, place / name]
    program = [sys.executable, HERE / "mutations.py", str(count), str(first), *files]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=600 + count * len(kinds))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.returncode, lines[-3:], done.stderr[-500:])
    return [line for line in lines if "tried" in line], [line for line in lines if "fault" in line]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kinds", [BARE, pytest.param({*SOUND} - BARE, marks=pytest.mark.slow)], ids=["bare", "others"])
def test_a_few_mutations(kinds, tmp_path):
    """Of files that NumPy makes, and of those that need a parser or a compiler."""
    summaries, findings = outcome(sorted(kinds), tmp_path, FEW)
    assert not findings
    assert [summary["tried"] for summary in summaries] == [FEW] * len(kinds)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "number"), MENDED)
def test_what_was_found_stays_mended(kind, number, tmp_path):
    assert not outcome([kind], tmp_path, 1, number)[1]


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SOUND)
def test_twenty_thousand_mutations(kind, tmp_path, capsys):
    (summary,), findings = outcome([kind], tmp_path, MANY)
    with capsys.disabled():
        print(f"\n{kind}: {summary}")
    assert not findings
