"""PyTorch's named tensors (state_dict, safetensors) as a `Model`: in the order that the user gives, or the only possible one.

Names and meaning are those of ``torch.nn``: LSTM, GRU, RNN and their cells, Linear, Embedding, Conv1d, BatchNorm1d, LayerNorm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

from ...errors import UsageError
from ...model import Model
from .. import chain
from ..chain import Item, listed, quoted
from . import modules, order
from .builder import Builder
from .crf import without_crf
from .modules import TORCH, Framework, Module
from .tensors import Named, assembled, place
from .whole import Settings, refuse_unplaced
from .whole import notes as whole_notes
from .wrappers import WRAPPERS


def from_torch(
    tensors: Mapping[str, Named],
    layers: str | None = None,
    *,
    source: str = "PyTorch",
    framework: Framework = TORCH,
    holds: Callable[[str], bool] = lambda _: False,
    settings: Mapping[str, Settings] = MappingProxyType({}),
) -> tuple[Model, str, list[str]]:
    """Build a model from named tensors, all of which it must use.

    Parameters
    ----------
    tensors : mapping of str to array
        For example a state_dict, as `state_dict.chosen` gives it.
    layers : str, optional
        The chain, see `chain.parse`. Without it the one that `order.only_chain` finds.
    source : str
        What the model says it was made from.
    framework : Framework
        Whose defaults hold where the tensors do not tell.
    holds : callable
        Whether the file has a module of a name that is not among `tensors`: no function is meant by it.
    settings : mapping of str to Settings
        What the file tells of its modules, where it holds them whole.

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
    scored, decoded = without_crf(assembled(tensors))
    found = modules.modules(scored, framework, settings)
    if layers is None:
        found, notes = _without_second_names(found)
        items = order.only_chain(found)
        refuse_unplaced(settings, chain.spell(items))
        other = "No other function" if any(item.module not in found or chain.is_function(item.word) for item in items) else "No function"
        notes.append(f'{other} was assumed between the layers or after the last one; layers="…" says otherwise.')
        notes += _taken(items, found)
    else:
        items = tuple(_resolved(item, found, holds) for item in chain.parse(layers))
        notes = [*_second_names(items, found, layers), *_bare(items, found)]
    notes += [*decoded, *whole_notes((module.path for module in found.values()), settings)]
    notes += [f"{' and '.join(m.initial)} are the state in which {m.name} begins." for m in found.values() if m.initial]
    if any(str(tensor.dtype) == "float64" for tensor in tensors.values()):
        notes.append("Weights were float64 and are rounded to float32.")
    notes += _defaults(items, found)
    source = "".join(c if c.isprintable() else "?" for c in source)
    return Model(Builder(items, found).layers(), source=source), chain.spell(items), notes


def _taken(items: Sequence[Item], found: Mapping[str, Module]) -> list[str]:
    """Notes on what was taken that the user may have meant otherwise."""
    used = [found[item.module] for item in items if item.module in found]
    last = used[-1].name
    notes = [f"Nothing was taken to stand before {last} in its Sequential, as a dropout does."] if order.has_gap(last, found) else []
    if both := [module.name for module in used if module.directions == 2]:
        notes.append(
            f'Every step of a recording is answered; layers="…, {both[-1]}, final, …" is for a network that gives one answer, from h_n.'
        )
    return notes


def _defaults(items: Sequence[Item], found: Mapping[str, Module]) -> list[str]:
    """Notes on what the tensors do not tell, and PyTorch's own defaults that were taken."""
    said = {item.module: item.word for item in items}
    used = [module for name, module in found.items() if name in said]
    notes = []
    framework = used[0].framework
    if any(module.kind == "batchnorm" and module.settings is None for module in used):
        eps = f"{framework.batch_norm:g}, as {framework.name} has it by default"
        notes.append(f"BatchNorm is taken as it stands after training, with eps = {eps}.")
    if norms := [m.name for m in used if m.kind == "layernorm" and said[m.name] != "rmsnorm" and m.settings is None]:
        eps = f"{framework.layer_norm:g}, as {framework.name} has it by default"
        notes.append(f"{listed(norms)}: layer normalization over all features, with eps = {eps}.")
    if simple := [m.name for m in used if m.kind == "rnn" and said[m.name] != "rnn_relu" and m.settings is None]:
        says = f'layers="{simple[0]}:rnn_relu, …" says ReLU'
        notes.append(f"{listed(simple)}: the nonlinearity is tanh, as nn.RNN has it by default; {says}.")
    if convolutions := [m.name for m in used if m.kind == "conv1d" and m.settings is None]:
        notes.append(
            f"{listed(convolutions)}: stride 1, dilation 1 and no padding, as nn.Conv1d has them by default; a recipe says otherwise."
        )
    return notes


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
    if name in found and not (item.module == chain.ADD and not (chain.is_function(item.word) or item.word in ("", *chain.ROLES))):
        return replace(item, module=name)
    if item.module == chain.ADD and item.word:
        return item
    if not (chain.is_function(item.module) or item.module in (chain.LAST, chain.FINAL)) or item.word:
        raise UsageError(f"the layers name {item.module!r}, which the file does not hold; it holds {listed(list(found))}.")
    if holds(item.module):
        raise UsageError(
            f"the layers name {item.module!r}, a module of the file that prefix or without leaves out; as a function, write it "
            f"after a module, as in '{next(iter(found))}:{item.module}'."
        )
    if item.module == "linear":
        raise UsageError(f"'linear' alone does nothing, and the file holds no module of that name; it holds {listed(list(found))}.")
    return item
