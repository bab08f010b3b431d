"""TorchScript archives: the tree of module objects with their tensors, and the text of the code. Nothing of it is executed.

Source: ``torch/csrc/jit/serialization``: objects are pickled by the names of their classes, ``__torch__.…``; the text of each class lies in
``code/``. A method is looked up there as text, and read by `script`.
"""

import ast
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from ...errors import ModelFileError, printable
from ..from_torch import archive, quantised
from ..pickles.reader import Thing

#: Longest text of all code.
_MAX_CODE = 1 << 20

#: Deepest nesting of what a module was traced with.
_DEEPEST = 4

#: Names that only say the type of what they are given.
_TYPES = ("restore_type_tag", "build_tensorlist", "build_intlist", "build_doublelist", "build_boollist")
_BUILDERS: dict[str, Callable[..., object]] = {f"torch.jit._pickle.{name}": lambda value, *_: value for name in _TYPES}


class Given(NamedTuple):
    """A tensor that a module was traced with: "int" or "float", and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Script:
    """A module and the code of its classes.

    Parameters
    ----------
    root : Thing
        The module, whose state holds tensors, numbers and other modules.
    code : dict of str to ast.Module
        By the name of a Python module, ``__torch__.torch.nn.modules.rnn``, its parsed text.
    constants : sequence
        Tensors that the code calls ``CONSTANTS.c0`` and so on.
    traced : tuple of Given
        The tensors by which the module was traced; empty where it was not.
    """

    root: Thing
    code: dict[str, ast.Module]
    constants: Sequence[Any] = ()
    traced: tuple[Given, ...] = ()

    def tensors(self) -> dict[str, Any]:
        """The tensors of all modules by their dotted names, as its state_dict has them."""
        return dict(_tensors(self.root, "", 0))


def _tensors(module: Thing, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > 40:
        raise ModelFileError("nests modules deeper than 40.")
    for name, value in module.state.items():
        if isinstance(value, Thing):
            yield from _tensors(value, f"{path}{name}.", depth + 1)
        elif isinstance(value, archive.Tensor):
            yield f"{path}{name}", value
        elif isinstance(value, quantised.Packed):
            parts = quantised.linear(value)[:1] if isinstance(value.state, tuple) and len(value.state) == 2 else quantised.cell(value)
            yield from ((f"{path}{kind}", part) for kind, part in zip(("weight", "weight_hh_l0", "bias", "bias_hh"), parts, strict=False))


def read(file: BinaryIO) -> Script:
    """The module in a file at its beginning. Its tensors can become arrays as long as `file` is open.

    Raises
    ------
    ModelFileError
        If the archive is damaged, hostile, or holds no module.
    """
    with archive.damage():
        zipped = zipfile.ZipFile(file)
        entries = {entry.filename: entry for entry in zipped.infolist()}
        roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
        if len(roots) != 1 or len(entries) != len(zipped.infolist()):
            raise ModelFileError("is a zip without exactly one data.pkl, or with doubled entries; save it again with torch.jit.save.")
        root = roots[0]
        code = {name: entry for name, entry in entries.items() if name.startswith(f"{root}code/") and name.endswith(".py")}
        others = [entry for name, entry in entries.items() if not name.startswith((f"{root}code/", f"{root}extra/"))]
        if sum(entry.file_size for entry in code.values()) > _MAX_CODE:
            raise ModelFileError(f"its code is longer than {_MAX_CODE} bytes; edgelstm reads no such models.")
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size for entry in others):
            raise ModelFileError("keeps its data compressed, which torch.jit.save never does; save it again.")
        if sum(entry.file_size for entry in others) > file.seek(0, io.SEEK_END):
            raise ModelFileError("its zip entries are larger than the file; it is damaged, save it again.")
        value = archive.unpickled(zipped, entries, root, _BUILDERS, "__torch__.")
        constants = (
            archive.unpickled(zipped, entries, root, _BUILDERS, "__torch__.", "constants") if f"{root}constants.pkl" in entries else ()
        )
        traced: object = None
        if f"{root}traced_inputs.pkl" in entries:
            shapes = archive.reader(lambda *_: bytes, _BUILDERS, "__torch__.")  # the numbers are never read
            traced = shapes.read(io.BytesIO(zipped.read(f"{root}traced_inputs.pkl")))
        texts = {name: zipped.read(entry) for name, entry in code.items()}
    if not isinstance(value, Thing):
        raise ModelFileError("holds no module of TorchScript.")
    code_of = {_module(name, root): _parsed(text) for name, text in texts.items()}
    return Script(value, code_of, constants if isinstance(constants, tuple | list) else (), tuple(_given(traced)))


def _given(traced: object, depth: int = 0) -> Iterator[Given]:
    """The tensors in what a module was traced with, in their order."""
    if isinstance(traced, archive.Tensor):
        yield Given("float" if traced.dtype.kind == "f" else "int", tuple(traced.shape))
    elif isinstance(traced, dict | list | tuple) and depth < _DEEPEST:
        for value in traced.values() if isinstance(traced, dict) else traced:
            yield from _given(value, depth + 1)


def _module(name: str, root: str) -> str:
    return name.removeprefix(f"{root}code/").removesuffix(".py").replace("/", ".")


def _parsed(text: bytes) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise ModelFileError(f"its code is damaged ({printable(problem, 100)}); copy or save the file again.") from None
