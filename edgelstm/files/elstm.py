"""The `.elstm` model file: read, checked and written. Specification: ``docs/model-format.md``.

The container (safetensors) is `container`'s, atomic writes are `writing`'s; what is no such file goes to `importers`, from `loading`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__, reference
from ..errors import ModelFileError, ShapeError, UnsupportedModelError, UsageError, printable, warn
from ..layers import KINDS, record_of
from ..layers.record import Layer
from ..model import Model, Probe
from ..runtime import rates
from ..runtime.digests import sha256_of
from ..runtime.sizes import PROBE_LIMIT
from ..runtime.writing import write_atomic
from . import container
from .container import Tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The entry of safetensors' ``__metadata__`` that holds the document.
KEY = "edgelstm"

#: Format version that this code writes, and the only one it reads.
VERSION = 1

#: The most steps that a file's probe may hold.
MAX_PROBE_STEPS = 1024

#: The most layers that a file may hold.
MAX_LAYERS = 4096


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, float | int) and not isinstance(value, bool) and abs(value) < 1e9)


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 31)


#: Every name of the document, with the check of its value and how an error calls a good one.
_DOCUMENT: dict[str, tuple[Callable[[object], bool], str]] = {
    "version": (lambda v: type(v) is int and v == VERSION, str(VERSION)),
    "sha256": (_is_text, "text"),
    "layers": (lambda v: isinstance(v, list) and len(v) <= MAX_LAYERS, f"a list of at most {MAX_LAYERS} layers"),
    "labels": (_is_texts, "a list of printable text"),
    "input_names": (_is_texts, "a list of printable text"),
    "rate_hz": (_is_number, "a number below 1e9 or null"),
    "window": (_is_count, "a whole number below 2**31 or null"),
    "stateful": (lambda v: v is None or isinstance(v, bool), "true, false or null"),
    "source": (_is_text, "printable text"),
    "probe_source": (_is_text, "printable text"),
}

#: The same for one layer.
_LAYER: dict[str, tuple[Callable[[object], bool], str]] = {
    "kind": (_is_text, "text"),
    "name": (lambda v: _is_text(v) and v != "", "printable text"),
    "inputs": (lambda v: _is_texts(v) and 0 < len(v) <= MAX_LAYERS, f"a list of 1 to {MAX_LAYERS} names"),  # type: ignore[arg-type]
    "options": (lambda v: isinstance(v, dict), "an object"),
}


#: Names of the document that may be absent, with the same.
_OPTIONAL: dict[str, tuple[Callable[[object], bool], str]] = {
    "vocabulary": (lambda v: isinstance(v, dict), "an object"),
    "input_statistics": (lambda v: isinstance(v, dict), "an object"),
    "thresholds": (
        lambda v: isinstance(v, list) and len(v) > 0 and None not in v and all(map(_is_number, v)),
        "a list of numbers below 1e9",
    ),
}


def read(path: str, *, verify: bool) -> Model | None:
    """The model in a `.elstm` file, its digest checked and its probe replayed if `verify`; None if the file is of another format.

    Raises
    ------
    ModelFileError, UnsupportedModelError
        If the file is damaged, hostile, or does not reproduce its own probe.
    """
    with container.open_file(path) as file:
        header = container.read_header(file)
        metadata = {} if header is None else container.read_metadata(header)
        data = file.read() if KEY in metadata else b""
    if not data:
        return None
    model = _decode(metadata[KEY], container.read_tensors(data), verify=verify)
    if verify:
        _replay(model)
    else:
        warn(f"{path}: loaded with verify=False; neither its digest nor its probe was checked.")
    return model


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write `model` as a `.elstm` file, atomically. A model without a probe gets one from the float64 reference.

    Raises
    ------
    ModelFileError
        If the disk is full, the folder is not writable, or the model holds something that `load` would refuse.
    UsageError
        If `model` is something else.
    """
    path = container.path_text(path)
    if not isinstance(model, Model):
        raise UsageError(f"save takes a Model and a path; got {printable(type(model).__name__)} in the place of the model.")
    with container.about(path):
        if model.probe is None:
            from .probes import reference_probe

            model = replace(model, probe=reference_probe(model))
        document, tensors = _encode(model)
        document["sha256"] = _digest(document, tensors)
        text = _canonical(document).decode()
        _replay(_decode(text, tensors, verify=True))
        data = container.write_tensors(tensors, {KEY: text})
    write_atomic(path, data)


