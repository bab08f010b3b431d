"""What recurrent records of any number format share: masks, directions, sizes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import ShapeError, UnsupportedModelError, UsageError, printable
from .activations import parts, within_one
from .record import Array, Layer, checked_array, require_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What layers do where their mask is 0: they pass padding over; those of `Restarting` may begin anew instead.
MASKS = ("repeat", "zero")
RESET = "reset"

#: What numbers of a state are cut at that a mask multiplies. A network that comes here has diverged.
MOST_KEPT = 2.0**30


@dataclass(init=False, eq=False, repr=False, kw_only=True)
class Maskable(Layer):
    """A layer with a state that can pass padding over.

    Parameters
    ----------
    mask : {"repeat", "zero"}, optional
        Takes one input more, the last: where that is 0, the layer keeps its state, and repeats the output that it gave before (0 where
        there is none), or gives zeros. Keras' masks; zeros are its ``zero_output_for_mask``, and what follows a sequence's end in ONNX.
    """

    masks: ClassVar[tuple[str, ...]] = MASKS
    mask: str | None = None  # type: ignore[misc]

    def __post_init__(self) -> None:
        if self.mask is not None and self.mask not in self.masks:
            raise UsageError(f"{self.label}: mask must be one of {', '.join(self.masks)}, or None; got {printable(repr(self.mask), 60)}.")
        super().__post_init__()


@dataclass(init=False, eq=False, repr=False, kw_only=True)
class Recurrent(Maskable):
    """What recurrent layers of any number format share: weight_ih (rows, input_size) and weight_hh (rows, hidden_size).

    Parameters
    ----------
    reverse : bool
        Whether it reads a recording from its end. Its outputs stand in the order of the samples. It cannot step.
    mask : {"repeat", "zero", "reset"}, optional
        See `Maskable`; "reset" as `Restarting` has it.
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    reverse: bool = False

    if TYPE_CHECKING:
        weight_ih: Array
        weight_hh: Array

    def __post_init__(self) -> None:
        self._check_flags("reverse")
        super().__post_init__()
        if self.reverse and self.mask == RESET:
            raise UnsupportedModelError(f"{self.label}: mask={RESET!r} stands beside samples that are read forwards; make reverse false.")

    def __repr__(self) -> str:
        said = ", reverse=True" * self.reverse + f", mask={self.mask!r}" * (self.mask is not None)
        return f"{super().__repr__()[:-1]}{said})"

    def options(self) -> dict[str, Any]:
        """Without `reverse` where it is False."""
        return {name: value for name, value in super().options().items() if name != "reverse" or value}

    @property
    def whole(self) -> bool:
        return self.reverse

    @property
    def within_one(self) -> bool:
        return True

    @property
    def input_size(self) -> int:
        return int(self.weight_ih.shape[1])

    @property
    def input_width(self) -> int:
        return self.input_size + (self.mask is not None)

    @property
    def receptive_field(self) -> int:
        return 0

    @property
    def hidden_size(self) -> int:
        return int(self.weight_hh.shape[1])

    def reads(self, wanted: "NDArray[np.bool_]", width: int) -> "NDArray[np.bool_]":
        mask = width - self.input_size
        return np.pad((self.weight_ih != 0).any(axis=0), (0, mask), constant_values=True)

    def output_size(self, sizes: Sequence[int]) -> int:
        mask = "" if self.mask is None else " and a mask comes last"
        self._matches(sizes, self.input_width, f"weight_ih has shape {self.weight_ih.shape}{mask}")
        return self.hidden_size

    def _check_flags(self, *names: str) -> None:
        """Fields that are true or false, as files hold them."""
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise ShapeError(f"{self.label}: {name} must be true or false; got {printable(repr(value), 60)}.")
            self._set(name, bool(value))

    def _check_positive(self, name: str) -> None:
        """A field that is a positive number, or None for none."""
        value = getattr(self, name)
        if value is None:
            return
        number = isinstance(value, (float, int, np.floating, np.integer)) and not isinstance(value, bool)
        if not number or not 1e-30 <= float(value) <= 1e30:
            raise UnsupportedModelError(
                f"{self.label}: {name} must be a number from 1e-30 to 1e30, or None for none; got {printable(repr(value), 60)}."
            )
        self._set(name, float(np.float32(value)))

    def _check_vector(self, name: str, size: int, because: str) -> None:
        """A field that may be absent."""
        if (value := getattr(self, name)) is not None:
            self._set(name, checked_array(self.label, name, value, 1))
            require_shape(self.label, name, getattr(self, name), (size,), because)


class Restarting:
    """What recurrent layers share whose state may be multiplied by a number before each step.

    With ``mask="reset"`` the last input is that number: 1 goes on, and 0 begins anew from a state of zeros. Policies of
    reinforcement learning give ``1 - done`` so.
    """

    masks: ClassVar[tuple[str, ...]] = (*MASKS, RESET)


class Mixing:
    """What the GRUs of all number formats share: the gate z mixes the state before with a candidate."""

    if TYPE_CHECKING:
        gate_activation: str
        cell_activation: str
        h0: Array
        mask: str | None

    @property
    def within_one(self) -> bool:
        return (
            self.mixes and self.mask != RESET and within_one(self.cell_activation) and (self.h0 is None or bool(np.abs(self.h0).max() <= 1))
        )

    @property
    def mixes(self) -> bool:
        """Whether gates lie within 0 to 1, so that h lies between its old value and the candidate."""
        return parts(self.gate_activation)[0] in ("sigmoid", "hard_sigmoid")
