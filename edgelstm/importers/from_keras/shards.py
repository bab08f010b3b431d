"""Models of TensorFlow.js: a JSON file that describes a model of Keras' layers, and its weights in files beside it.

Format: ``tfjs-core/src/io/types.ts``. The files of a group of weights stand one behind the other; in them lie its arrays, in the manifest's
order.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...files import container
from ...model import Model
from ..hdf5 import Group
from ..json_parts import Part
from .classes import MODELS, layers_of
from .read import model_in
from .settings import Spec
from .store import MOST_TEXT, Stored
from .weights import ByName

if TYPE_CHECKING:
    from ..readers import Asked

Arrays = dict[str, NDArray[Any]]

#: Types of numbers, and those that stand for floats by a scale and a least number.
_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "|b1", "float16": "<f2", "uint8": "|u1", "uint16": "<u2"}
_LEVELS = ("uint8", "uint16")

#: The most bytes of weights. Each of their files is read once, so that nothing small becomes so large.
MOST_WEIGHTS = 1 << 31

#: How deep models may lie in models.
_DEEPEST = 8


def from_shards(file: BinaryIO, asked: "Asked", source: str) -> tuple[Model, str, list[str]]:
    """The network in a layers-model, its chain and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError, UsageError
    """
    asked.refuse()
    config, version, arrays = opened(file)
    return model_in(lambda: _stored(config, version, arrays), source)


def opened(file: BinaryIO) -> tuple[dict[str, Any], int, Arrays]:
    """The model's class and configuration, Keras' first number, and the arrays by name. Errors as `from_shards`."""
    whole = Part(container.read_json(file.read(MOST_TEXT + 1), "model.json"), "")
    topology = Part(whole.take("modelTopology", dict), "modelTopology")
    if whole.take("format", str, "") == "graph-model" or "node" in topology.names():
        raise UnsupportedModelError(
            "is a graph-model of TensorFlow.js, whose layers are no longer told apart; convert the model that it was made from as a "
            "layers-model (tensorflowjs_converter --output_format tfjs_layers_model), or give its .h5, .keras, .pb or .tflite file."
        )
    keras = topology.take("keras_version", str, "2")
    described: dict[str, Any] = topology.take("model_config", dict, None) or topology.entries()
    config = {name: described.get(name) for name in ("class_name", "config")}
    folder = os.path.dirname(getattr(file, "name", ""))
    return config, int(keras[0]) if keras[:1] in ("1", "2", "3") else 2, dict(_arrays(whole.take("weightsManifest", list), folder))


def _arrays(manifest: list[Any], folder: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Names and arrays of all groups of weights."""
    left, read = MOST_WEIGHTS, set[str]()
    for number, group in enumerate(manifest):
        part = Part(group, f"weightsManifest[{number}]")
        data = b"".join(_file(folder, path, left, read) for path in part.take("paths", list))
        left, at = left - len(data), 0
        for place, described in enumerate(part.take("weights", list)):
            weight = Part(described, f"weightsManifest[{number}] weights[{place}]")
            name, found = weight.take("name", str), _array(weight, memoryview(data)[at:])
            at += found[1]
            yield name, found[0]
        if at != len(data):
            raise ModelFileError(f"weightsManifest[{number}] describes {at} bytes, and its files have {len(data)}; copy all of them again.")


def _file(folder: str, path: Any, most: int, read: set[str]) -> bytes:
    """The bytes of one of the files beside the model, of which those in `read` were read."""
    if not isinstance(path, str) or not re.fullmatch(r"[^/\\\0]{1,200}", path) or path in (".", ".."):
        raise ModelFileError(f"names a file of weights {printable(repr(path), 100)}, which is no name of a file in the same folder.")
    place = os.path.join(folder, path)
    if os.path.islink(place) or not os.path.isfile(place):
        raise ModelFileError(f"lacks its file of weights {printable(path, 100)!r}, which must lie beside it.")
    if path in read:
        raise ModelFileError(f"names its file of weights {printable(path, 100)!r} twice; copy all of them again.")
    read.add(path)
    with container.open_file(place) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ModelFileError(f"has more than {MOST_WEIGHTS} bytes of weights, which edgelstm does not read.")
    return data


def _array(weight: Part, data: memoryview) -> tuple[NDArray[Any], int]:
    """An array at the beginning of bytes, and how many of these it is."""
    dtype, shape, levels = weight.take("dtype", str), weight.take("shape", list), weight.take("quantization", dict, None)
    scale, least = 1.0, 0.0
    if levels is not None:
        part = Part(levels, f"{weight.place} quantization")
        dtype = part.take("dtype", str)
        if dtype in _LEVELS:
            scale, least = part.take("scale", float), part.take("min", float)
    if dtype not in _DTYPES or not all(type(n) is int and 0 <= n <= MOST_WEIGHTS for n in shape):
        raise UnsupportedModelError(f"{weight.place} is an array {printable(shape, 60)} of {printable(dtype, 60)}.")
    size = prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
    if size > len(data):
        raise ModelFileError(f"{weight.place} needs {size} bytes, and {len(data)} are left in its files; copy all of them again.")
    found = np.frombuffer(data[:size], _DTYPES[dtype]).reshape(shape)
    return (found.astype(np.float32) if levels is None else (found * scale + least).astype(np.float32)), size


def _stored(config: dict[str, Any], version: int, arrays: Arrays) -> Stored:
    """The arrays by the layers of the model, in the order of the file, in which those that training changes come first."""
    owners = _owners(Spec(config, version, "the model"))
    found: dict[str, list[str]] = defaultdict(list)
    for name in arrays:
        layer = owners.get(name.partition("/")[0])
        if layer is None:
            raise ModelFileError(f"holds an array {printable(name, 100)!r} that belongs to no layer of its model; save the model again.")
        found[layer].append(name)
    root = Group.of({f"{layer}/{name}": arrays[name] for layer, names in found.items() for name in names})
    return Stored(config, version, ByName(root, {layer: (layer, names) for layer, names in found.items()}), root)


def _owners(model: Spec) -> dict[str, str]:
    """The layer of a model that holds the layer of each name."""
    return {name: layer.name for layer in layers_of(model) for name in _within(layer, 0)}


def _within(layer: Spec, depth: int) -> Iterator[str]:
    yield layer.name
    if layer.kind in MODELS and depth < _DEEPEST:
        for inner in layers_of(layer):
            yield from _within(inner, depth + 1)
