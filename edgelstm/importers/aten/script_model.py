"""A TorchScript module as a `Model`: what its inputs are, which the file does not say, is tried until the whole code can be followed."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from ...errors import ModelFileError, ShapeError, UnsupportedModelError, printable
from ...layers.frames import IntraRNN, RowsRNN
from ...layers.recurrent import Recurrent
from ...model import Model
from ..from_onnx.attempts import ONCE, Attempt
from ..from_onnx.chains import STEPS, Followed, same
from ..from_onnx.chains import followed as graph_followed
from ..from_onnx.file import File
from ..from_onnx.settling import Sizes, parse
from ..from_torch.quantised import NOTE, Quantised
from ..graph.wires import Misfit
from . import script_inputs as inputs
from .program import Program
from .script import Follower
from .script_archive import Script
from .script_attributes import Attributes
from .script_running import program_of
from .script_values import Asks, OpenLoop, OpenRow, Raises

#: Most readings of the samples' shape that are made.
_MOST = 16

#: Of how many readings weights that were given too many numbers, or too few, say others.
_MOST_FITTED = 6

#: Most numbers and lengths for which code is asked.
_MOST_ASKED = 8

#: Lengths of recordings for which code that loops over the steps is followed.
_LENGTHS = (6, 9)

Specs: TypeAlias = tuple[inputs.Spec, ...]

#: What follows a graph.
_Follow: TypeAlias = Callable[[File], Followed]


def from_script(script: Script, source: str, sizes: str | None = None) -> tuple[Model, str, list[str]]:
    """The model that a script's ``forward`` describes. sizes: as `settling.parse` reads them, of its parameters.

    Raises
    ------
    UnsupportedModelError
        Naming what of its code is not imported.
    """
    taken = followed(script, source, sizes)
    packed = any(isinstance(tensor, Quantised) for tensor in script.tensors().values())
    return taken.model, ", ".join(layer.name for layer in taken.model.layers), [*taken.notes, *([NOTE] if packed else [])]


def followed(script: Script, source: str, sizes: str | None = None) -> Followed:
    """The same, with what the inputs were taken for. Where nothing else is left, loops of no known cell become layers in a cycle."""
    tried: list[Attempt] = []
    follow = partial(graph_followed, sizes=None, source=source, at_once=False)
    try:
        return _read_as(script, sizes, partial(follow, loops=False, tried=tried))
    except (UnsupportedModelError, ShapeError, ModelFileError):
        if not any(one.unknown for one in tried):
            raise
    return _read_as(script, sizes, follow)


def _read_as(script: Script, sizes: str | None, follow: _Follow) -> Followed:
    """The model of the first reading of the samples' shape by which the graph can be followed."""
    problem: UnsupportedModelError | ShapeError | ModelFileError | None = None
    said = parse(sizes) if sizes is not None else Sizes()
    names = inputs.taken_by(Follower(Attributes(script, Program("TorchScript"))).parameters())
    loops, batches, once, fitting = False, False, None, list[Specs]()
    every = itertools.islice(inputs.readings(script, names, said), _MOST)
    for specs in itertools.chain(every, fitting):
        if (loops or batches) and len(specs[0].shape) < 3:
            continue  # a loop over the steps would be one over the numbers of a step, and one axis fewer another network's samples
        try:
            taken = _taken(script, specs, said.values, follow)
            if said.shapes or not _in_frames(taken.model):
                if said.shapes or len(specs[0].shape) < 4 or not (taken.model.answers or ONCE in taken.notes):
                    return taken
                once = once or taken  # maps whose other axis is time may be answered at each step
                continue
            raise UnsupportedModelError(
                f"runs no recurrence from step to step where its samples are {'x'.join(map(str, specs[0].shape))}; {_say(names)}."
            )
        except (UnsupportedModelError, ShapeError, ModelFileError) as found:
            tells = isinstance(found, OpenRow) or isinstance(problem, Raises) or _fits_badly(problem) > _fits_badly(found)
            problem = found if problem is None or script.traced or tells else problem
            loops |= isinstance(found, OpenLoop)
            batches |= (
                len(specs[0].shape) == 3 and not said.shapes and not isinstance(found, Misfit) and _batch_first(script, specs, said.values)
            )
            if isinstance(found, Misfit) and not (script.traced or said.shapes) and len(fitting) < _MOST_FITTED:
                fitting += inputs.fitted(specs, found.wanted, found.got, STEPS[0])
    if once is not None:
        return once
    if problem is None:
        raise UnsupportedModelError("has no weights that would tell the shape of its samples.")
    if script.traced or said.shapes or "sizes=" in str(problem):
        raise problem
    raise UnsupportedModelError(f"{str(problem).removesuffix('.')}. Its samples were taken to be of several shapes; {_say(names)}.")