def model_digest(model: Model) -> str:
    """SHA-256 over the layers and their arrays alone, as hexadecimal: equal for equal networks, whatever they are called or proved by."""
    return _digest({"layers": [_layer_document(layer) for layer in model.layers]}, _layer_tensors(model))


def _layer_document(layer: Layer) -> dict[str, Any]:
    return {"kind": layer.kind, "name": layer.name, "inputs": list(layer.inputs), "options": layer.options()}


def _layer_tensors(model: Model) -> Tensors:
    return {f"{layer.name}.{name}": array for layer in model.layers for name, array in layer.arrays().items()}


def _encode(model: Model) -> tuple[dict[str, Any], Tensors]:
    """The document without its digest, and the tensors."""
    assert model.probe is not None
    document = {
        "version": VERSION,
        "layers": [_layer_document(layer) for layer in model.layers],
        "labels": list(model.labels),
        "input_names": list(model.input_names),
        "rate_hz": None if model.rate_hz is None else float(model.rate_hz),
        "window": None if model.window is None else int(model.window),
        "stateful": None if model.stateful is None else bool(model.stateful),
        "source": model.source,
        "probe_source": model.probe.source,
        **({} if model.vocabulary is None else {"vocabulary": model.vocabulary.document()}),
        **({} if model.statistics is None else {"input_statistics": model.statistics.document()}),
        **({"thresholds": list(model.thresholds)} if model.thresholds else {}),
    }
    # A layer's tensor has a dot in its name, so these two can never clash with one.
    return document, {**_layer_tensors(model), "probe_inputs": model.probe.inputs, "probe_outputs": model.probe.outputs}


