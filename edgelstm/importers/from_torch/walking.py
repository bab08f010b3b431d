"""Every dict of named tensors in what ``torch.save`` was given. Which of them is the model is `state_dict`'s part."""

from collections import deque
from typing import Any

import numpy as np

from ...errors import ModelFileError
from ..pickles.names import is_near, refusal
from ..pickles.reader import Inert, Made
from . import quantised
from .tensors import Named
from .whole import Settings, is_module, opened

#: How deep a checkpoint is searched for dicts with tensors.
_MAX_DEPTH = 8


class Walk:
    """Every dict that directly holds tensors, by the dotted path that leads to it, and what is no tensor but may be missed.

    A dict reached twice counts once. Counters and the extra state of modules are no weights.
    """

    def __init__(self, checkpoint: object) -> None:
        self.groups: dict[str, dict[str, Named]] = {}
        self.settings: dict[str, Settings] = {}
        self.whole: set[str] = set()
        self.foreign: dict[str, str] = {}
        seen: set[int] = set()
        waiting: deque[tuple[str, int, object]] = deque([("", 0, checkpoint)])
        while waiting:
            path, depth, node = waiting.popleft()
            if not (isinstance(node, dict | list | tuple) or is_module(node)) or id(node) in seen or depth > _MAX_DEPTH:
                continue
            seen.add(id(node))
            plain = self._opened(path, node) if is_module(node) else node
            items = _items(quantised.unpacked(plain) if isinstance(plain, dict) else plain)
            if {"state", "param_groups"} <= set(items):
                continue
            tensors: dict[str, Named] = {n: value for n, value in items.items() if hasattr(value, "__array__")}  # type: ignore[misc]
            if weights := {name: tensor for name, tensor in tensors.items() if not _is_no_weight(name, tensor)}:
                self.groups[path] = weights
            for name, value in items.items():
                if is_module(value):
                    continue
                if isinstance(value, Inert) and is_near(value.name):
                    raise ModelFileError(refusal(value.name))
                if isinstance(value, Inert) and (value.is_data or value.is_foreign):
                    self.foreign[joined(path, name)] = value.name
            waiting.extend((joined(path, name), depth + 1, value) for name, value in items.items())

    def _opened(self, path: str, module: Made) -> dict[object, Any]:
        """The state_dict of a module that lies whole at `path`, whose settings are kept."""
        tensors, settings = opened(module)
        self.settings |= {joined(path, name): one for name, one in settings.items()}
        self.whole.add(path)
        return tensors

    def every(self) -> dict[str, Named]:
        """All tensors by their full names."""
        found = {joined(path, name): tensor for path, group in self.groups.items() for name, tensor in group.items()}
        if len(found) != sum(map(len, self.groups.values())):
            raise ModelFileError("has two tensors of one name; save only the model's state_dict.")
        return found


def _items(node: Any) -> dict[str, object]:
    """What may be a weight, or hold some, by its name. Of vocabularies and settings, which hold neither, names are not looked at."""
    pairs = [(key, value) for key, value in (node.items() if isinstance(node, dict) else enumerate(node)) if _may_hold_weights(value)]
    items = {_text(key) if hasattr(value, "__array__") else _shown(key): value for key, value in pairs}
    if len(items) != len(pairs):
        raise ModelFileError("has two entries of one name; save only the model's state_dict.")
    return items


def _may_hold_weights(value: object) -> bool:
    return hasattr(value, "__array__") or isinstance(value, dict | list | tuple | Inert)


def _is_no_weight(name: str, value: Named) -> bool:
    """Counters, flags and what modules keep for themselves; the counter of a BatchNorm tells what its module is."""
    last = name.rpartition(".")[2]
    counter = not value.shape and np.dtype(value.dtype).kind in "iub" and last != "num_batches_tracked"
    return last == "_extra_state" or counter


def joined(path: str, name: str) -> str:
    return f"{path}.{name}".removeprefix(".")


def _shown(key: object) -> str:
    """A name that leads to weights at most, whatever it is."""
    text = str(key)
    return text if text.isprintable() else ascii(text)


def _text(key: object) -> str:
    text = str(key)
    if not text.isprintable() or len(text) > 1000:
        raise ModelFileError(f"has the name {text[:40]!r}, which is no ordinary text; save the model's state_dict again.")
    return text