def _batch_first(script: Script, specs: Specs, values: Mapping[str, int]) -> bool:
    """Whether code takes such tensors and gives them to a recurrence with sequences along the first axis, as it can none of two axes."""
    try:
        return program_of(script, specs, values).batch_first
    except (UnsupportedModelError, ShapeError, ModelFileError, Asks):
        return False


def _fits_badly(problem: Exception | None) -> bool:
    """Whether samples of another shape were meant."""
    return isinstance(problem, Misfit | ModelFileError)


def _say(names: Sequence[str]) -> str:
    return f'say what they are: sizes="{printable(next(iter(names), "x"), 60)}=1xTx40"'


def _taken(script: Script, specs: Specs, values: Mapping[str, int], follow: _Follow) -> Followed:
    """The model for such tensors, with the numbers and lengths that the code asks for."""
    names, notes = inputs.taken_by(Follower(Attributes(script, Program("TorchScript"))).parameters()), list[str]()
    while True:
        try:
            taken = _taken_so(script, specs, values, follow)
            return taken._replace(notes=[*notes, *taken.notes])
        except Asks as asked:
            if len(notes) == _MOST_ASKED:
                raise UnsupportedModelError(str(asked)) from None
            if asked.axis is None:
                values = {**values, asked.name: asked.number}
                notes.append(f"The input {asked.name!r} is taken as {asked.number}, with which the code compares it first.")
            else:
                place = names.index(asked.name.removeprefix("state "))
                shape = tuple(asked.number if axis == asked.axis else n for axis, n in enumerate(specs[place].shape))
                specs = (*specs[:place], specs[place]._replace(shape=shape), *specs[place + 1 :])
                notes.append(f"The input {asked.name!r} has {asked.number} numbers along axis {asked.axis}: the code takes no others.")


def _taken_so(script: Script, specs: Specs, values: Mapping[str, int], follow: _Follow) -> Followed:
    """The model for such tensors; where the code loops as long as a recording is, that of two lengths, which is to be one."""
    try:
        program = program_of(script, specs, values)
    except OpenLoop as problem:
        return _looped(script, specs, values, follow, problem)
    taken = follow(program.file())
    if any(taken.model.vocabularies) and all(spec.dtype == "float" for spec in specs) and not program.casts:
        names = [tensor.name for tensor, _ in taken.reading.samples]
        raise OpenRow(f"looks its samples up in a table, of which the file does not tell how many a step are; {_say(names)}.")
    return taken


def _looped(script: Script, specs: Specs, values: Mapping[str, int], follow: _Follow, problem: OpenLoop) -> Followed:
    """A loop over the steps: the same model for two lengths, of which the longer one has more rounds."""
    found: Exception = problem
    for time in (1, 0):
        fixed = [tuple(spec if spec.state else spec._replace(shape=_fixed(spec.shape, time, n)) for spec in specs) for n in _LENGTHS]
        try:
            programs = [program_of(script, one, values) for one in fixed]
            each = [follow(program.file()) for program in programs] if programs[0].calls < programs[1].calls else []
        except (UnsupportedModelError, ShapeError) as other:
            found = other if found is problem else found
            continue
        if [one.model.window for one in each] == list(_LENGTHS) and same(each[0].model.layers, each[1].model.layers):
            return each[0]._replace(model=replace(each[0].model, window=None))
    raise found from None


def _fixed(shape: tuple[int | str, ...], time: int, steps: int) -> tuple[int | str, ...]:
    """A shape with so many steps along the axis `time`, where that is open or was said to be, of one sequence."""
    if shape[:2] != inputs.OPEN:
        said = [isinstance(size, str) and axis == time and not size.endswith(" axis") for axis, size in enumerate(shape)]
        return tuple(steps if open_ else 1 if isinstance(size, str) else size for open_, size in zip(said, shape, strict=True))
    return tuple(steps if axis == time else 1 if axis == 1 - time else size for axis, size in enumerate(shape))


def _in_frames(model: Model) -> bool:
    """Whether all its recurrence begins anew at every step, as when a recording is taken for a frame."""
    found = [layer for layer in model.layers if isinstance(layer, Recurrent | RowsRNN)]
    return bool(found) and all(isinstance(layer, IntraRNN) and not layer.starts for layer in found)
