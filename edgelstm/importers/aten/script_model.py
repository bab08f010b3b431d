"""A TorchScript module as a `Model`: what its inputs are, which the file does not say, is tried until the whole code can be followed."""

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import ModelFileError, ShapeError, UnsupportedModelError, printable
from ...layers.frames import IntraRNN, RowsRNN
from ...layers.recurrent import Recurrent
from ...model import Model
from ..from_onnx.chains import Followed
from ..from_onnx.chains import followed as graph_followed
from ..from_onnx.settling import Sizes, parse
from ..from_onnx.writer import Ref
from ..from_torch.kinds import hidden_size
from .program import Program
from .script import Follower
from .script_archive import Script

#: Most readings of the samples' shape that are made.
_MOST = 12

Shape = tuple[str, tuple[int | str, ...]]


def from_script(script: Script, source: str, sizes: str | None = None) -> tuple[Model, str, list[str]]:
    """The model that a script's ``forward`` describes. sizes: as `settling.parse` reads them, of its parameters.

    Raises
    ------
    UnsupportedModelError
        Naming what of its code is not imported.
    """
    taken = followed(script, source, sizes)
    return taken.model, ", ".join(layer.name for layer in taken.model.layers), taken.notes


def followed(script: Script, source: str, sizes: str | None = None) -> Followed:
    """The same, with what the inputs were taken for."""
    problem: UnsupportedModelError | ShapeError | ModelFileError | None = None
    said = parse(sizes) if sizes is not None else Sizes()
    for shape in itertools.islice(_shapes(script, said), _MOST):
        try:
            taken = graph_followed(_program(script, shape, said.values).file(), None, source)
            if said.shapes or not _in_frames(taken.model):
                return taken
            raise UnsupportedModelError(
                f"runs no recurrence from step to step where its samples are {'x'.join(map(str, shape[1]))}; say what they are: "
                f'sizes="{printable(_first(script), 60)}=1xTx40".'
            )
        except (UnsupportedModelError, ShapeError, ModelFileError) as found:
            problem = problem or found
    raise problem or UnsupportedModelError("has no weights that would tell the shape of its samples.")


def _in_frames(model: Model) -> bool:
    """Whether all its recurrence begins anew at every step, as when a recording is taken for a frame."""
    found = [layer for layer in model.layers if isinstance(layer, Recurrent | RowsRNN)]
    return bool(found) and all(isinstance(layer, IntraRNN) for layer in found)


def _first(script: Script) -> str:
    """The name of the samples."""
    return next((parameter.arg for parameter in Follower(script, Program("TorchScript")).parameters()), "x")


def _shapes(script: Script, said: Sizes) -> Iterator[Shape]:
    """Types and shapes that the samples may have: what was said, or by the widths that the modules take, the first module's first."""
    if said.shapes:
        yield from (("float", shape) for shape in said.shapes.values())
        return
    weights = {name: tuple(tensor.shape) for name, tensor in script.tensors().items() if name.rpartition(".")[2].startswith("weight")}
    widths = dict.fromkeys(shape[1] for name, shape in weights.items() if len(shape) in (2, 3) and "weight_hh" not in name)
    first = next(iter(weights), "")
    if first.endswith("weight") and f"{first.removesuffix('weight')}bias" not in script.tensors():
        yield "int", ("first axis", "second axis")
    for width in widths:
        yield "float", ("first axis", "second axis", width)
    if len(script.traced) == 3:
        yield "float", ("first axis", "second axis", script.traced[-1])
    if script.traced:
        yield "float", script.traced
    for width in widths:
        yield "float", ("first axis", width, "last axis")
        yield "float", ("first axis", width)


def _program(script: Script, shape: Shape, values: Mapping[str, int]) -> Program:
    program = Program("TorchScript")
    follower = Follower(script, program)
    dtype, sizes = shape
    given: list[Any] = []
    for index, parameter in enumerate(follower.parameters()):
        text = ast.unparse(parameter.annotation) if parameter.annotation is not None else "Tensor"
        if index == 0 and text == "Tensor":
            given.append(program.input(parameter.arg, sizes, dtype))
        elif text == "int" and parameter.arg in values:
            given.append(values[parameter.arg])
        elif text.startswith("Optional"):
            given.append(None)
        elif text in ("Tensor", "Tuple[Tensor, Tensor]"):
            names = [parameter.arg] if text == "Tensor" else [f"{parameter.arg} h", f"{parameter.arg} c"]
            states = [program.input(f"state {name}", _state(script), "float") for name in names]
            given.append(states if len(states) > 1 else states[0])
        else:
            way = f'say it: sizes="{parameter.arg}=NUMBER"' if text == "int" else "script a module of tensors alone"
            raise UnsupportedModelError(f"takes {parameter.arg!r} of type {text}, which the file does not tell; {way}.")
    try:
        outputs = _flat(follower.run(given))
        kept = follower.states()
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError, OverflowError) as problem:
        raise UnsupportedModelError(f"its code cannot be followed ({printable(problem, 100)}).") from None
    for index, ref in enumerate(outputs):
        program.returns(f"output {index}", ref)
    for name, ref in kept.items():
        program.returns(name, ref)
    return program


def _state(script: Script) -> tuple[int | str, ...]:
    """The shape of a state: that of the one recurrent module."""
    tensors = script.tensors()
    found = {name.rpartition(".")[0] for name in tensors if ".weight_hh" in f".{name}"}
    if len(found) != 1:
        raise UnsupportedModelError(f"takes a state and has {len(found)} recurrent modules; it is imported for one.")
    (path,) = found
    own = {name.removeprefix(f"{path}."): tensor for name, tensor in tensors.items() if name.startswith(f"{path}.") or not path}
    layers = [name for name in own if name.startswith("weight_hh")]
    return len(layers), 1, hidden_size(own, layers[0].removeprefix("weight_hh"))


def _flat(value: Any) -> Sequence[Ref]:
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, list):
        return [ref for part in value for ref in _flat(part)]
    raise UnsupportedModelError("returns something that is no tensor.")
