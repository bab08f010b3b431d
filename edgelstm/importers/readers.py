"""Who reads a file of each format, as `sniff` calls it, and what a user may say of one."""

from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO, NamedTuple

from ..errors import UsageError, printable
from ..model import Model

#: What options look like whose text has parts.
_AS_TEXT = {
    "layers": '"lstm, fc1:relu, fc2"',
    "prefix": '"encoder.rnn"',
    "without": '"aux, loss.weight"',
    "sizes": '"input=1x576, sr=16000"',
}


class Asked(NamedTuple):
    """What the user said of a file: see `import_file`. Errors spell these as Python does, ``layers="…"``."""

    layers: str | None = None
    prefix: str | None = None
    without: str | None = None
    recurrent_activation: str | None = None
    sizes: str | None = None

    def check(self) -> None:
        """Raise UsageError if something was said otherwise than in text."""
        for option, value in self._asdict().items():
            if value is not None and not isinstance(value, str):
                example = _AS_TEXT.get(option, "a name")
                raise UsageError(f"{option} is text, as in {option}={example}; got {printable(repr(value), 60)}.")

    def refuse(self) -> None:
        """Raise UsageError if something was said of a file of which nothing is to be said."""
        for option, value in self._asdict().items():
            if value is not None:
                raise UsageError(f'says itself what its layers are; leave out {option}="{value}".')


def from_checkpoint(checkpoint: object, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    """The model in a state_dict, or in dicts and lists around one, with its chain and notes."""
    from .bags import flax
    from .from_torch.chains import from_torch
    from .from_torch.modules import FLAX, TORCH
    from .from_torch.state_dict import chosen

    asked.check()
    found = chosen(checkpoint, asked.prefix, asked.without)
    tensors, framework = (flax.translated(found.tensors), FLAX) if flax.is_flax(found.tensors) else (found.tensors, TORCH)
    model, order, notes = from_torch(tensors, asked.layers, source=source, framework=framework, holds=found.holds, settings=found.settings)
    return model, order, [*found.notes, *notes, *found.beside(model.input_size)]


def _bag(name: str) -> Callable[[BinaryIO, Asked, str], tuple[Model, str, list[str]]]:
    """The reader of a format that holds named tensors, by the file that reads them."""

    def read(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
        return from_checkpoint(import_module(f"{__package__}.{name}").read(file), asked, source)

    return read


def _numpy_pickle(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .bags.flax import is_flax
    from .from_torch.state_dict import tensors_of
    from .pickles.arrays import read

    value = read(file)
    tensors = tensors_of(value)
    return from_checkpoint(tensors if is_flax(tensors) else value, asked, source)


def _msgpack(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .bags.msgpack_file import read
    from .from_torch.state_dict import tensors_of

    return from_checkpoint(tensors_of(read(file.read())), asked, source)


def _tflite(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .from_tflite.chains import from_tflite
    from .from_tflite.file import read

    for name in ("prefix", "without"):
        if value := getattr(asked, name):
            raise UsageError(f'is a graph and has no prefixes or names to leave out ({name}="{value}"); choose a part of it by layers="…".')
    return from_tflite(read(file.read()), asked.layers, source=source)


def _tensorflow(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .from_onnx.chains import from_onnx
    from .from_tensorflow.file import read
    from .from_tensorflow.program import program

    asked._replace(sizes=None).refuse()
    graph, notes = program(read(file))
    model, made, more = from_onnx(graph, sizes=asked.sizes, source=source)
    return model, made, [*notes, *more]


def _saved(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .from_onnx.chains import from_onnx
    from .from_tensorflow.program import program
    from .from_tensorflow.saved import read

    asked._replace(sizes=None).refuse()
    saved = read(file)
    graph, notes = program(saved.graph, saved.outputs)
    model, made, more = from_onnx(graph, sizes=asked.sizes, source=source)
    return model, made, [*notes, *more]


def _exported(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .aten.exported import read
    from .from_onnx.chains import from_onnx

    asked._replace(sizes=None).refuse()
    return from_onnx(read(file), sizes=asked.sizes, source=source)


def _script(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .aten.script_archive import read
    from .aten.script_model import from_script

    script = read(file)
    if any(value is not None for value in asked._replace(sizes=None)):
        return from_checkpoint(script.tensors(), asked, source)
    return from_script(script, source, asked.sizes)


def _madmom(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .from_madmom.network import from_madmom
    from .from_madmom.pickle_file import read

    asked.refuse()
    return from_madmom(read(file), source)


def _onnx(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .from_onnx.chains import from_onnx
    from .from_onnx.file import read

    for name in ("prefix", "without"):
        if value := getattr(asked, name):
            raise UsageError(f'is a graph and has no prefixes or names to leave out ({name}="{value}").')
    return from_onnx(read(file), asked.layers, sizes=asked.sizes, source=source)


def _keras(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .from_keras.read import from_keras

    return from_keras(file, asked, source)


def _shards(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
    from .from_keras.shards import from_shards

    return from_shards(file, asked, source)


def _json(name: str) -> Callable[[BinaryIO, Asked, str], tuple[Model, str, list[str]]]:
    """The reader of a JSON format, by the file that tells what stands in it."""

    def read(file: BinaryIO, asked: Asked, source: str) -> tuple[Model, str, list[str]]:
        from .json_parts import document

        asked.refuse()
        return import_module(f"{__package__}.{name}").read(document(file), source)  # type: ignore[no-any-return]

    return read


#: Every format that is read, as `sniff` calls it, and who reads a file at its beginning.
READERS: dict[str, Callable[[BinaryIO, Asked, str], tuple[Model, str, list[str]]]] = {
    "PyTorch": _bag("from_torch.archive"),
    "safetensors": _bag("from_torch.safetensors_file"),
    "TensorFlow Lite": _tflite,
    "TensorFlow (frozen .pb)": _tensorflow,
    "TensorFlow SavedModel": _saved,
    "torch.export": _exported,
    "TorchScript": _script,
    "NumPy (npz)": _bag("bags.npz"),
    "NumPy (pickle)": _numpy_pickle,
    "Flax (MessagePack)": _msgpack,
    "JSON (named arrays)": _bag("bags.json_file"),
    "madmom (pickle)": _madmom,
    "ONNX": _onnx,
    "Keras (HDF5)": _keras,
    "Keras (.keras)": _keras,
    "TensorFlow.js (JSON)": _shards,
    "Neural Amp Modeler (.nam)": _json("from_audio_json.nam"),
    "GuitarML (JSON)": _json("from_audio_json.guitarml"),
    "ICU word segmentation (JSON)": _json("from_icu.segmenter"),
    "RTNeural (JSON)": _json("from_audio_json.rtneural"),
}

#: The formats of which `sizes` may be said.
GRAPHS = ("ONNX", "torch.export", "TorchScript", "TensorFlow (frozen .pb)", "TensorFlow SavedModel")
