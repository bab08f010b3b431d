"""What code requires of the inputs: a number that it compares with another, a length for all but one of which it raises an error."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import UnsupportedModelError
from ..from_onnx.writer import Ref
from .program import Program
from .script_values import Asks, Open


def need(operator: str, arguments: Sequence[Any]) -> None:
    """Ask for a number that is open, where an operator compares it with one that is known.

    Raises
    ------
    Asks
    UnsupportedModelError
        If it does something else with it.
    """
    for argument in arguments:
        if isinstance(argument, Open):
            known = next((one for one in arguments if type(one) is int), None)
            if operator in ("eq", "ne") and known is not None:
                raise Asks(argument.name, None, known)
            raise UnsupportedModelError(
                f'takes {argument.name!r} of type int, which the file does not tell; say it: sizes="{argument.name}=NUMBER".'
            )


@dataclass(eq=False)
class Asking:
    """The lengths of a program's inputs that code looks up, and the conditions that it makes of them."""

    program: Program
    _lengths: dict[str, tuple[str, int]] = field(default_factory=dict)  # by a number's name, of which axis of which input it is the length
    _asked: dict[str, tuple[str, Asks]] = field(default_factory=dict)  # by a condition's name, what it compares such a length with

    def length(self, ref: Ref, axis: int) -> Ref | int:
        """How long an axis of a tensor is: a number, if that is known."""
        shape = self.program.shape(ref) or ()
        own = shape[axis] if -len(shape) <= axis < len(shape) else None
        length = own if isinstance(own, int) else self.program.size(ref, axis)
        if isinstance(length, Ref) and shape:
            self._lengths[length.name] = (ref.name, axis % len(shape))
        return length

    def compared(self, operator: str, arguments: Sequence[Any], condition: Ref) -> None:
        """Remember a condition, if it compares such a length with a number."""
        if operator in ("eq", "ne") and isinstance(arguments[0], Ref) and arguments[0].name in self._lengths and type(arguments[1]) is int:
            self._asked[condition.name] = (operator, Asks(*self._lengths[arguments[0].name], arguments[1]))

    def ask(self, condition: Ref, operator: str) -> None:
        """Ask for the length that code requires, if the condition by which it raises an error compares one by this operator."""
        made, asks = self._asked.get(condition.name, ("", None))
        if asks is not None and made == operator:
            raise asks