def _canonical(document: object) -> bytes:
    """The one JSON spelling of `document`, in ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _digest(document: object, tensors: Tensors) -> str:
    sha256 = sha256_of(sum(array.nbytes for array in tensors.values()))
    sha256.update(_canonical(document) + b"\n")
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        sha256.update(_canonical([name, array.dtype.str, array.shape]) + b"\n")
        sha256.update(array.reshape(-1).view(np.uint8).data)
    return sha256.hexdigest()


def _checked(found: object, known: dict[str, tuple[Callable[[object], bool], str]], what: str) -> dict[str, Any]:
    """`found`, if it is an object with exactly the `known` names and each value passes its check."""
    if not isinstance(found, dict):
        raise ModelFileError(f"{what} must be an object; got {type(found).__name__}. The file is damaged, convert the model again.")
    if unknown := sorted(set(found) - set(known)):
        raise ModelFileError(
            f"{what} has {printable(unknown[0], 60)!r}, which this version of edgelstm ({__version__}) does not know; upgrade edgelstm."
        )
    if missing := sorted(set(known) - set(found)):
        raise ModelFileError(f"{what} lacks {missing[0]!r}; the file is damaged, convert the model again.")
    for name, (check, expected) in known.items():
        if not check(found[name]):
            raise ModelFileError(f"{what}: {name} must be {expected}; got {printable(found[name], 60)!r}. Convert the model again.")
    return found


def _decode(text: str, tensors: Tensors, *, verify: bool) -> Model:
    """The model that a document and its tensors describe, or a `ModelFileError` or `UnsupportedModelError`."""
    found = container.read_json(text, "the model description") if isinstance(text, str) else None
    version = found.get("version") if isinstance(found, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ModelFileError(f"has format version {version}; this edgelstm ({__version__}) reads version {VERSION}. Upgrade edgelstm.")
    present = {name: check for name, check in _OPTIONAL.items() if isinstance(found, dict) and name in found}
    document = _checked(found, _DOCUMENT | present, "the model description")
    claimed = document.pop("sha256")
    if verify and claimed != _digest(document, tensors):
        raise ModelFileError("its content does not match its SHA-256 digest; the file was changed or damaged, copy or convert it again.")
    tensors = dict(tensors)
    probe = tensors.pop("probe_inputs", None), tensors.pop("probe_outputs", None)
    try:
        layers = [_layer(_checked(entry, _LAYER, f"layer {index}"), tensors) for index, entry in enumerate(document["layers"])]
        if tensors:
            raise ModelFileError(f"holds {printable(', '.join(sorted(tensors)), 200)}, which no layer of it uses; convert the model again.")
        return _assemble(layers, _probe(*probe, document["probe_source"]), document)
    except (ShapeError, UsageError, OverflowError) as problem:
        raise ModelFileError(f"describes a model that does not fit together: {problem}") from None


def _layer(entry: dict[str, Any], tensors: Tensors) -> Layer:
    """The record of one layer; its arrays are taken out of `tensors`."""
    kind, name = entry["kind"], entry["name"]
    if kind not in KINDS:
        raise UnsupportedModelError(
            f"layer {printable(name, 60)!r} is of kind {printable(kind, 60)!r}, which is none of the {len(KINDS)} that this edgelstm "
            f"({__version__}) knows. Upgrade edgelstm."
        )
    given = {full.removeprefix(f"{name}."): tensors.pop(full) for full in list(tensors) if full.rpartition(".")[0] == name}
    layer = record_of(kind).from_parts(name, entry["inputs"], entry["options"], given)
    held = layer.arrays()
    if odd := sorted(set(held) ^ set(given)):
        raise ModelFileError(
            f"{layer.label} needs the tensor {printable(f'{name}.{odd[0]}', 60)}, which the file lacks; convert the model again."
        )
    for field, array in given.items():
        if array.dtype != held[field].dtype:
            raise ModelFileError(
                f"tensor {printable(f'{name}.{field}', 60)} has dtype {array.dtype}, not {held[field].dtype}; convert the model again."
            )
    if layer.options() != entry["options"]:
        raise ModelFileError(
            f"{layer.label} has the options {printable(entry['options'], 60)}, which it does not take; convert the model again."
        )
    return layer


def _probe(inputs: NDArray[Any] | None, outputs: NDArray[Any] | None, source: str) -> Probe:
    if inputs is None or outputs is None:
        raise ModelFileError("lacks its probe (probe_inputs, probe_outputs); convert the model again.")
    if not inputs.dtype == outputs.dtype == np.float32:
        raise ModelFileError(f"its probe has the dtypes {inputs.dtype} and {outputs.dtype}, not float32; convert the model again.")
    if inputs.ndim != 2 or len(inputs) > MAX_PROBE_STEPS:
        raise ModelFileError(
            f"its probe inputs have the shape {inputs.shape}, not (1 to {MAX_PROBE_STEPS}, input_size); convert the model again."
        )
    return Probe(inputs, outputs, source)


def _assemble(layers: list[Layer], probe: Probe, document: dict[str, Any]) -> Model:
    options = {name: document[name] for name in ("labels", "input_names", "rate_hz", "window", "stateful", "source")}
    if "vocabulary" in document:
        options["vocabulary"] = _vocabulary(document["vocabulary"])
    if "input_statistics" in document:
        options["statistics"] = _statistics(document["input_statistics"])
    options["thresholds"] = document.get("thresholds", ())
    model = Model(tuple(layers), probe=probe, **options)
    for rows, column in zip(model.vocabularies, probe.inputs.T, strict=True):
        if rows and ((column != np.floor(column)).any() or column.min() < 0 or column.max() >= rows):
            raise ModelFileError(f"its probe inputs must be whole numbers from 0 to {rows - 1}; convert the model again.")
    return model


def _vocabulary(found: dict[str, Any]) -> Any:
    from ..generation.vocabulary import Vocabulary, fault_of  # few models have one

    if fault := fault_of(found):
        raise ModelFileError(f"its vocabulary needs {fault}; convert the model again.")
    return Vocabulary(**found)


def _statistics(found: dict[str, Any]) -> Any:
    from ..statistics import InputStatistics, fault_of  # few models have them

    if fault := fault_of(found):
        raise ModelFileError(f"its input statistics need {fault}; convert the model again.")
    return InputStatistics(**found)


def _replay(model: Model) -> None:
    """Step the probe through the reference and compare."""
    assert model.probe is not None
    expected = model.probe.outputs  # (answers, output_size)
    with np.errstate(all="ignore"):
        difference = np.abs(reference.run(model, model.probe.inputs) - expected) / np.maximum(1, np.abs(expected))
    worst = difference.max(axis=1)  # (answers,)
    if (bad := np.flatnonzero(~(worst <= PROBE_LIMIT))).size:
        step = rates.step_of(int(bad[0]), model.output_wire.every, model.output_wire.first)
        raise ModelFileError(
            f"does not reproduce its probe from {printable(model.probe.source, 60)}: "
            f"step {step} differs by {worst[bad[0]]:.2g} (limit {PROBE_LIMIT:g}). Convert it again; verify=False loads it as it is."
        )
