"""What the tensors that a TorchScript module takes may be: the file says it of traced modules alone, of others it is tried."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..from_onnx.settling import Sizes
from ..from_torch.kinds import hidden_size
from .script_archive import Script

#: Two axes that are open, of which one is time.
OPEN = ("first axis", "second axis")

#: Of how many readings of the first tensor the others are tried.
_MOST_FIRST = 2

#: Names of states.
_STATE = re.compile(r"(?i)state|hidden|memory|^h(_?n|_?\d|x|_?c)?$|^c(_?n|_?\d|x)?$|_prev$|^h_|^c_|^hc|^(h|c)s$")


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
        for dtype in ("float", "int"):
            given = [None if shape is None else Spec(dtype, shape) for shape in shapes]
            states = _states(script)
            if None not in given or states:
                yield tuple(states[0] if spec is None else spec for spec in given)
    elif len(script.traced) == len(names):
        yield from _traced(script, names)
    else:
        yield from _guessed(script, len(names))


def _traced(script: Script, names: Sequence[str]) -> Iterator[tuple[Spec, ...]]:
    """The shapes by which a module was traced: with open axes where they may be batch and time, and as they are."""
    likely = [n > 0 and _is_state(script, name, given.shape) for n, (name, given) in enumerate(zip(names, script.traced, strict=True))]
    for states in dict.fromkeys((tuple(likely), (False,) * len(names))):
        given = list(zip(script.traced, states, strict=True))
        yield tuple(Spec(one.dtype, one.shape if state else _opened(one.dtype, one.shape), state) for one, state in given)
        yield tuple(Spec(one.dtype, one.shape, state) for one, state in given)


def _is_state(script: Script, name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is likely to be a state, by its name, or by a shape that is that of the recurrent module's."""
    return " " in name or _STATE.search(name) is not None or any(state.shape == shape for state in _states(script))


def _opened(dtype: str, shape: tuple[int, ...]) -> tuple[int | str, ...]:
    """A shape of which the first axes are open: two of a recording, one where a recording has a vector or a frame of its own."""
    if len(shape) == 3 or (len(shape) == 2 and dtype == "int"):
        return (*OPEN, *shape[2:])
    return (OPEN[0], *shape[1:]) if len(shape) == 2 else shape


def _guessed(script: Script, count: int) -> Iterator[tuple[Spec, ...]]:
    """By the widths that the modules take, the first module's first; all tensors but the first are states, or samples too."""
    weights = {name: tuple(tensor.shape) for name, tensor in script.tensors().items() if name.rpartition(".")[2].startswith("weight")}
    widths = list(dict.fromkeys(shape[1] for name, shape in weights.items() if len(shape) in (2, 3) and "weight_hh" not in name))
    first = next(iter(weights), "")
    is_table = first.endswith("weight") and f"{first.removesuffix('weight')}bias" not in script.tensors()
    firsts = [Spec("int", OPEN)] if is_table else []
    firsts += [Spec("float", (*OPEN, width)) for width in widths]
    if count == 1:
        yield from ((spec,) for spec in dict.fromkeys((*firsts, Spec("int", OPEN))))
        yield from ((Spec("float", shape),) for width in widths for shape in ((OPEN[0], width, "last axis"), (OPEN[0], width)))
        return
    yield from ((spec, *[state] * (count - 1)) for state in _states(script) for spec in firsts[:_MOST_FIRST])
    for spec in firsts[:_MOST_FIRST]:
        yield (spec,) * count
        yield from ((spec, *[Spec("float", (OPEN[0], width))] * (count - 1)) for width in widths)


def _states(script: Script) -> list[Spec]:
    """The state of the recurrent module, if there is one alone."""
    tensors = script.tensors()
    found = {name.rpartition(".")[0] for name in tensors if ".weight_hh" in f".{name}"}
    if len(found) != 1:
        return []
    (path,) = found
    own = {name.removeprefix(f"{path}."): tensor for name, tensor in tensors.items() if name.startswith(f"{path}.") or not path}
    layers = [name for name in own if name.startswith("weight_hh")]
    return [Spec("float", (len(layers), 1, hidden_size(own, layers[0].removeprefix("weight_hh"))), True)]
