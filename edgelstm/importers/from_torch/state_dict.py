"""Finding the model in a checkpoint: one dict of named tensors out of whatever ``torch.save`` was given.

What the names mean is `modules`' part.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

import numpy as np

from ...errors import ModelFileError, UnsupportedModelError, UsageError
from .. import chain
from ..chain import listed
from ..pickles.names import refusal
from . import quantised, scalers
from .kinds import is_of_loss
from .modules import INITIAL
from .tensors import Named, weight_drop
from .walking import Walk, joined
from .whole import Settings
from .wrappers import each_unwrapped, unwrapped

#: Names of weights: what is so called is part of the network.
_WEIGHT = re.compile(r"(weight|bias)(_(ih|hh)(_l[0-9]+)?)?")


@dataclass(frozen=True, eq=False)
class Chosen:
    """The model's tensors, and what stands beside them.

    Parameters
    ----------
    tensors : dict of str to tensor
        By name, without what wrappers put before the names.
    outside : dict of str to tensor
        All others, by their full names.
    apart : set of str
        Those of `outside` that stand in dicts without weights.
    foreign : dict of str to str
        What was not read: by its full name, the class that the file gives.
    left_out : set of str
        Those of `outside` that the user named.
    notes : list of str
        What the user should know.
    settings : dict of str to Settings
        Of modules that the file holds whole, by their names there, as `tensors` has them.
    """

    tensors: dict[str, Named]
    outside: dict[str, Named] = field(default_factory=dict)
    apart: frozenset[str] = frozenset()
    foreign: dict[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Settings] = field(default_factory=dict)

    def holds(self, module: str) -> bool:
        """Whether a module of that name has tensors outside the model."""
        return any(f".{module}." in f".{name}" for name in self.outside)

    def beside(self, input_size: int) -> Iterator[str]:
        """Notes on numbers beside the weights: an initial state, and those by which inputs may have been scaled."""
        if states := [name for name in self.outside if name.rpartition(".")[2] in INITIAL and name not in self.left_out]:
            yield f"Not used: {listed(states)}, an initial state outside of what was chosen; the LSTM begins with zeros."
        yield from scalers.notes(self.outside, self.apart, self.foreign, input_size)


def chosen(checkpoint: object, prefix: str | None = None, without: str | None = None) -> Chosen:
    """The tensors of the model in `checkpoint`.

    Parameters
    ----------
    checkpoint : dict
        A state_dict, or dicts and lists around one. Optimizer states are passed over.
    prefix : str, optional
        Where the model is, as dotted names lead to it. Empty: all tensors are the model's. Default: the one dict with weights.
    without : str, optional
        What is left out, as `chain.names` reads it: modules, dicts or tensors.

    Raises
    ------
    ModelFileError
        If there are no weights.
    UnsupportedModelError
        If several dicts hold weights and `prefix` does not choose, or the weights are a stale copy.
    UsageError
        If there is nothing under `prefix`, or nothing of a name in `without`.
    """
    walk = Walk(checkpoint)
    names = chain.names(without) if without is not None else ()
    every = walk.every()
    left = _Left(names)
    groups = {path: {n: t for n, t in group.items() if not left.out(f"{path}.{n}", n)} for path, group in walk.groups.items()}
    if not any(map(_has_weights, groups.values())):
        raise ModelFileError(_no_weights(walk, groups != walk.groups))
    full = _only(groups, walk.whole) if prefix is None else _under(groups, prefix.rstrip("."))
    beside = {name: place for name, place in full.items() if prefix is None and is_of_loss(name, every[place])}
    losses = [name for name, place in beside.items() if not left.out(place, *each_unwrapped(name))]
    full = {name: place for name, place in full.items() if name not in beside}
    tensors = unwrapped({local: every[name] for local, name in full.items()})
    names_of = dict(zip(tensors, full.values(), strict=True))
    tensors = {name: tensor for name, tensor in tensors.items() if not left.out(name)}
    foreign = {name: kind for name, kind in walk.foreign.items() if not left.out(name)}
    used = {names_of[name] for name in tensors}
    outside = {name: tensor for name, tensor in every.items() if name not in used}
    _refuse_stale(used, outside)
    apart = frozenset(joined(path, name) for path, group in walk.groups.items() if not _has_weights(group) for name in group)
    if weights := {name: kind for name, kind in foreign.items() if _WEIGHT.fullmatch(name.rpartition(".")[2])}:
        raise ModelFileError(_arrays(list(weights)) if _are_arrays(weights) else refusal(next(iter(weights.values()))))
    gone = left.taken(every, names_of)
    notes = [f'Left out, as without="{without}" says: {listed([name for name in every if name in gone])}.'] if names else []
    notes += [f"Passed over: {listed(losses)}, by which training alone weighs its classes."] if losses else []
    notes += [quantised.NOTE] if any(isinstance(tensor, quantised.Quantised) for tensor in tensors.values()) else []
    if passed := [path for path in walk.whole if _has_weights(walk.groups.get(path, {})) and not used & set(_full(walk, path))]:
        notes.append(f"Passed over: {listed(sorted(passed))}, a module that lies whole beside the weights.")
    settings = {name: one for name, one in _settings_of(walk.settings, names_of).items() if not left.out(name)}
    left.check(every)
    return Chosen(tensors, outside, apart, foreign, frozenset(gone), tuple(notes), settings)


def _full(walk: Walk, path: str) -> list[str]:
    """The full names of the tensors directly at `path`."""
    return [joined(path, name) for name in walk.groups[path]]


def _settings_of(settings: Mapping[str, Settings], names_of: Mapping[str, str]) -> dict[str, Settings]:
    """The settings of modules below the part of the names that `names_of` lacks."""
    local, full = next(iter(names_of.items()))
    cut = full.removesuffix(local)
    return {f"{name}.".removeprefix(cut).rstrip("."): one for name, one in settings.items() if f"{name}.".startswith(cut)}


def tensors_of(checkpoint: object) -> dict[str, Named]:
    """All tensors in dicts and lists, by the dotted path that leads to each; optimizer states are passed over.

    Raises
    ------
    ModelFileError
        If two have one name.
    """
    return Walk(checkpoint).every()


class _Left:
    """What is left out, and which of the names that ask for it were met."""

    def __init__(self, names: Iterable[str]) -> None:
        self._open = set(names)
        self._names = tuple(names)
        self._gone: set[str] = set()

    def out(self, *spellings: str) -> bool:
        """Whether a tensor is left out, which has these names."""
        spellings = tuple(text.removeprefix(".") for text in spellings)
        met = {name for name in self._names for text in spellings if text == name or text.startswith(f"{name}.")}
        self._open -= met
        if met:
            self._gone.add(spellings[0])
        return bool(met)

    def taken(self, every: Mapping[str, object], names_of: Mapping[str, str]) -> set[str]:
        """The full names of what was left out."""
        return {name if name in every else names_of.get(name, name) for name in self._gone}

    def check(self, every: Iterable[str]) -> None:
        if self._open:
            raise UsageError(f"is to be read without {listed(sorted(self._open))}, which it does not hold; it holds {listed(list(every))}.")


def _has_weights(group: Mapping[str, Named]) -> bool:
    return any(
        len(tensor.shape) > 1 and np.dtype(tensor.dtype).kind == "f" and not (scalers.is_flat(tensor) and scalers.SCALING.search(name))
        for name, tensor in group.items()
    )


def _no_weights(walk: Walk, taken_out: bool) -> str:
    if taken_out:
        return "holds no weights but those that are to be left out; name fewer parts."
    if packed := [f"{name} ({one.kind})" for name, one in walk.settings.items() if "quantized" in one.kind]:
        return f"holds modules that torch quantised, whole ({listed(packed)}); write them with torch.save(model.state_dict(), path)."
    if arrays := [name for name, kind in walk.foreign.items() if kind.startswith("numpy.")]:
        return _arrays(arrays)
    if walk.foreign:
        return refusal(next(iter(walk.foreign.values())))
    return "holds no dict of named weights; write one with torch.save(model.state_dict(), path)."


def _are_arrays(foreign: Mapping[str, str]) -> bool:
    return all(kind.startswith("numpy.") for kind in foreign.values())


def _arrays(names: list[str]) -> str:
    return (
        f"holds NumPy arrays ({listed(names)}) in place of tensors; write tensors with "
        "torch.save({name: torch.as_tensor(array) for name, array in arrays.items()}, path), or call edgelstm.from_torch(arrays)."
    )


def _only(groups: Mapping[str, Mapping[str, Named]], whole: Set[str]) -> dict[str, str]:
    """The full names of the one dict with weights, by its own names; of the one module that lies `whole`, where no dict has any."""
    with_weights = [path for path, group in groups.items() if _has_weights(group)]
    with_weights = [path for path in with_weights if path not in whole] or with_weights
    if len(with_weights) > 1:
        raise UnsupportedModelError(
            f"holds weights in several places: {listed([path or 'its top' for path in with_weights])}. "
            'Name the model\'s by prefix="NAME", or give prefix="" to take all together.'
        )
    (path,) = with_weights
    return {name: joined(path, name) for name in groups[path]}


def _under(groups: Mapping[str, Mapping[str, Named]], prefix: str) -> dict[str, str]:
    """The full names of all tensors below `prefix`, by what follows it; a prefix may begin within the one dict that has it."""
    full = [joined(path, name) for path, group in groups.items() for name in group]
    below = {name.removeprefix(f"{prefix}.") if prefix else name: name for name in full if not prefix or name.startswith(f"{prefix}.")}
    if below:
        return below
    within = [path for path, group in groups.items() if any(name.startswith(f"{prefix}.") for name in group)]
    if len(within) != 1:
        raise UsageError(f"has nothing under the prefix {prefix!r}; it holds {listed(full)}.")
    (path,) = within
    return {name.removeprefix(f"{prefix}."): joined(path, name) for name in groups[path] if name.startswith(f"{prefix}.")}


def _refuse_stale(used: Iterable[str], outside: Mapping[str, Named]) -> None:
    """A weight-drop wrapper trains ``weight_raw``; the weight beside it, or within ``module``, is a copy of an old step."""
    for name in used:
        path, _, weight = name.rpartition(".")
        for scope in (path, path.removesuffix("module").rstrip(".")):
            if (raw := joined(scope, f"{weight}_raw")) in outside:
                raise weight_drop(raw)
