"""Where TensorFlow's Keras 2 keeps arrays in `.keras` and `.weights.h5`, as Keras 3 names these places.

Up to TensorFlow 2.14 a model's layers lie in ``_layer_checkpoint_dependencies``, where a number counts each layer that has weights twice.
On Windows the names of nested groups are joined by backslashes. An attention's products begin with an underscore.
"""

import re
from collections import defaultdict

from ...errors import ModelFileError
from ..hdf5 import Group

#: What holds a model's layers, of old and today.
_OLD, _TODAY = "_layer_checkpoint_dependencies", "layers"

#: The most groups in groups that a model makes sense with.
_DEEPEST = 64

_PRODUCTS = re.compile(r"_((query|key|value|output)_dense)")

_Parts = tuple[str, ...]


def laid_out(root: Group) -> Group:
    """The same arrays under today's names.

    Raises
    ------
    ModelFileError
        If two have one name then.
    """
    old = {path: _parts(path) for path in root.walk()}
    if not any(_OLD in parts or len(parts) > path.count("/") + 1 or any(map(_PRODUCTS.fullmatch, parts)) for path, parts in old.items()):
        return root
    known = {parts[:end] for path in (*old, *root.groups()) for parts in [_parts(path)] for end in range(1, len(parts) + 1)}
    numbers = _numbers(known)
    places = {"/".join(_today(parts, numbers)): path for path, parts in old.items()}
    if len(places) != len(old):
        raise ModelFileError("holds two arrays at one place; the file is damaged, save the model again.")
    return root.moved(places)


def _parts(path: str) -> _Parts:
    parts = tuple(re.split(r"[/\\]", path))
    return parts if len(parts) <= _DEEPEST else tuple(path.split("/"))


def _numbers(known: set[_Parts]) -> dict[_Parts, str]:
    """Names of the layers in groups of old: the same classes, counted one by one."""
    alike: dict[tuple[_Parts, str], list[tuple[int, _Parts]]] = defaultdict(list)
    for parts in known:
        if parts[-2:-1] == (_OLD,):
            word, _, number = parts[-1].rpartition("_")
            found = (word, int(number)) if word and re.fullmatch("[0-9]{1,6}", number) else (parts[-1], 0)
            alike[parts[:-1], found[0]].append((found[1], parts))
    return {
        parts: f"{word}_{rank}" if rank else word for (_, word), places in alike.items() for rank, (_, parts) in enumerate(sorted(places))
    }


def _today(parts: _Parts, numbers: dict[_Parts, str]) -> list[str]:
    found = []
    for end, part in enumerate(parts, 1):
        product = _PRODUCTS.fullmatch(part)
        found.append(_TODAY if part == _OLD else product[1] if product else numbers.get(parts[:end], part))
    return found
