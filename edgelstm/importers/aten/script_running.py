"""TorchScript's code run for tensors of given shapes: the program of a call, or of the calls behind the first where that one is another."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import UnsupportedModelError, printable
from ..from_onnx.chains import followed, same
from ..from_onnx.writer import Ref
from . import script_inputs as inputs
from .program import Program
from .script import Follower
from .script_archive import Script
from .script_attributes import Attributes
from .script_values import Fields, Open, Shape

#: Steps of a recording for which the shapes of states are found.
_STEPS = 6

#: What attributes begin a call as, by owner and name.
_Begins = Mapping[tuple[int, str], Any]


def program_of(script: Script, specs: Sequence[inputs.Spec], values: Mapping[str, int]) -> Program:
    """What ``forward`` computes of such tensors and numbers.

    A module may begin with empty tensors, and numbers that its first call changes. Such a call is compared with the later ones: these
    begin with what it leaves, and give the same as it where their tensors are zeros.

    Raises
    ------
    UnsupportedModelError
        Naming what of its code is not imported.
    """
    program, follower = _called(script, specs, values, {})
    if not follower.attributes.unsettled:
        return program
    alone = [_of_one(spec) for spec in specs]
    short = [spec._replace(shape=tuple(_STEPS if isinstance(n, str) else n for n in spec.shape)) for spec in alone]
    first, follower = _called(script, short, values, {})
    begins = _left(first, follower)
    later, follower = _called(script, short, values, begins)
    if _left(later, follower) != begins:
        raise UnsupportedModelError("keeps attributes whose numbers or shapes go on changing from call to call, which is not imported.")
    again, _ = _called(script, short, values, begins, fixed=True)
    models = [followed(one.file(), None, "TorchScript", at_once=False).model for one in (first, again)]
    if not same(models[0].layers, models[1].layers):
        raise UnsupportedModelError("answers its first call otherwise than one whose states are zeros, which is not imported.")
    return _called(script, alone, values, begins)[0]


def _of_one(spec: inputs.Spec) -> inputs.Spec:
    """A tensor of one sequence, whose axis is the first."""
    first, *rest = spec.shape or (1,)
    return spec._replace(shape=(1 if isinstance(first, str) else first, *rest)) if spec.shape else spec


def _left(program: Program, follower: Follower) -> dict[tuple[int, str], Any]:
    """What attributes have become: numbers, and of tensors the shape."""
    return {key: _shape(program, value) if isinstance(value, Ref) else value for key, value in follower.attributes.left().items()}


def _shape(program: Program, ref: Ref) -> Shape:
    lengths = [program.length(ref, axis) for axis in range(ref.rank)]
    if None in lengths:
        raise UnsupportedModelError("keeps a tensor of a shape that is not known, which is not imported.")
    return Shape(length for length in lengths if length is not None)


def _called(
    script: Script,
    specs: Sequence[inputs.Spec],
    values: Mapping[str, int],
    begins: _Begins,
    *,
    fixed: bool = False,
    changed: frozenset[tuple[object, ...]] = frozenset(),
) -> tuple[Program, Follower]:
    """One call of ``forward``."""
    program = Program("TorchScript")
    follower = Follower(Attributes(script, program, begins, fixed, changed))
    given: list[Any] = []
    left = list(zip(inputs.taken_by(follower.parameters()), specs, strict=True))
    for parameter in follower.parameters():
        kind = inputs.kind_of(parameter)
        if kind == "int":
            given.append(values.get(parameter.arg, Open(parameter.arg)))
        elif kind.startswith("Optional"):
            given.append(None)
        elif kind == "Tensor":
            given.append(_input(program, *left.pop(0)))
        elif kind == "Tuple[Tensor, Tensor]":
            given.append([_input(program, *left.pop(0)) for _ in range(2)])
        else:
            raise UnsupportedModelError(
                f"takes {parameter.arg!r} of type {kind}, which the file does not tell; script a module of tensors alone."
            )
    try:
        outputs = list(_named(follower.run(given), ""))
        kept = follower.attributes.states()
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError, OverflowError) as problem:
        raise UnsupportedModelError(f"its code cannot be followed ({printable(problem, 100)}).") from None
    if written := follower.attributes.written() - changed:
        return _called(script, specs, values, begins, fixed=fixed, changed=changed | written)
    for index, (name, ref) in enumerate(outputs):
        program.returns(f"output {name or index}", ref)
    for name, ref in kept.items():
        program.returns(name, ref)
    return program, follower


def _input(program: Program, name: str, spec: inputs.Spec) -> Ref:
    return program.input(f"state {name}" if spec.state else name, spec.shape, spec.dtype)


def _named(value: Any, name: str) -> Iterator[tuple[str, Ref]]:
    """The tensors that code returns, with the names that a dict or a named tuple gives them."""
    if isinstance(value, Ref):
        yield name, value
        return
    if isinstance(value, list | dict):
        names = value.names if isinstance(value, Fields) else value if isinstance(value, dict) else [""] * len(value)
        for key, part in zip(names, value.values() if isinstance(value, dict) else value, strict=True):
            yield from _named(part, f"{name} {printable(key, 40)}".strip())
        return
    raise UnsupportedModelError("returns something that is no tensor.")
