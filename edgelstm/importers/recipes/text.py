"""The text of a recipe: its layers in order, each with its kind and what it takes. It knows no tensors.

A recipe is TOML. At the top, ``layout`` says whose names and layouts the tensors have, and ``without`` names tensors or beginnings of names
that are left out. Each ``[[layers]]`` has a ``kind``; what else it may have, `build` tells.
"""

import os
import tomllib
from dataclasses import dataclass
from typing import Any

from ...errors import ModelFileError, UsageError, printable
from ...files import container

#: Longest recipe that is read.
_MAX_BYTES = 1 << 20

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


def read(path: str | os.PathLike[str]) -> Recipe:
    """The recipe in a file.

    Raises
    ------
    ModelFileError
        If the file is not there, too long or no TOML.
    UsageError
        If it says what no recipe says.
    """
    path = container.path_text(path)
    with container.about(path), container.open_file(path) as file:
        data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ModelFileError(f"is a recipe of more than {_MAX_BYTES} bytes.")
        return parse(data)


def parse(data: bytes) -> Recipe:
    """The recipe in the bytes of a TOML file. Errors as `read`."""
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
    return Recipe(layout, tuple(without), tuple(_step(index, layer) for index, layer in enumerate(layers, 1)))


def _step(index: int, layer: dict[str, Any]) -> Step:
    kind = layer.get("kind")
    if not isinstance(kind, str) or not kind:
        raise UsageError(f'layer {index} of the recipe has no kind; write for example kind = "lstm".')
    said = {name: value for name, value in layer.items() if name != "kind"}
    if long := next((name for name in said if len(name) > 60 or not name.isprintable()), None):
        raise UsageError(f"layer {index} of the recipe has {printable(long, 60)!r}, which no layer has.")
    return Step(f"layer {index} of the recipe ({printable(kind, 40)})", kind, said)
