"""Layers of a recipe as records: the arrays of each are taken from the bag under the names that the recipe gives, everything else is said.

What a layer may have, beside `kind`, `name`, `inputs` and `activation` (a function behind it):

* the fields of its record (`edgelstm.LSTM`, `edgelstm.Conv1D`, …): for an array what `arrays.array` reads, for anything else its value;
* ``prefix``: takes all tensors below a name, by the names that the layout has for the record's arrays;
* ``transpose``: whether matrices stand as (inputs, outputs); a convolution's weight as (taps, inputs, outputs);
* `samples`: ``size``, how many numbers a timestep has, where no layer behind it says that;
* `gather`: ``indices`` as a list, or as ranges of places, ``"448:1024, 1022:958:-1"``;
* recurrent layers: what `recurrent` tells; layers of several records: what `compounds` tells.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...errors import UsageError, printable
from ...layers import KINDS, record_of
from ...layers.order import INPUT
from ...layers.record import MAX_SIZE, Layer
from ...model import Model
from .. import chain
from ..chain import listed
from ..from_torch.tensors import Named
from . import compounds, recurrent
from .arrays import array
from .bag import Bag
from .parts import array_fields, flag, made, places, samples, text
from .text import Recipe, Step

#: Names of other libraries for kinds of this one.
ALIASES = {"linear": "dense", "batchnorm": "batch_norm", "layernorm": "layer_norm", "rmsnorm": "rms_norm"}

#: What the arrays of layers without a state are called below a prefix, by layout: a record's field by the name in the file.
_NAMES = {
    "torch": {"weight": "weight", "bias": "bias"},
    "keras": {"kernel": "weight", "bias": "bias", "embeddings": "weight", "gamma": "weight", "beta": "bias"},
    "tf1": {"kernel": "weight", "weights": "weight", "bias": "bias", "biases": "bias"},
}

#: What the arrays of a group of Keras 3 are, which have numbers there.
_NUMBERED = {
    **dict.fromkeys(recurrent.KINDS, ("kernel", "recurrent_kernel", "bias")),
    "embedding": ("embeddings",),
    "layer_norm": ("gamma", "beta"),
    "batch_norm": ("gamma", "beta", "moving_mean", "moving_variance"),
}

#: Kinds whose weight is a matrix or a kernel, which layouts store in two ways.
_TURNED = {"dense": (1, 0), "conv1d": (2, 1, 0)}

#: Kinds whose kernel stands as layouts other than PyTorch's have it: how axes of PyTorch's are exchanged, by their number.
_MAPS = {"map_conv": {3: (2, 1, 0), 4: (2, 3, 1, 0)}, "map_conv_transpose": {3: (2, 0, 1), 4: (2, 3, 0, 1)}}


class Cooked(NamedTuple):
    """The model of a recipe, and what its user should know."""

    model: Model
    notes: tuple[str, ...]


def from_recipe(recipe: Recipe, tensors: Mapping[str, Named], source: str) -> Cooked:
    """The model that a recipe makes of named tensors, each of which it takes or leaves out.

    Raises
    ------
    UsageError
        If the recipe says what the tensors cannot be, or passes over some.
    ShapeError, UnsupportedModelError
        If the tensors make no such layer, or the layers do not fit together.
    """
    bag = Bag(tensors)
    gone = bag.leave_out(recipe.without)
    model = Kitchen(recipe, bag).model("".join(c if c.isprintable() else "?" for c in source))
    bag.refuse_leftovers()
    return Cooked(model, (f"Left out, as the recipe says: {listed(gone)}.",) if gone else ())


class Kitchen:
    """Builds the layers of one recipe out of one bag."""

    def __init__(self, recipe: Recipe, bag: Bag) -> None:
        self.layout, self.bag = recipe.layout, bag
        self._steps = recipe.steps
        self._layers: list[Layer] = []
        self._ends: dict[str, str] = {INPUT: INPUT}

    def model(self, source: str) -> Model:
        """The model of all layers.

        Raises
        ------
        UsageError
            If a layer cannot be what is said of it.
        ShapeError, UnsupportedModelError
            If the tensors make no such layer, or the layers do not fit together.
        """
        for step in self._steps:
            self._cook(step)
        return Model(tuple(self._layers), source=source)

    def _cook(self, step: Step) -> None:
        said = dict(step.said)
        name, inputs, activation = (said.pop(key, None) for key in ("name", "inputs", "activation"))
        kind = ALIASES.get(step.kind, step.kind)
        last = self._layers[-1].name if self._layers else INPUT
        read = tuple(self._resolved(other, step) for other in _names(inputs, step)) or (last,)
        label = self._free(text(name, step) if name is not None else str(said.get("prefix") or f"{kind}{len(self._ends)}"))
        if kind in (*recurrent.KINDS, *recurrent.ON_ROWS):
            cooked = recurrent.records(replace(step, kind=kind, said=said), self, label, read)
        elif kind in compounds.KINDS or (kind == "embedding" and "count" in said):
            cooked = compounds.records(replace(step, kind=kind, said=said), self, label, read)
        else:
            cooked = [self.record(replace(step, kind=kind, said=said), label, read)]
        self._layers += cooked
        self._ends |= {layer.name: layer.name for layer in cooked}
        if activation is not None:
            self._layers.append(chain.function(text(activation, step), name=f"{label}.activation", inputs=(cooked[-1].name,)))
        self._ends[label] = self._layers[-1].name

    def _resolved(self, name: str, step: Step) -> str:
        if name not in self._ends:
            raise UsageError(f"{step.place} reads {printable(name, 60)!r}; the layers before it are {listed(list(self._ends))}.")
        return self._ends[name]

    def _free(self, name: str) -> str:
        taken = {INPUT, *(layer.name for layer in self._layers)}
        if name in self._ends or name in taken:
            raise UsageError(f"two layers of the recipe are called {printable(name, 60)!r}; give each its own name.")
        return name

    def record(self, step: Step, label: str, inputs: tuple[str, ...]) -> Layer:
        """The record of a kind without a state. Raises as `model`."""
        if step.kind == "samples":
            return samples(step, name=label, inputs=inputs)
        if step.kind not in KINDS:
            raise UsageError(f"{step.place} is of no kind that edgelstm has; its kinds are {', '.join((*KINDS, *compounds.KINDS))}.")
        said = dict(step.said)
        turned = flag(said, "transpose", step, self.layout != "torch")
        prefix = said.pop("prefix", None)
        if step.kind == "batch_norm":
            return replace(self._batch_norm(said, prefix, step), name=label, inputs=inputs)
        if prefix is not None:
            said |= self.under(text(prefix, step), self._names_of(step.kind), step)
        cls = record_of(step.kind)
        for name in array_fields(cls):
            if name == "indices" and name in said:
                said[name] = places(said[name], step)
            elif name in said:
                said[name] = array(self.bag, said[name], step, _TURNED.get(step.kind) if turned and name == "weight" else None)
                if name == "kernel" and not turned and step.kind in _MAPS:
                    said[name] = said[name].transpose(_MAPS[step.kind].get(said[name].ndim))
        return made(cls, said, step, name=label, inputs=inputs)

    def _names_of(self, kind: str) -> dict[str, str]:
        """What the arrays of a kind are called below a prefix."""
        named = {"weight": "kernel"} if kind in _MAPS else {}
        return {full: named.get(field, field) for full, field in _NAMES[self.layout].items()}

    def _batch_norm(self, said: dict[str, Any], prefix: Any, step: Step) -> Layer:
        """``(x - mean) / sqrt(variance + epsilon) * weight + bias`` as one scale and one offset, for each of the rows of a map."""
        if prefix is not None:
            torch = {"running_mean": "mean", "running_var": "variance", "weight": "weight", "bias": "bias"}
            keras = {"moving_mean": "mean", "moving_variance": "variance", "gamma": "weight", "beta": "bias"}
            names = {name: full for name, full in self.bag.below(text(prefix, step)).items() if name != "num_batches_tracked"}
            self.bag.leave_out([full for name, full in self.bag.below(str(prefix)).items() if name == "num_batches_tracked"])
            said |= self.under(str(prefix), torch if self.layout == "torch" else keras, step, names)
        epsilon, rows = said.pop("epsilon", 1e-5 if self.layout == "torch" else 1e-3), said.pop("rows", 1)
        arrays = [name for name in ("mean", "variance", "weight", "bias") if name in said]
        parts = {name: array(self.bag, said.pop(name), step).astype(np.float64) for name in arrays}
        sound = isinstance(epsilon, float) and type(rows) is int and 0 < rows <= MAX_SIZE
        if said or "mean" not in parts or "variance" not in parts or not sound:
            raise UsageError(
                f"{step.place} takes mean, variance, weight and bias, or a prefix; epsilon, a number; and the rows of a map, each of which "
                "has these channels."
            )
        with np.errstate(all="ignore"):
            scale = parts.get("weight", np.float64(1)) / np.sqrt(parts["variance"] + epsilon)
            offset = parts.get("bias", np.float64(0)) - parts["mean"] * scale
        if rows * max(scale.size, offset.size) > MAX_SIZE:
            raise UsageError(f"{step.place}: {rows} rows of {scale.size} channels are more than {MAX_SIZE} values.")
        return made(record_of("batch_norm"), {"scale": np.tile(scale, rows), "offset": np.tile(offset, rows)}, step)

    def under(self, prefix: str, names: dict[str, str], step: Step, found: dict[str, str] | None = None) -> dict[str, str]:
        """By field the full names of the tensors below `prefix`, all of which must have one of `names`.

        Raises
        ------
        UsageError
            If there are none, or others too.
        """
        found = self.bag.below(prefix) if found is None else found
        if self.layout == "keras":
            found = _named(found, step.kind)
        if not found or not set(found) <= set(names):
            there = listed(sorted(found.values())) if found else "nothing"
            raise UsageError(
                f"{step.place} takes {', '.join(names)} below its prefix {printable(prefix, 60)!r}; the file has {there} there. "
                'Name the tensors one by one, as in weight = "NAME".'
            )
        return {names[name]: full for name, full in found.items()}


def _named(found: dict[str, str], kind: str) -> dict[str, str]:
    """Arrays that Keras 3 numbers, ``cell/vars/0``, by the names that they have in Keras."""
    numbers = {name: re.fullmatch(r"(?:cell/)?vars/([0-9])", name) for name in found}
    known = _NUMBERED.get(kind, ("kernel", "bias"))
    return {known[int(n[1])] if n and int(n[1]) < len(known) else name: found[name] for name, n in numbers.items()}


def _names(value: Any, step: Step) -> Sequence[str]:
    value = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise UsageError(f"{step.place}: inputs must be a list of names of layers before it; got {printable(repr(value), 60)}.")
    return value
