"""Files of weights alone: layers by the shapes of their arrays, in the order that the user says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UnsupportedModelError, UsageError, printable
from .. import chain
from ..hdf5 import Group
from .bare_order import GATES, PADDING, only_order, proposal
from .weights import ByName, ByPath, Weights, listed

if TYPE_CHECKING:
    from ..readers import Asked

#: Rows of a recurrent kernel's gates to its units, and the class.
_RECURRENT = {4: "LSTM", 3: "GRU", 1: "SimpleRNN"}

#: Names that Keras 3 gives a group's arrays, which have numbers there: by how many dimensions they have.
_NUMBERED = {"embedding": ("embeddings",), "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance")}

Shapes = dict[str, tuple[int, ...]]


class Network(NamedTuple):
    """A Sequential model's description, where its weights lie, and what the user should know."""

    config: dict[str, Any]
    weights: Weights
    notes: list[str]


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
    arrays : list of str
        The names of its arrays in the group, where the file lists them.
    """

    name: str
    group: str
    shapes: Shapes
    both: bool
    arrays: list[str] = field(default_factory=list)

    @property
    def is_recurrent(self) -> bool:
        return "recurrent_kernel" in self.shapes

    @property
    def is_gated(self) -> bool:
        """Whether it has gates whose function stands in no array: CuDNN's, told by their two biases, have sigmoid."""
        units, rows = (*self.shapes.get("recurrent_kernel", ()), 0, 0)[:2]
        return rows > units and self.shapes.get("bias") not in ((8 * units,), (6 * units,))

    @property
    def is_table(self) -> bool:
        return "embeddings" in self.shapes

    @property
    def is_dense(self) -> bool:
        return "kernel" in self.shapes and not self.is_recurrent

    @property
    def takes(self) -> int | None:
        """How many values a timestep has that it reads, where its arrays tell."""
        kernel = self.shapes.get("kernel", self.shapes.get("moving_variance", ()))
        return kernel[-2] if len(kernel) > 1 else kernel[0] if kernel else None

    @property
    def gives(self) -> int | None:
        """How many values it gives, where its arrays tell."""
        if self.is_recurrent:
            return self.shapes["recurrent_kernel"][0] * (2 if self.both else 1)
        for name in ("embeddings", "kernel", "moving_variance"):
            if name in self.shapes:
                return self.shapes[name][-1]
        return None

    def as_table(self) -> "Bare":
        """The same as an Embedding, whose one array Keras 3 names as it names a Dense's.

        Raises
        ------
        UsageError
            If it has others.
        """
        (shape, *others) = self.shapes.values()
        if others or len(shape) != 2:
            shown = _listed(self.shapes)
            raise UsageError(f"layer {printable(self.name, 60)!r} cannot be an embedding, which is one matrix; it has {shown}.")
        return replace(self, shapes={"embeddings": shape})

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
            raise UnsupportedModelError(f"holds weights alone and does not say what its gates are passed through. Say it: {GATES}.")
        return kind, {**settings, "recurrent_activation": asked.recurrent_activation}


def described(root: Group, asked: "Asked") -> Network:
    """A network of the layers that `asked` names in order, or of all in the only order that fits.

    Raises
    ------
    UnsupportedModelError, UsageError
    """
    by_name = root.texts("layer_names") is not None
    found = _by_name(root) if by_name else _by_path(root)
    found, notes = _without(found, asked.without)
    if asked.layers is None:
        asked = asked._replace(layers=_order(found, gates=by_name and asked.recurrent_activation is None))
        notes += [f'Every step of a recording is answered; layers="…, {bare.name}, final" is for a network that answers once.'
                  for bare in found.values() if bare.both][-1:]  # fmt: skip
    if not by_name and asked.recurrent_activation is None and any(bare.is_recurrent for bare in found.values()):
        asked = asked._replace(recurrent_activation="sigmoid")
        notes.append('Gates are taken to be passed through sigmoid, as Keras has it by default; recurrent_activation="…" says otherwise.')
    if any(bare.is_recurrent for bare in found.values()):
        notes.append(PADDING)
    items = chain.parse(asked.layers or "")
    tables = [item.module for item in items if item.word == "embedding" and item.module in found]
    found |= {name: found[name].as_table() for name in tables}
    used = [item.module for item in items if item.module in found]
    if left := [name for name in found if name not in used]:
        said = printable(asked.layers, 100)
        raise UsageError(
            f"the layers {said!r} leave out {printable(', '.join(left), 200)}, which the file holds; name each, or leave it out by "
            f'without="{printable(", ".join(map(chain.quoted, left)), 200)}".'
        )
    documents = [_input(found[used[0]])] if used else []
    for index, item in enumerate(items):
        follows = items[index + 1].module if index + 1 < len(items) else ""
        documents += _documents(item, found, asked, sequences=follows != chain.FINAL)
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": documents}}
    if by_name:
        return Network(config, ByName(root, {bare.name: (bare.group, bare.arrays) for bare in found.values()}), notes)
    return Network(config, ByPath(root, groups={bare.name: bare.group for bare in found.values()}), notes)


