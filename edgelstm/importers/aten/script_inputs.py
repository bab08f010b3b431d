"""What the tensors that a TorchScript module takes may be: the file says it of traced modules alone, of others it is tried."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any, NamedTuple

from ..from_onnx.settling import Sizes
from ..from_torch.kinds import hidden_size
from .script_archive import Script

#: Two axes that are open, of which one is time.
OPEN = ("first axis", "second axis")

#: Of how many readings of the first tensor the others are tried.
_MOST_FIRST = 2

#: Names of lengths, and of states.
_LENGTH = re.compile(r"(?i)len")
_STATE = re.compile(r"(?i)state|hidden|memory|^h(_?n|_?\d|x|_?c)?$|^c(_?n|_?\d|x)?$|_prev$|^h_|^c_|^hc|^(h|c)s$")

#: Names of weights, those among them of which weight norm makes the weight.
_WEIGHT = re.compile(r"weight|original1$")


class Spec(NamedTuple):
    """One tensor: "int" or "float", its shape with names for open axes, and whether it is a state."""

    dtype: str
    shape: tuple[int | str, ...]
    state: bool = False


def taken_by(parameters: Sequence[ast.arg]) -> list[str]:
    """The names of the tensors that parameters hold, the two of an LSTM's state one after the other."""
    kinds = [(parameter.arg, kind_of(parameter)) for parameter in parameters]
    parts = [
        [name] if kind == "Tensor" else [f"{name} h", f"{name} c"] for name, kind in kinds if kind in ("Tensor", "Tuple[Tensor, Tensor]")
    ]
    return [name for part in parts for name in part]


def kind_of(parameter: ast.arg) -> str:
    """The type of a parameter, as its annotation says."""
    return "Tensor" if parameter.annotation is None else ast.unparse(parameter.annotation)


def readings(script: Script, names: Sequence[str], said: Sizes) -> Iterator[tuple[Spec, ...]]:
    """What tensors of these names may be, likely readings first."""
    if said.shapes:
        first = next(iter(said.shapes.values()))
        shapes = [said.shapes.get(name, first if not n else None) for n, name in enumerate(names)]
        for dtype, states in product(("float", "int"), [(), *_states(script)]):
            given, left = [None if shape is None else Spec(dtype, shape) for shape in shapes], iter(states)
            if given.count(None) == len(states):
                yield tuple(next(left) if spec is None else spec for spec in given)
    elif len(script.traced) == len(names):
        yield from _traced(script, names)
    else:
        yield from _guessed(script, names)


