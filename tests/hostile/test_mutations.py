"""Mutations of one sound file of every format, in a process of its own that a crash ends: see `mutations`.

A few hundred each here; twenty thousand each in the nightly form, which prints them as a table.
"""

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
from keras_nets import KERAS2
from test_bags import NETWORK, npz, packed
from test_from_audio_json import guitarml, nam, small
from test_from_icu import segmenter
from torch_files import linear_arrays, lstm_arrays, torch_legacy, torch_zip, under

HERE = Path(__file__).parent
STATE_DICT = under("lstm", lstm_arrays(2, 3)) | under("fc", linear_arrays(1, 3))

#: Mutations of the quick form, and of the nightly form.
FEW, MANY = 150, 20_000


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
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]).SerializeToString()


def tflite_file():
    with zipfile.ZipFile(HERE.parent / "golden" / "tflite.zip") as archive:
        return archive.read("keras2_gru.tflite")


def program(ending):
    """A network as torch.export and TorchScript write it."""
    import io

    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()
    buffer = io.BytesIO()
    if ending == "pt2":
        torch.export.save(torch.export.export(net, (torch.zeros(1, 5, 3),)), buffer)
    else:
        torch.jit.save(torch.jit.script(net), buffer)
    return buffer.getvalue()


def frozen_graph():
    with tarfile.open(HERE.parent / "golden" / "tensorflow.tar.xz") as archive:
        return archive.extractfile("keras_loop.pb").read()


def keras_file(name):
    pytest.importorskip("h5py")
    return KERAS2.read(name)


SOUND = {
    "PyTorch": lambda: torch_zip(STATE_DICT),
    "PyTorch of old": lambda: torch_legacy(STATE_DICT),
    "safetensors": lambda: safetensors.numpy.save(NETWORK),
    "npz": lambda: npz(NETWORK),
    "pickle": lambda: pickle.dumps(NETWORK, 2),
    "msgpack": lambda: packed(NETWORK),
    "ONNX": onnx_file,
    "TensorFlow Lite": tflite_file,
    "TensorFlow": frozen_graph,
    "torch.export": lambda: program("pt2"),
    "TorchScript": lambda: program("pt"),
    "Keras (.h5)": lambda: keras_file("stateful.h5"),
    "Keras (.keras)": lambda: keras_file("stateful.keras"),
    "GuitarML": lambda: json_of(guitarml(np.random.default_rng(7))),
    "NAM": lambda: json_of(nam(np.random.default_rng(7))),
    "RTNeural": lambda: json_of(small(np.random.default_rng(7))),
    "ICU": lambda: json_of(segmenter()),
}


def outcome(path, count):
    """The summary, and the findings."""
    program = [sys.executable, HERE / "mutations.py", path, str(count)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=600 + count)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.returncode, lines[-3:], done.stderr[-500:])
    return lines[-1], lines[:-1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SOUND)
def test_a_few_mutations(kind, tmp_path):
    path = tmp_path / "sound"
    path.write_bytes(SOUND[kind]())
    summary, findings = outcome(path, FEW)
    assert not findings
    assert summary["findings"] == 0


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SOUND)
def test_twenty_thousand_mutations(kind, tmp_path, capsys):
    path = tmp_path / "sound"
    path.write_bytes(SOUND[kind]())
    summary, findings = outcome(path, MANY)
    with capsys.disabled():
        print(f"\n{kind}: {summary}")
    assert not findings
