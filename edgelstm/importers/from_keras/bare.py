"""Files of weights alone: layers by the shapes of their arrays, in the order that the user says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import UnsupportedModelError, UsageError, printable
from .. import chain
from ..hdf5 import Group
from .weights import ByName, ByPath, Weights

if TYPE_CHECKING:
    from .. import Asked

#: Rows of a recurrent kernel's gates to its units, and the class.
_RECURRENT = {4: "LSTM", 3: "GRU", 1: "SimpleRNN"}

#: Names that Keras 3 gives a group's arrays, which have numbers there: by how many dimensions they have.
_NUMBERED = {"embedding": ("embeddings",), "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance")}

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Bare:
    """A layer without settings.

    Parameters
    ----------
    name : str
    group : str
        Where its arrays lie.
    shapes : dict
        Of its arrays, of the forward half of a bidirectional layer.
    both : bool
        Whether it has two directions.
    """

    name: str
    group: str
    shapes: Shapes
    both: bool

    def document(self, asked: "Asked", *, sequences: bool) -> dict[str, Any]:
        """Its description, as a file with settings would have it.

        Raises
        ------
        UnsupportedModelError
            If its arrays do not tell what it is, or something must be said.
        """
        kind, settings = self._kind(asked)
        if "recurrent_kernel" in self.shapes:
            settings["return_sequences"] = sequences
        if not self.both:
            return {"class_name": kind, "config": {"name": self.name, **settings}}
        inner = {"class_name": kind, "config": {"name": f"{self.name}.half", **settings}}
        return {"class_name": "Bidirectional", "config": {"name": self.name, "layer": inner, "merge_mode": "concat"}}

    def _kind(self, asked: "Asked") -> tuple[str, dict[str, Any]]:
        shapes, biased = self.shapes, {"use_bias": "bias" in self.shapes}
        if "recurrent_kernel" in shapes:
            return self._recurrent(asked, biased)
        if "embeddings" in shapes:
            return "Embedding", {"output_dim": shapes["embeddings"][-1]}
        if "moving_variance" in shapes:
            return "BatchNormalization", {"scale": "gamma" in shapes, "center": "beta" in shapes}
        if len(shapes.get("kernel", ())) == 2:
            return "Dense", {"units": shapes["kernel"][1], **biased}
        raise UnsupportedModelError(
            f"layer {printable(self.name, 60)!r} has arrays {_listed(shapes)}, which do not tell what it is; save the whole model."
        )

    def _recurrent(self, asked: "Asked", settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        units, rows = (self.shapes["recurrent_kernel"] + (0, 0))[:2]
        kind = _RECURRENT.get(rows // units if units and rows % units == 0 else 0)
        if kind is None:
            raise UnsupportedModelError(
                f"layer {printable(self.name, 60)!r} has arrays {_listed(self.shapes)} of no cell that edgelstm has."
            )
        settings = {"units": units, "activation": "tanh", **settings}
        bias = self.shapes.get("bias", ())
        if kind == "SimpleRNN":
            return kind, settings
        if bias in ((8 * units,), (6 * units,)):
            return f"CuDNN{kind}", {"units": units}
        if kind == "GRU":
            settings["reset_after"] = len(bias) == 2
        if asked.recurrent_activation is None:
            raise UnsupportedModelError(
                'holds weights alone and does not say what its gates are passed through. Say it: recurrent_activation="sigmoid" '
                '(Keras\' default since 2.3, and of tensorflow.keras since 2.0) or recurrent_activation="hard_sigmoid" (before).'
            )
        return kind, {**settings, "recurrent_activation": asked.recurrent_activation}


def described(root: Group, asked: "Asked", version: int) -> tuple[dict[str, Any], Weights]:
    """A Sequential model's description, of the layers that `asked` names in order, and where its weights lie.

    Raises
    ------
    UnsupportedModelError, UsageError
    """
    by_name = root.texts("layer_names") is not None
    found = _by_name(root) if by_name else _by_path(root)
    if asked.layers is None:
        open_ends = {
            name: f":{chain.OPEN}" if list(bare.shapes)[:1] == ["kernel"] and len(bare.shapes) < 3 else "" for name, bare in found.items()
        }
        order = ", ".join(f"{chain.quoted(name)}{end}" for name, end in open_ends.items())
        shown = "; ".join(f"{printable(name, 60)}: {_listed(bare.shapes)}" for name, bare in found.items())
        advice = f" Replace each {chain.OPEN} by the activation there." if chain.OPEN in order else ""
        raise UnsupportedModelError(
            f"holds weights alone and does not say how its layers follow each other. It holds {shown}. Save the whole model, or write a "
            f'recipe, or say it with layers, for example: layers="{order}".{advice}'
        )
    items = chain.parse(asked.layers)
    used = [item.module for item in items if item.module in found]
    if left := [name for name in found if name not in used]:
        raise UsageError(f"the layers {printable(asked.layers, 100)!r} leave out {printable(', '.join(left), 200)}, which the file holds.")
    documents = [_input(found[used[0]])] if used else []
    for index, item in enumerate(items):
        follows = items[index + 1].module if index + 1 < len(items) else ""
        documents += _documents(item, found, asked, sequences=follows != chain.FINAL)
    groups = {bare.name: bare.group for bare in found.values()}
    weights: Weights = ByName(root) if by_name else ByPath(root, groups=groups)
    return {"class_name": "Sequential", "config": {"name": "model", "layers": documents}}, weights


def _documents(item: chain.Item, found: Mapping[str, Bare], asked: "Asked", *, sequences: bool) -> list[dict[str, Any]]:
    """A layer and the function after it."""
    if item.module == chain.FINAL:
        return []
    documents = [found[item.module].document(asked, sequences=sequences)] if item.module in found else []
    word = item.word if documents else item.module
    if not documents and (item.word or not chain.is_function(word)):
        held = printable(", ".join(found), 200)
        raise UsageError(f"the layers name {printable(str(item), 60)!r}, which the file does not hold; it holds {held}.")
    if word:
        documents.append({"class_name": "Activation", "config": {"name": f"{item.module}.{word}", "activation": word}})
    return documents


def _input(first: Bare) -> dict[str, Any]:
    width = [] if "embeddings" in first.shapes else [first.shapes.get("kernel", (1,))[0]]
    return {"class_name": "InputLayer", "config": {"name": "input", "batch_input_shape": [None, None, *width]}}


def _by_name(root: Group) -> dict[str, Bare]:
    found = {}
    for layer in root.texts("layer_names") or []:
        group = root.group(layer)
        names = group.texts("weight_names") or []
        if names:
            paths = {name: group.shape(name) for name in names}
            both = any(re.search(r"(^|/)backward_", name) for name in names)
            halves = {name: shape for name, shape in paths.items() if not (both and re.search(r"(^|/)backward_", name))}
            found[layer] = Bare(layer, layer, {_last(name): shape for name, shape in halves.items()}, both)
    return found


def _last(name: str) -> str:
    """``lstm_1/lstm_cell/kernel_2:0`` as ``kernel``."""
    return re.sub(r"_\d+$", "", name.rpartition("/")[2].partition(":")[0])


def _by_path(root: Group) -> dict[str, Bare]:
    """Groups of Keras 3: arrays have numbers there, which mean what the layer's class has at their place."""
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for path in root.walk():
        top, _, rest = path.partition("/")
        layer, _, inner = rest.partition("/")
        if top == "layers" and "/seed_generator/" not in path and "vars/" in inner:
            groups.setdefault(layer, {})[inner] = root.shape(path)
    found = {}
    for layer, arrays in groups.items():
        both = any(path.startswith("backward_layer/") for path in arrays)
        own = [shape for path, shape in sorted(arrays.items()) if not path.startswith("backward_layer/")]
        cell = len(own) > 1 and len(own[1]) == 2
        names = _NUMBERED.get(re.sub(r"_\d+$", "", layer), ("kernel", "recurrent_kernel", "bias") if cell else ("kernel", "bias"))
        found[layer] = Bare(layer, layer, dict(zip(names, own, strict=False)), both)
    return found


def _listed(shapes: Mapping[str, Sequence[int]]) -> str:
    return printable(", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items()), 200)
