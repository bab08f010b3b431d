"""Named tensors before they are modules: which memory each one is, and weights that are stored in two parts and are one product."""

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError, UnsupportedModelError


class Named(Protocol):
    """An array, or a tensor that becomes one by ``np.asarray``."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> "np.dtype[np.generic]": ...
    def __array__(self) -> "NDArray[np.generic]": ...


def place(tensor: Named) -> Hashable:
    """What tells one memory from another: two names with the same place are the same numbers."""
    if isinstance(tensor, np.ndarray):
        return tensor.__array_interface__["data"][0], tensor.shape, tensor.strides, tensor.dtype.str
    found: Hashable = getattr(tensor, "place", id(tensor))
    return found


@dataclass(frozen=True, eq=False)
class Product:
    """A weight of two stored parts, multiplied when it becomes an array."""

    rule: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
    size: Named
    direction: Named

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.direction.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.direction.dtype)

    @property
    def place(self) -> Hashable:
        return self.rule.__name__, place(self.size), place(self.direction)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        parts = [np.asarray(part).astype(np.float64) for part in (self.size, self.direction)]
        return self.rule(*parts).astype(dtype or self.dtype)


def pruned(weight: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """``torch.nn.utils.prune``."""
    product: NDArray[Any] = weight * mask
    return product


def weight_normed(g: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """``torch.nn.utils.weight_norm``: ``g * v / |v|``, the norm over the dimensions that `g` lacks."""
    axes = tuple(axis for axis in range(v.ndim) if not g.ndim or g.shape[axis] == 1)
    with np.errstate(all="ignore"):  # a row of zeros becomes NaN, which the record refuses
        product: NDArray[Any] = g * v / np.sqrt(np.sum(v * v, axis=axes, keepdims=True))
    return product


#: How parts are named, what makes one weight of them, and what the weight is called.
_PARTS = (
    (re.compile(r"(.+)_orig"), r"\1_mask", pruned, r"\1"),
    (re.compile(r"(.+)_g"), r"\1_v", weight_normed, r"\1"),
    (re.compile(r"((?:.+\.)?)parametrizations\.([^.]+)\.original0"), r"\1parametrizations.\2.original1", weight_normed, r"\1\2"),
)


def assembled(tensors: Mapping[str, Named]) -> dict[str, Named]:
    """`tensors` with the parts of pruned and of weight-normed weights replaced by their products.

    Raises
    ------
    UnsupportedModelError
        If a weight stands in parts of another kind, by the kind's name.
    ShapeError
        If two parts do not fit together.
    """
    found = dict(tensors)
    while pair := next(filter(None, (_pair(name, found) for name in found)), None):
        rule, whole, first, second = pair
        if whole in found:
            raise UnsupportedModelError(f"holds {whole!r} and its parts {first!r} and {second!r} too; save one of the two.")
        product = Product(rule, found[first], found[second])
        found = {whole if name == first else name: product if name == first else t for name, t in found.items() if name != second}
    _refuse_other_parts(found)
    return found


def _pair(name: str, tensors: Mapping[str, Named]) -> tuple[Any, str, str, str] | None:
    for pattern, other, rule, whole in _PARTS:
        match = pattern.fullmatch(name)
        if match is None or (second := match.expand(other)) not in tensors:
            continue
        group = name.removesuffix("original0")
        if group != name and sum(key.startswith(group) for key in tensors) > 2:
            return None  # one parametrization upon another
        first, last = tensors[name].shape, tensors[second].shape
        if rule is weight_normed and not _is_norm_of(first, last):
            return None
        if rule is pruned and first != last:
            raise ShapeError(f"{name!r} has shape {first} and its mask {last}; they must be equal.")
        return rule, match.expand(whole), name, second
    return None


def _is_norm_of(g: tuple[int, ...], v: tuple[int, ...]) -> bool:
    """Whether `g` is as long as `v` in at most one dimension, and 1 in the others."""
    if not g or not v:
        return bool(v)
    return len(g) == len(v) and all(a in (1, b) for a, b in zip(g, v, strict=True)) and sum(a != 1 for a in g) <= 1


_PARAMETRIZED = re.compile(r"((?:.+\.)?)parametrizations\.([^.]+)\.")


def _refuse_other_parts(tensors: Mapping[str, Named]) -> None:
    for name in tensors:
        stem, _, part = name.rpartition("_")
        weight = stem.rpartition(".")[2]
        if match := _PARAMETRIZED.match(name):
            inside = {key.removeprefix(match[0]) for key in tensors if key.startswith(match[0])}
            kind = "spectral norm" if "0._u" in inside else "an orthogonal parametrization" if "0.base" in inside else "a parametrization"
            raise _in_parts(name, kind, f"call torch.nn.utils.parametrize.remove_parametrizations(module, {match[2]!r})")
        if part in ("orig", "u", "v") and {f"{stem}_orig", f"{stem}_u"} <= set(tensors):
            raise _in_parts(name, "spectral norm", f"call torch.nn.utils.remove_spectral_norm(module, {weight!r})")
        if part in ("orig", "mask") and weight.startswith(("weight", "bias")):
            raise _in_parts(name, "pruning, with its other part missing", f"call torch.nn.utils.prune.remove(module, {weight!r})")
        if part == "raw" and weight.startswith(("weight", "bias")):
            raise weight_drop(name)
        if part in ("g", "v") and weight.startswith("weight"):
            raise _in_parts(name, "weight norm of another form", f"call torch.nn.utils.remove_weight_norm(module, {weight!r})")


def weight_drop(name: str) -> UnsupportedModelError:
    """Why the weight whose trained numbers are `name` is not taken: what stands beside them is a copy of an old training step."""
    weight = name.rpartition(".")[2].removesuffix("_raw")
    return _in_parts(name, "weight drop", f"call setattr(lstm, {weight!r}, torch.nn.Parameter(wrapper.{weight}_raw.detach()))")


def _in_parts(name: str, kind: str, call: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"tensor {name!r} is a part of a weight under {kind}, which is not imported; {call}, then save again.")
