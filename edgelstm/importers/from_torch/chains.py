"""PyTorch's named tensors (state_dict, safetensors) as a `Model`: in the order that the user gives, or the only possible one.

Names and meaning: ``torch.nn.LSTM``, ``LSTMCell``, ``Linear``, ``Embedding``, ``BatchNorm1d``. Gates are i f g o there and here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from ...errors import UsageError
from ...layers.feedforward import Activation, Add, Softmax
from ...layers.record import Layer
from ...model import INPUT, Model
from .. import chain
from ..chain import Item, listed, quoted
from . import modules, order, records
from .modules import Module
from .state_dict import WRAPPERS
from .tensors import Named, assembled, place


def from_torch(
    tensors: Mapping[str, Named],
    layers: str | None = None,
    *,
    source: str = "PyTorch",
    holds: Callable[[str], bool] = lambda _: False,
) -> tuple[Model, str, list[str]]:
    """Build a model from named tensors, all of which it must use.

    Parameters
    ----------
    tensors : mapping of str to array
        For example a state_dict, as `state_dict.chosen` gives it.
    layers : str, optional
        The chain, see `chain.parse`. Without it one LSTM module is taken, after an Embedding and before a Linear if they fit.
    source : str
        What the model says it was made from.
    holds : callable
        Whether the file has a module of a name that is not among `tensors`: no function is meant by it.

    Returns
    -------
    Model
    str
        The chain that was taken.
    list of str
        Notes for the user.

    Raises
    ------
    UnsupportedModelError
        If a tensor belongs to a feature that edgelstm lacks, or the order of the modules is open.
    UsageError
        If `layers` names what is not there, or leaves a module out.
    ShapeError
        If the layers do not fit together.
    """
    found = modules.modules(assembled(tensors))
    if layers is None:
        found, notes = _without_second_names(found)
        items = order.only_chain(found)
        notes.append('No function was assumed between the layers or after the last one; layers="…" says otherwise.')
    else:
        items = tuple(_resolved(item, found, holds) for item in chain.parse(layers))
        notes = [*_second_names(items, found, layers), *_bare(items, found)]
    notes += [f"{' and '.join(m.initial)} are the state in which {m.name} begins." for m in found.values() if m.initial]
    if any(str(tensor.dtype) == "float64" for tensor in tensors.values()):
        notes.append("Weights were float64 and are rounded to float32.")
    if any(found[item.module].kind == "batchnorm" for item in items if item.module in found):
        notes.append(
            f"BatchNorm is taken as it stands after training, with eps = {records.BATCH_NORM_EPS:g}, as PyTorch has it by default."
        )
    source = "".join(c if c.isprintable() else "?" for c in source)
    return Model(_Builder(items, found).layers(), source=source), chain.spell(items), notes


def _second_names(items: Sequence[Item], found: Mapping[str, Module], layers: str) -> list[str]:
    """Notes on modules that the chain names under another name.

    Raises
    ------
    UsageError
        If it leaves out others, or a table that may be the network's last layer, tied to its first.
    """
    named = {item.module for item in items}
    same = {name: _identity(module) for name, module in found.items()}
    used = {same[name]: name for name in reversed(list(found)) if name in named}
    chained = [found[item.module] for item in items if item.module in found]
    second = {name: used[same[name]] for name in found if name not in named and same[name] in used}
    unused = [name for name in found if name not in named and (name not in second or _may_be_tied(found[name], chained))]
    if unused:
        raise UsageError(
            f"the layers {layers!r} leave out {listed(unused)}; name every module, or leave it out by "
            f'without="{", ".join(quoted(part) for name in unused for part in found[name].parts)}".'
        )
    return [f"{name} is the same module as {first}." for name, first in second.items()]


def _may_be_tied(module: Module, chained: Sequence[Module]) -> bool:
    """Whether a table of the same storage may be the Embedding before a chain, or the last layer behind it."""
    columns = module.widths[0]
    before = not chained[0].is_table and chained[0].widths[0] == columns
    return module.is_table and (before or chained[-1].widths[1] == columns)


def _without_second_names(found: Mapping[str, Module]) -> tuple[dict[str, Module], list[str]]:
    """Each module once. Two tables of one storage stay two: an Embedding and the head that is tied to it look like that."""
    first: dict[object, str] = {}
    kept, notes = {}, []
    for name, module in found.items():
        if module.is_table or first.setdefault(_identity(module), name) == name:
            kept[name] = module
        else:
            notes.append(f"{name} is the same module as {first[_identity(module)]}.")
    return kept, notes


def _identity(module: Module) -> object:
    return module.kind, frozenset((name, place(tensor)) for name, tensor in (*module.tensors.items(), *module.initial.items()))


def _bare(items: Sequence[Item], found: Mapping[str, Module]) -> list[str]:
    return [
        f"nothing stands between {item.module} and {after.module}, where a function usually does; write {item.module}:relu, or "
        f"{item.module}:linear if that is meant."
        for item, after in pairwise(items)
        if order.is_bare(item, after, found)
    ]


def _resolved(item: Item, found: Mapping[str, Module], holds: Callable[[str], bool]) -> Item:
    """The item with its module called as the file's other names are; wrappers' names may stand before it."""
    name = item.module
    while name not in found and (wrapper := next((w for w in WRAPPERS if name.startswith(w)), None)):
        name = name.removeprefix(wrapper)
    name = next((inner for inner in (name, f"{name}._orig_mod", f"{name}.module") if inner in found), name)
    if name in found and not (item.module == chain.ADD and item.word not in ("", *chain.FUNCTIONS, *chain.ROLES)):
        return replace(item, module=name)
    if item.module == chain.ADD and item.word:
        return item
    if item.module not in chain.FUNCTIONS or item.word:
        raise UsageError(f"the layers name {item.module!r}, which the file does not hold; it holds {listed(list(found))}.")
    if holds(item.module):
        raise UsageError(
            f"the layers name {item.module!r}, a module of the file that prefix or without leaves out; as a function, write it "
            f"after a module, as in '{next(iter(found))}:{item.module}'."
        )
    if item.module == "linear":
        raise UsageError(f"'linear' alone does nothing, and the file holds no module of that name; it holds {listed(list(found))}.")
    return item


class _Builder:
    """The records of a chain, one item after the other."""

    def __init__(self, items: Sequence[Item], found: Mapping[str, Module]) -> None:
        self._items, self._found = items, found
        self._layers: list[Layer] = []
        self._ends: dict[str, str] = {}  # by a module's name, the layer that its output comes from

    def layers(self) -> tuple[Layer, ...]:
        for position, item in enumerate(self._items):
            for layer in self._records(position, item):
                self._layers.append(replace(layer, name=self._free(layer.name or f"{layer.kind}{len(self._layers)}")))
            if item.module in self._found:
                self._ends[item.module] = self._layers[-1].name
        return tuple(self._layers)

    def _free(self, name: str) -> str:
        """A name that no layer and no other module has; the model's input has one too."""
        taken = {INPUT, *(layer.name for layer in self._layers)}
        return name if name not in taken else self._free(f"{name}_layer")

    def _records(self, position: int, item: Item) -> list[Layer]:
        module = self._found.get(item.module)
        if item.module == chain.ADD and (module is None or item.word not in ("", *chain.FUNCTIONS, *chain.ROLES)):
            return [self._add(position, item)]
        if module is None:
            return _function(item.module)
        if (module.kind == "normalizer") != (item.word == "normalizer") and module.kind != "batchnorm":
            raise UsageError(
                f"write {module.name!r} as '{module.name}:normalizer' if and only if it holds mean and scale; it is of kind {module.kind}."
            )
        if module.kind == "normalizer":
            return [records.normalizer(module)]
        if item.word == "embedding" and not module.is_table:
            raise UsageError(f"{module.name!r} cannot be an embedding: that is one tensor 'weight'; it holds {', '.join(module.tensors)}.")
        if module.kind == "lstm":
            return [*records.lstm_layers(module), *_function(item.word)]
        if module.kind == "batchnorm":
            return [records.batch_norm(module), *_function(item.word)]
        if item.word == "embedding" or (position == 0 and module.is_table and not item.word and self._must_be_embedding(module)):
            return [records.embedding(module)]
        return [records.linear(module), *_function(item.word)]

    def _must_be_embedding(self, module: Module) -> bool:
        """Whether the layer after it can read a table's rows alone, or a Linear's answers alone.

        Raises
        ------
        UsageError
            If it can read both, or neither.
        """
        after = next((self._found[item.module] for item in self._items[1:] if item.module in self._found), None)
        takes, gives = module.widths
        wanted = after.widths[0] if after else None
        if (wanted == takes) == (wanted == gives):
            raise UsageError(
                f"{module.name!r} may be an embedding or a Linear without bias; write '{quoted(module.name)}:embedding' or "
                f"'{quoted(module.name)}:linear'."
            )
        return wanted == takes

    def _add(self, position: int, item: Item) -> Add:
        other = INPUT if item.word == INPUT and INPUT not in self._found else self._ends.get(item.word)
        if not self._layers or other is None:
            earlier = [INPUT, *self._ends]
            raise UsageError(
                f"{item} in the layers adds what stands before it and one of {', '.join(earlier)}; {item.word!r} is none of them."
            )
        return Add(inputs=(self._layers[-1].name, other), name=f"{chain.ADD}{position}")


def _function(word: str) -> list[Layer]:
    if word in ("", "linear", *chain.ROLES):
        return []
    return [Softmax() if word == "softmax" else Activation(word)]
