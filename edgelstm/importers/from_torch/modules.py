"""The modules of a PyTorch state_dict, each with its tensors.

What each is, `kinds` tells; their records are made by `records` and `recurrent`; their order is `chains`' part.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from .kinds import GATES, kind_of, refusal
from .tensors import Named
from .whole import Settings, behind, check, following

#: Names of a learned state before the first step.
INITIAL = {"h0": "h0", "h_0": "h0", "c0": "c0", "c_0": "c0"}

#: A scaler's buffers beside other tensors: what is before the underscore becomes a module.
_SCALER = re.compile(r"(.+)_(mean|std|scale)")


class Framework(NamedTuple):
    """Whose names and defaults a file has: what it adds to the variance in its norms, which no tensor tells."""

    name: str
    layer_norm: float
    batch_norm: float


TORCH = Framework("PyTorch", 1e-5, 1e-5)
FLAX = Framework("Flax", 1e-6, 1e-5)


@dataclass(frozen=True, eq=False)
class Module:
    """A module with tensors, of a kind that `kinds.kind_of` gives.

    `path` is where the file has it, `name` how a chain calls it; `tensors` is by the names within the module, which follow `path`
    behind a `joint`. `initial` holds a learned ``h0`` and ``c0``, by these names; `after` the functions that certainly stand
    behind it, and `behind` the path of the module that it certainly follows.
    """

    path: str
    name: str
    kind: str
    tensors: Mapping[str, Named]
    initial: Mapping[str, Named] = field(default_factory=dict)
    joint: str = "."
    framework: Framework = TORCH
    settings: Settings | None = None
    after: tuple[str, ...] = ()
    behind: str = ""

    @property
    def role(self) -> str:
        """One of `chain.ROLES`, or ``"linear"`` for a table that is none, where the file tells."""
        return "" if self.settings is None else self.settings.role

    @property
    def has_bias(self) -> bool:
        return "bias" in self.tensors

    @property
    def is_table(self) -> bool:
        """Whether it is one matrix: an Embedding, or a Linear without bias. Its name does not tell which."""
        return self.kind == "linear" and not self.has_bias and self.role != "linear"

    def full(self, tensor: str) -> str:
        """The tensor's name in the file."""
        return f"{self.path}{self.joint}{tensor}".removeprefix(".")

    @property
    def parts(self) -> list[str]:
        """The names that make up all of it, as few as can be."""
        return [self.path] if self.path and self.joint == "." else [self.full(tensor) for tensor in self.tensors]

    @property
    def is_recurrent(self) -> bool:
        return self.kind in GATES.values()

    @property
    def directions(self) -> int:
        return 2 if any(name.endswith("_reverse") for name in self.tensors) else 1

    @property
    def widths(self) -> tuple[int, int]:
        """How many values it takes and gives; as a Linear, where it may be an Embedding too; as a convolution of one group."""
        if self.kind in ("linear", "conv1d"):
            return self.tensors["weight"].shape[1], self.tensors["weight"].shape[0]
        if self.is_recurrent:
            columns = {name: (*tensor.shape, 0)[1] for name, tensor in self.tensors.items()}
            first, hidden = (min((n for n in columns if n.startswith(side)), key=len, default="") for side in ("weight_ih", "weight_hh"))
            return columns.get(first, 0), columns.get(hidden, 0) * self.directions
        size = max(max(tensor.shape, default=1) for tensor in self.tensors.values())
        return size, size

    def takes(self, width: int | None) -> bool:
        """Whether it can read `width` values; None where the width is open."""
        takes = self.widths[0]
        if self.role == "embedding":
            return width is None
        if self.kind == "conv1d" and width and takes:  # in groups
            return width % takes == 0 and self.widths[1] % (width // takes) == 0
        return width in (None, takes)


def modules(
    tensors: Mapping[str, Named], framework: Framework = TORCH, settings: Mapping[str, Settings] = MappingProxyType({})
) -> dict[str, Module]:
    """All modules, in the order of the file. The module that the file itself is, whose tensors have no dot, is called by its kind.

    Raises
    ------
    UnsupportedModelError
        Naming the first tensor that no layer of edgelstm has, and the feature that it belongs to.
    """
    parts, initial, scalers = _grouped(tensors)
    found = {}
    for path, group in parts.items():
        kind = kind_of(path, group)
        name = path or next(name for name in (kind, f"top_{kind}", f"top_level_{kind}") if name not in parts)
        found[name] = Module(path, name, kind, group, joint="_" if path in scalers else ".", framework=framework)
        if path in settings and path not in scalers:
            check(path, kind, settings[path])
            found[name] = replace(found[name], settings=settings[path], after=following(path, settings), behind=behind(path, settings))
    for scope, states in initial.items():
        owner = _owner(scope, states, found)
        found[owner.name] = replace(owner, initial=states)
    return found


_Groups = dict[str, dict[str, Named]]


def _grouped(tensors: Mapping[str, Named]) -> tuple[_Groups, _Groups, set[str]]:
    """The tensors by the module that holds them: weights, and initial states; and which of the modules are ``name_mean, name_std``."""
    scalers = set()
    parts: dict[str, dict[str, Named]] = {}
    initial: dict[str, dict[str, Named]] = {}
    for full, tensor in tensors.items():
        path, _, name = full.rpartition(".")
        scaler = _SCALER.fullmatch(name)
        if name in INITIAL:
            initial.setdefault(path, {})[INITIAL[name]] = tensor
        elif scaler and scaler[1] != "running" and _is_scaler(full, tensors):
            stem = full.rpartition("_")[0]
            scalers.add(stem)
            parts.setdefault(stem, {})[scaler[2]] = tensor
        else:
            parts.setdefault(path, {})[name] = tensor
    return parts, initial, scalers


def _is_scaler(full: str, tensors: Mapping[str, Named]) -> bool:
    """Whether a mean has a scale beside it, or a scale a mean, and no module has their common name."""
    stem = full.rpartition("_")[0]
    both = f"{stem}_mean" in tensors and (f"{stem}_std" in tensors) != (f"{stem}_scale" in tensors)
    return both and not any(name.startswith(f"{stem}.") for name in tensors)


def _owner(scope: str, states: Mapping[str, Named], found: Mapping[str, Module]) -> Module:
    """The recurrent module that begins with `states`: the one that holds them, or the only one beside or below them."""
    full = f"{scope}.{next(iter(states))}".removeprefix(".")
    recurrent = [module for module in found.values() if module.is_recurrent]
    near = [m for m in recurrent if m.path == scope] or [m for m in recurrent if not scope or m.path.startswith(f"{scope}.")]
    if len(near) != 1:
        raise refusal(full, f"an initial state that {len(near)} recurrent modules may begin with")
    if set(states) != ({"h0", "c0"} if near[0].kind == "lstm" else {"h0"}):
        raise refusal(full, "a recurrent layer of another kind, or to an initial state whose other half (h0, c0) is not there")
    return near[0]
