"""What a library says of itself, as JSON: read when asked for, since parsing costs more than loading. The standard library alone."""

import json

from .library_file import SNAPSHOT_FRAME, refuse
from .sizes import Sizes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def info_of(path: str, text: bytes) -> "dict[str, Any]":
    """What the library of a path says of itself, out of its JSON text; any of it may be missing or odd.

    Raises
    ------
    LibraryError
        If it is no JSON object.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        refuse(f"{path} does not say what it is. Build it again.")
    return said


def sound_info(path: str, text: bytes, sizes: Sizes) -> "dict[str, Any]":
    """The same, all of it there and in agreement with what the code is.

    Raises
    ------
    LibraryError
        If it is no such text, or lacks something.
    """
    said = info_of(path, text)
    for name, fits in (_SAID | (_RECORDING if sizes.reads_recordings else _STEPPING)).items():
        if name not in said or not fits(said[name], sizes):
            refuse(f"{path} does not say what its {name} is. Build it again.")
    return said


def _text(value: object, _sizes: Sizes) -> bool:
    return isinstance(value, str)


def _count(value: object, _sizes: Sizes) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _names(value: object, count: int) -> bool:
    return isinstance(value, list) and len(value) in (0, count) and all(isinstance(name, str) for name in value)


def _layers(value: object, sizes: Sizes) -> bool:
    wanted = {"name": _text, "kind": _text, "output_size": _count}
    layers = value if isinstance(value, list) else [None]
    return all(isinstance(layer, dict) and all(fits(layer.get(name), sizes) for name, fits in wanted.items()) for layer in layers)


#: What every library says of itself, and whether a value fits.
_SAID: "dict[str, Callable[[Any, Sizes], bool]]" = {
    **dict.fromkeys(("target", "cpu", "features", "scheme", "digest", "edgelstm"), _text),
    **dict.fromkeys(("abi", "weight_bytes"), _count),
    "input_size": lambda value, sizes: value == sizes.input_size,
    "output_size": lambda value, sizes: value == sizes.output_size,
    "arena_bytes": lambda value, sizes: value == sizes.arena_bytes,
    "vocabulary_size": lambda value, sizes: (value or 0) == sizes.vocabulary,
    "input_names": lambda value, sizes: _names(value, sizes.input_size),
    "labels": lambda value, sizes: _names(value, sizes.output_size),
    "rate_hz": lambda value, _sizes: value is None or type(value) in (int, float),
    "layers": _layers,
}

#: What one says beside that whose model steps, and one that answers whole recordings.
_STEPPING: "dict[str, Callable[[Any, Sizes], bool]]" = {"snapshot_bytes": lambda value, sizes: value == sizes.state_bytes + SNAPSHOT_FRAME}
_RECORDING: "dict[str, Callable[[Any, Sizes], bool]]" = {"row_bytes": lambda value, sizes: value == sizes.row_bytes, "reads": _text}