def _without(found: dict[str, Bare], without: str | None) -> tuple[dict[str, Bare], list[str]]:
    """The layers but those that are left out, and a note of these."""
    names = chain.names(without) if without is not None else ()
    if unknown := [name for name in names if name not in found]:
        held = printable(", ".join(found), 200)
        raise UsageError(f"is to be read without {printable(', '.join(unknown), 200)}, which it does not hold; it holds {held}.")
    notes = [f'Left out, as without="{without}" says: {printable(", ".join(names), 200)}.'] if names else []
    return {name: bare for name, bare in found.items() if name not in names}, notes


def _order(found: Mapping[str, Bare], *, gates: bool) -> str:
    """The only order. gates: whether what gates are passed through has to be said too.

    Raises
    ------
    UnsupportedModelError
        If there are several, or an activation that nothing tells.
    """
    if (only := only_order(found)) is not None:
        return only
    order = proposal(found)
    shown = "; ".join(f"{printable(name, 60)}: {_listed(bare.shapes)}" for name, bare in found.items())
    advice = f" Replace each {chain.OPEN} by the activation there, or by embedding." if chain.OPEN in order else ""
    if gates and any(bare.is_gated for bare in found.values()):
        advice += f" Say beside it {GATES}."
    raise UnsupportedModelError(
        f"holds weights alone and does not say how its layers follow each other. It holds {shown}. Save the whole model; or give the JSON "
        f'that model.to_json() writes, or a recipe, by recipe="…"; or say it with layers, for example: layers="{order}".{advice}'
    )


def _documents(item: chain.Item, found: Mapping[str, Bare], asked: "Asked", *, sequences: bool) -> list[dict[str, Any]]:
    """A layer and the function after it."""
    if item.module == chain.FINAL:
        return []
    documents = [found[item.module].document(asked, sequences=sequences)] if item.module in found else []
    word = item.word if documents else item.module
    if documents and word == "embedding":
        return documents
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
    """Layers by name; a group of a model within the model holds several."""
    found = {}
    for layer, (place, names) in listed(root).items():
        group, owners = root.group(place), {name.partition("/")[0] for name in names}
        inside = len(owners) > 1 and all("/" in name for name in names)
        for owner in dict.fromkeys(name.partition("/")[0] for name in names) if inside else [layer]:
            own = [name for name in names if not inside or name.startswith(f"{owner}/")]
            both = any(re.search(r"(^|/)backward_", name) for name in own)
            halves = [name for name in own if not (both and re.search(r"(^|/)backward_", name))]
            found[owner] = Bare(owner, place, {_last(name): group.shape(name) for name in halves}, both, own)
    return found


def _last(name: str) -> str:
    """``lstm_1/lstm_cell/kernel_2:0`` as ``kernel``."""
    return re.sub(r"_\d+$", "", name.rpartition("/")[2].partition(":")[0])


def _by_path(root: Group) -> dict[str, Bare]:
    """Groups of Keras 3: arrays have numbers there, which mean what the layer's class has at their place.

    What a class of one's own has as attributes are groups of the file, beside the group of its other layers.
    """
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for path in root.walk():
        parts = path.split("/")
        layer = "/".join(parts[: 2 if parts[0] == "layers" else 1])
        inner = path.removeprefix(f"{layer}/")
        if parts[0] != "optimizer" and "/seed_generator/" not in path and "vars/" in inner:
            groups.setdefault(layer, {})[inner] = root.shape(path)
    found: dict[str, Bare] = {}
    for group, arrays in groups.items():
        layer = group if (last := group.rpartition("/")[2]) in found else last
        both = any(path.startswith("backward_layer/") for path in arrays)
        own = [shape for path, shape in sorted(arrays.items()) if not path.startswith("backward_layer/")]
        cell = len(own) > 1 and len(own[1]) == 2
        names = _NUMBERED.get(re.sub(r"_\d+$", "", last), ("kernel", "recurrent_kernel", "bias") if cell else ("kernel", "bias"))
        found[layer] = Bare(layer, group, dict(zip(names, own, strict=False)), both)
    return found


def _listed(shapes: Mapping[str, Sequence[int]]) -> str:
    return printable(", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items()), 200)
