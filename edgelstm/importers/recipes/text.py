"""The text of a recipe: its layers in order, each with its kind and what it takes. It knows no tensors.

A recipe is TOML. At the top, ``layout`` says whose names and layouts the tensors have, and ``without`` names tensors or beginnings of names
that are left out; a ``*`` in one stands for any text. Each ``[[layers]]`` has a ``kind``; what else it may have, `build` tells.
"""

import os
import re
import tomllib
from dataclasses import dataclass
from typing import Any

from ...errors import ModelFileError, UsageError, printable
from ...files import container

#: Longest recipe that is read.
_MAX_BYTES = 1 << 20

#: Most parts, between dots, of a name, on which the reader of TOML takes time by their square; and what stands in no name.
_MOST_PARTS, _NO_NAME = 60, re.compile(rb"[^\w.\"' \t-]+|\.{2,}")

#: Whose names and layouts the tensors of a file have.
LAYOUTS = ("torch", "keras", "tf1")

_TOP = ("layout", "without", "layers")


@dataclass(frozen=True)
class Step:
    """One of the layers: what errors call it, its kind, and everything else that was said of it."""

    place: str
    kind: str
    said: dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """What was read.

    Parameters
    ----------
    layout : str
        One of `LAYOUTS`.
    without : tuple of str
        Names of tensors, or beginnings of names.
    steps : tuple of Step
    """

    layout: str
    without: tuple[str, ...]
    steps: tuple[Step, ...]


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a recipe.

    Raises
    ------
    ModelFileError
        If the file is not there, or too long.
    """
    path = container.path_text(path)
    with container.about(path), container.open_file(path) as file:
        data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ModelFileError(f"is a recipe of more than {_MAX_BYTES} bytes.")
        return data


def is_keras(data: bytes) -> bool:
    """Whether the bytes are a description of Keras, ``model.to_json()``, in place of TOML."""
    return data.lstrip().startswith(b"{")


def parse(data: bytes) -> Recipe:
    """The recipe in the bytes of a TOML file.

    Raises
    ------
    ModelFileError
        If they are no TOML.
    UsageError
        If they say what no recipe says.
    """
    if any(part.count(b".") > _MOST_PARTS for part in _NO_NAME.split(data)):
        raise ModelFileError(f"is no recipe: it has a name of more than {_MOST_PARTS} parts.")
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as problem:
        raise ModelFileError(f"is no recipe, which is a TOML file ({printable(problem, 200)}).") from None
    if unknown := sorted(set(document) - set(_TOP)):
        raise UsageError(f"the recipe has {printable(unknown[0], 60)!r}; it may have {', '.join(_TOP)}.")
    layout = document.get("layout", "torch")
    if layout not in LAYOUTS:
        raise UsageError(f"layout must be one of {', '.join(LAYOUTS)}; got {printable(repr(layout), 60)}.")
    without = document.get("without", [])
    if not isinstance(without, list) or not all(isinstance(name, str) and name for name in without):
        raise UsageError(f"without must be a list of names; got {printable(repr(without), 60)}.")
    layers = document.get("layers")
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise UsageError("a recipe needs its layers, each as a table [[layers]] with a kind.")
    lines = _lines(data.decode(), len(layers))
    return Recipe(layout, tuple(without), tuple(_step(index, *found) for index, found in enumerate(zip(layers, lines, strict=True), 1)))


def _lines(text: str, count: int) -> list[int | None]:
    """The lines on which the `count` layers begin, counted from 1; None where they are not told by lines of ``[[layers]]``."""
    found = [number for number, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*layers\s*\]\]", line)]
    return [*found] if len(found) == count else [None] * count


def _step(index: int, layer: dict[str, Any], line: int | None) -> Step:
    place, at = f"layer {index} of the recipe", [f"line {line}"] if line else []
    kind = layer.get("kind")
    if not isinstance(kind, str) or not kind:
        raise UsageError(f'{place} has no kind; write for example kind = "lstm".')
    said = {name: value for name, value in layer.items() if name != "kind"}
    if long := next((name for name in said if len(name) > 60 or not name.isprintable()), None):
        raise UsageError(f"{place} has {printable(long, 60)!r}, which no layer has.")
    return Step(f"{place} ({', '.join([printable(kind, 40), *at])})", kind, said)
