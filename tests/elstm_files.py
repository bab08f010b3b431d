"""Small models, and `.elstm` files that are wrong and yet signed, made as ``docs/model-format.md`` says."""

import hashlib
import json

import numpy as np
import safetensors.numpy
from safetensors import safe_open

import edgelstm as el


def numbers(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).uniform(-0.5, 0.5, shape).astype(np.float32)


def sensor_model(**options):
    layers = [
        el.Normalizer(mean=[10.0, -3.0, 0.0], scale=[2.0, 0.1, 1.0], name="units"),
        el.LSTM(numbers(20, 3), numbers(20, 5), numbers(20), h0=numbers(5), c0=numbers(5, seed=1), name="rnn.lstm"),
        el.Dense(numbers(5, 5), numbers(5), name="skip"),
        el.Add(inputs=("rnn.lstm", "skip"), name="sum"),
        el.Activation("relu"),
        el.Dense(numbers(2, 8), inputs=("activation4", "units")),
        el.Softmax(),
    ]
    return el.Model(layers, **options)


def index_model():
    return el.Model([el.Embedding(numbers(7, 4)), el.LSTM(numbers(12, 4), numbers(12, 3)), el.Dense(numbers(2, 3))])


def resigned(path, change=None, tensors=None, text=None):
    """Rewrite the file with a changed document and a digest made as ``docs/model-format.md`` says."""
    with safe_open(path, "np") as file:
        document = json.loads(file.metadata()["edgelstm"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    arrays |= tensors or {}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    if change:
        change(document)
    document.pop("sha256", None)
    spelled = lambda value: json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"  # noqa: E731
    digest = hashlib.sha256(spelled(document))
    for name in sorted(arrays):
        digest.update(spelled([name, arrays[name].dtype.str, list(arrays[name].shape)]) + arrays[name].tobytes())
    document["sha256"] = digest.hexdigest()
    safetensors.numpy.save_file(arrays, path, {"edgelstm": json.dumps(document) if text is None else text})


def attempt(path, data, **options):
    """Load `data`: a model that steps, or an error of ours with one line."""
    path.write_bytes(data)
    model, message = None, ""
    try:
        model = el.load(path, **options)
    except el.EdgeLSTMError as problem:
        message = str(problem)
    assert "\n" not in message
    assert model is None or model.output_size > 0
    return model