def fitted(specs: tuple[Spec, ...], wanted: int, got: int, steps: int) -> Iterator[tuple[Spec, ...]]:
    """The same with a first tensor of other sizes: so wide, or of so many steps, that weights are given the `wanted` numbers they take,
    of the first tensor alone or of what is joined with it.

    got: how many they were given of recordings of `steps` steps.
    """
    first, *rest = specs
    shape = first.shape
    if first.dtype != "float" or shape[:2] != OPEN or not wanted or not got:
        return
    if len(shape) == 3 and isinstance(width := shape[2], int) and width * wanted % got == 0 and 0 < width * wanted // got != width:
        yield (first._replace(shape=(*OPEN, width * wanted // got)), *rest)
    if len(shape) == 3 and isinstance(width := shape[2], int) and 0 < width - (got - wanted) < width:
        yield (first._replace(shape=(*OPEN, width - (got - wanted))), *rest)
    if steps * wanted % got == 0 and 0 < steps * wanted // got != steps:
        yield (first._replace(shape=(OPEN[0], steps * wanted // got, *shape[2:])), *rest)


def _traced(script: Script, names: Sequence[str]) -> Iterator[tuple[Spec, ...]]:
    """The shapes by which a module was traced: with open axes where they may be batch and time, and as they are."""
    likely = [n > 0 and _is_state(script, name, given.shape) for n, (name, given) in enumerate(zip(names, script.traced, strict=True))]
    for states in dict.fromkeys((tuple(likely), (False,) * len(names))):
        given = list(zip(script.traced, states, strict=True))
        opened = [[one.shape] if state else list(_opened(one.dtype, one.shape)) for one, state in given]
        for shapes in islice(product(*opened), _MOST_FIRST):
            yield tuple(Spec(one.dtype, shape, state) for (one, state), shape in zip(given, shapes, strict=True))
        yield tuple(Spec(one.dtype, one.shape, state) for one, state in given)


def _is_state(script: Script, name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is likely to be a state, by its name, or by a shape that is that of the recurrent module's."""
    return " " in name or _STATE.search(name) is not None or any(state.shape == shape for states in _states(script) for state in states)


def _opened(dtype: str, shape: tuple[int, ...]) -> Iterator[tuple[int | str, ...]]:
    """A shape with open axes: two of a recording, one where a recording has a vector or a frame; of maps one side or the other."""
    if len(shape) == 3 or (len(shape) == 2 and dtype == "int"):
        yield (*OPEN, *shape[2:])
    elif len(shape) == 4 and dtype == "float":
        yield (OPEN[0], *shape[1:3], "last axis")
        yield (OPEN[0], shape[1], "third axis", shape[3])
    else:
        yield (OPEN[0], *shape[1:]) if len(shape) == 2 else shape


def _guessed(script: Script, names: Sequence[str]) -> Iterator[tuple[Spec, ...]]:
    """By the widths that the modules take, the first module's first; tensors behind the first are lengths, states, or samples too."""
    lengths = [place > 0 and _LENGTH.search(name) is not None for place, name in enumerate(names)]
    for specs in _guessed_of(script, lengths.count(False)):
        left = iter(specs)
        yield tuple(Spec("int", OPEN[:1]) if is_length else next(left) for is_length in lengths)


def _guessed_of(script: Script, count: int) -> Iterator[tuple[Spec, ...]]:
    tensors = script.tensors()
    weights = {name: tuple(tensor.shape) for name, tensor in tensors.items() if _WEIGHT.match(name.rpartition(".")[2])}
    widths = _widths(tensors, weights)
    tables = [
        shape[1] for name, shape in weights.items() if name.endswith("weight") and f"{name[:-6]}bias" not in tensors and len(shape) == 2
    ]
    first = next(iter(weights), "")
    is_table = first.endswith("weight") and f"{first.removesuffix('weight')}bias" not in tensors
    firsts = [Spec("int", OPEN)] if is_table else []
    firsts += [Spec("float", (*OPEN, width)) for width in widths]
    if count == 1:
        plain = [Spec("float", OPEN), Spec("int", OPEN)]
        yield from ((spec,) for spec in dict.fromkeys((*firsts, *(plain[::-1] if is_table else plain))))
        yield from ((Spec("float", shape),) for width in widths for shape in ((OPEN[0], width, "last axis"), (OPEN[0], width)))
        return
    if all(name.endswith("weight_hh") for name in weights if "weight_hh" in name):
        read = [shape[1] for name, shape in weights.items() if name.endswith("weight_ih")]
        firsts[:0] = [Spec("float", (OPEN[0], width)) for width in dict.fromkeys([*widths[:1], *read[:1]])]
    yield from ((spec, *states) for spec in firsts[:_MOST_FIRST] for states in _states(script) if len(states) == count - 1)
    for width in widths if len(tables) == count - 1 else ():
        if width > sum(tables):
            beside, indices = Spec("float", (*OPEN, width - sum(tables))), [Spec("int", OPEN)] * len(tables)
            yield from ((*indices, beside), (beside, *indices))
    for spec in firsts[:_MOST_FIRST]:
        yield (spec,) * count
        yield from ((spec, *[Spec("float", (OPEN[0], width))] * (count - 1)) for width in widths)


def _widths(tensors: Mapping[str, Any], weights: Mapping[str, tuple[int, ...]]) -> list[int]:
    """What modules take; beside it what is left of this where they take their own state too, which gates are made of."""
    read = [shape for name, shape in weights.items() if len(shape) in (2, 3) and "weight_hh" not in name]
    found = [shape[1] for shape in read]
    if not found:
        found = [width for tensor in tensors.values() if len(tensor.shape) == 2 for width in tensor.shape]
    found += [shape[1] - shape[0] // gates for shape in read for gates in (1, 4, 3) if len(shape) == 2 and shape[0] % gates == 0]
    return [width for width in dict.fromkeys(found) if width > 0]


def _states(script: Script) -> list[tuple[Spec, ...]]:
    """The states of all recurrent modules together, in their order: one by one, and those of a module as one tensor."""
    tensors, apart, joined = script.tensors(), list[Spec](), list[Spec]()
    for path in dict.fromkeys(name.rpartition(".")[0] for name in tensors if ".weight_hh" in f".{name}"):
        own = {name.rpartition(".")[2]: tensor for name, tensor in tensors.items() if name.rpartition(".")[0] == path}
        layers = [name for name in own if name.startswith("weight_hh")]
        last = layers[0].removeprefix("weight_hh")
        hidden = hidden_size(own, last)
        several = own[layers[0]].shape[0] // hidden == 4
        widths = [own[layers[0]].shape[1], *([hidden] if several else [])]
        shapes = [(len(layers), 1, width) if last else (1, width) for width in widths]
        apart += [Spec("float", shape, True) for shape in shapes]
        joined.append(Spec("float", (2, *shapes[0]) if several else shapes[0], True))
    return list(dict.fromkeys((tuple(apart), tuple(joined)))) if apart else []
