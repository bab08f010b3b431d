"""Finding the model in a checkpoint: one dict of named tensors out of whatever ``torch.save`` was given.

What the names mean is `from_torch`'s part.
"""

from collections import deque
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, UnsupportedModelError, UsageError

#: How deep a checkpoint is searched for dicts with tensors.
_MAX_DEPTH = 8

#: What wrappers (DataParallel, torch.compile, Lightning) put before all names.
WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.")


class Named(Protocol):
    """An array, or a tensor that becomes one by ``np.asarray``."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> "np.dtype[np.generic]": ...
    def __array__(self) -> "NDArray[np.generic]": ...


def named_tensors(checkpoint: object, prefix: str | None = None) -> dict[str, Named]:
    """The tensors of the model in `checkpoint`, by name, without what wrappers put before the names.

    Parameters
    ----------
    checkpoint : dict
        A state_dict, or dicts and lists around one. Optimizer states are passed over.
    prefix : str, optional
        Where the model is, as dotted names lead to it. Empty: all tensors are the model's. Default: the one dict with weights.

    Raises
    ------
    ModelFileError
        If there are no weights.
    UnsupportedModelError
        If several dicts hold weights and `prefix` does not choose.
    UsageError
        If there is nothing under `prefix`.
    """
    groups = dict(_groups(checkpoint))
    if not any(map(_has_weights, groups.values())):
        raise ModelFileError("holds no dict of named weights; write one with torch.save(model.state_dict(), path).")
    if prefix is None:
        return _unwrapped(_only(groups))
    prefix = prefix.rstrip(".")
    every = {f"{path}.{name}".removeprefix("."): tensor for path, group in groups.items() for name, tensor in group.items()}
    if len(every) != sum(map(len, groups.values())):
        raise ModelFileError("has two tensors of one name; save only the model's state_dict.")
    chosen = {
        name.removeprefix(f"{prefix}.") if prefix else name: t for name, t in every.items() if not prefix or name.startswith(f"{prefix}.")
    }
    if not chosen:
        raise UsageError(f"has nothing under the prefix {prefix!r}; it holds {listed(list(every))}.")
    return _unwrapped(chosen)


def _groups(checkpoint: object) -> Iterator[tuple[str, dict[str, Named]]]:
    """Every dict that directly holds tensors, with the dotted path that leads to it. A dict reached twice counts once."""
    seen: set[int] = set()
    waiting: deque[tuple[str, int, object]] = deque([("", 0, checkpoint)])
    while waiting:
        path, depth, node = waiting.popleft()
        if not isinstance(node, dict | list | tuple) or id(node) in seen or depth > _MAX_DEPTH:
            continue
        seen.add(id(node))
        items = {_text(key): value for key, value in (node.items() if isinstance(node, dict) else enumerate(node))}
        if {"state", "param_groups"} <= set(items):
            continue
        if tensors := {name: value for name, value in items.items() if hasattr(value, "__array__")}:
            yield path, tensors
        waiting.extend((f"{path}.{name}".removeprefix("."), depth + 1, value) for name, value in items.items())


def _text(key: object) -> str:
    text = str(key)
    if not text.isprintable() or len(text) > 1000:
        raise ModelFileError(f"has the name {text[:40]!r}, which is no ordinary text; save the model's state_dict again.")
    return text


def _has_weights(group: dict[str, Named]) -> bool:
    return any(len(tensor.shape) > 1 and np.dtype(tensor.dtype).kind == "f" for tensor in group.values())


def _only(groups: dict[str, dict[str, Named]]) -> dict[str, Named]:
    with_weights = [path for path, group in groups.items() if _has_weights(group)]
    if len(with_weights) > 1:
        raise UnsupportedModelError(
            f"holds weights in several places: {listed([path or 'its top' for path in with_weights])}. "
            "Name the model's by a prefix (--prefix NAME), or give an empty one to take all together."
        )
    return groups[with_weights[0]]


def _unwrapped(tensors: dict[str, Named]) -> dict[str, Named]:
    """Without the wrappers' part of the names, as long as a module's name is left."""
    while wrapper := next((w for w in WRAPPERS if all(name.startswith(w) and "." in name[len(w) :] for name in tensors)), None):
        tensors = {name.removeprefix(wrapper): tensor for name, tensor in tensors.items()}
    return tensors


def listed(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
