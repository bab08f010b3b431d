"""A TorchScript module as a `Model`: what its inputs are, which the file does not say, is tried until the whole code can be followed."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from ...errors import ModelFileError, ShapeError, UnsupportedModelError, printable
from ...layers.frames import IntraRNN, RowsRNN
from ...layers.recurrent import Recurrent
from ...model import Model
from ..from_onnx.chains import Followed, same
from ..from_onnx.chains import followed as graph_followed
from ..from_onnx.settling import Sizes, parse
from ..from_onnx.writer import Ref
from . import script_inputs as inputs
from .program import Program
from .script import Follower
from .script_archive import Script
from .script_values import OpenLoop, OpenRow

#: Most readings of the samples' shape that are made.
_MOST = 12

#: Lengths of recordings for which code that loops over the steps is followed.
_LENGTHS = (6, 9)

Specs: TypeAlias = tuple[inputs.Spec, ...]


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
    names = inputs.taken_by(Follower(script, Program("TorchScript")).parameters())
    for specs in itertools.islice(inputs.readings(script, names, said), _MOST):
        try:
            taken = _taken(script, specs, said.values, source)
            if said.shapes or not _in_frames(taken.model):
                return taken
            raise UnsupportedModelError(
                f"runs no recurrence from step to step where its samples are {'x'.join(map(str, specs[0].shape))}; {_say(names)}."
            )
        except (UnsupportedModelError, ShapeError, ModelFileError) as found:
            problem = found if problem is None or script.traced or isinstance(found, OpenRow) else problem
    raise problem or UnsupportedModelError("has no weights that would tell the shape of its samples.")


def _say(names: Sequence[str]) -> str:
    return f'say what they are: sizes="{printable(next(iter(names), "x"), 60)}=1xTx40"'


def _taken(script: Script, specs: Specs, values: Mapping[str, int], source: str) -> Followed:
    """The model for such tensors; where the code loops as long as a recording is, that of two lengths, which is to be one."""
    try:
        program = _program(script, specs, values)
    except OpenLoop as problem:
        return _looped(script, specs, values, source, problem)
    taken = graph_followed(program.file(), None, source)
    if any(taken.model.vocabularies) and all(spec.dtype == "float" for spec in specs) and not program.casts:
        names = [tensor.name for tensor, _ in taken.reading.samples]
        raise OpenRow(f"looks its samples up in a table, of which the file does not tell how many a step are; {_say(names)}.")
    return taken


def _looped(script: Script, specs: Specs, values: Mapping[str, int], source: str, problem: OpenLoop) -> Followed:
    """A loop over the steps: the same model for two lengths, of which the longer one has more rounds."""
    found: Exception = problem
    for time in (1, 0):
        fixed = [tuple(spec if spec.state else spec._replace(shape=_fixed(spec.shape, time, n)) for spec in specs) for n in _LENGTHS]
        try:
            programs = [_program(script, one, values) for one in fixed]
            each = [graph_followed(program.file(), None, source) for program in programs] if programs[0].calls < programs[1].calls else []
        except (UnsupportedModelError, ShapeError) as other:
            found = other if found is problem else found
            continue
        if [one.model.window for one in each] == list(_LENGTHS) and same(each[0].model.layers, each[1].model.layers):
            return each[0]._replace(model=replace(each[0].model, window=None))
    raise found from None


def _fixed(shape: tuple[int | str, ...], time: int, steps: int) -> tuple[int | str, ...]:
    """A shape with so many steps along the axis `time`, of one sequence."""
    if shape[:2] != inputs.OPEN:
        return tuple(1 if isinstance(size, str) else size for size in shape)
    return tuple(steps if axis == time else 1 if axis == 1 - time else size for axis, size in enumerate(shape))


def _in_frames(model: Model) -> bool:
    """Whether all its recurrence begins anew at every step, as when a recording is taken for a frame."""
    found = [layer for layer in model.layers if isinstance(layer, Recurrent | RowsRNN)]
    return bool(found) and all(isinstance(layer, IntraRNN) for layer in found)


def _program(script: Script, specs: Specs, values: Mapping[str, int]) -> Program:
    program = Program("TorchScript")
    follower = Follower(script, program)
    given: list[Any] = []
    left = list(zip(inputs.taken_by(follower.parameters()), specs, strict=True))
    for parameter in follower.parameters():
        kind = inputs.kind_of(parameter)
        if kind == "int" and parameter.arg in values:
            given.append(values[parameter.arg])
        elif kind.startswith("Optional"):
            given.append(None)
        elif kind == "Tensor":
            given.append(_input(program, *left.pop(0)))
        elif kind == "Tuple[Tensor, Tensor]":
            given.append([_input(program, *left.pop(0)) for _ in range(2)])
        else:
            way = f'say it: sizes="{parameter.arg}=NUMBER"' if kind == "int" else "script a module of tensors alone"
            raise UnsupportedModelError(f"takes {parameter.arg!r} of type {kind}, which the file does not tell; {way}.")
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


def _input(program: Program, name: str, spec: inputs.Spec) -> Ref:
    return program.input(f"state {name}" if spec.state else name, spec.shape, spec.dtype)


def _flat(value: Any) -> Sequence[Ref]:
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, list):
        return [ref for part in value for ref in _flat(part)]
    raise UnsupportedModelError("returns something that is no tensor.")
