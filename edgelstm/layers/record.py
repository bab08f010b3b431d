"""What all layer records share: a name, the names of its inputs, its arrays, and checks of their shapes.

Records hold numbers only. They do not compute (`reference`, `kernels`) and know no file format (`files`, `importers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass, fields
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

from ..errors import ShapeError, UnsupportedModelError, UsageError, printable
from .wire import Wire, joined

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Largest layer dimension: keeps every offset of a packed model far inside 32 bits.
MAX_SIZE = 1 << 16


#: What array fields are given: anything array-like, or None where it may be absent. Once a record is made they hold read-only,
#: C-ordered float32 arrays, except for an absent h0 or c0.
Array: TypeAlias = Any


#: The arrays that records hold, by identity: one that another record is given is not copied and checked again.
_held: WeakValueDictionary[int, NDArray[np.float32]] = WeakValueDictionary()


def checked_array(owner: str, name: str, value: ArrayLike, ndim: int, most: int = MAX_SIZE) -> NDArray[np.float32]:
    """`value` as a private, read-only, C-ordered float32 array of `ndim` dimensions of at most `most` entries; finite or refused."""
    held = _held.get(id(value))
    if held is not None and held is value and held.ndim == ndim and max(held.shape) <= most and not held.flags.writeable:
        return held
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "fiub":
            raise TypeError(f"dtype {given.dtype}")
        with np.errstate(over="ignore"):
            array = np.array(given, dtype=np.float32, order="C")
    except (TypeError, ValueError, RuntimeError) as problem:  # the last is what PyTorch raises for a tensor with gradients
        text = str(problem).rstrip(".")
        raise ShapeError(f"{owner}: {name} must be an array of numbers with {ndim} dimension(s); got {text}.") from None
    if array.ndim != ndim or 0 in array.shape:
        raise ShapeError(f"{owner}: {name} must have {ndim} dimension(s), none of them empty; got shape {array.shape}.")
    if max(array.shape) > most:
        raise ShapeError(f"{owner}: {name} has shape {array.shape}; dimensions beyond {most} are not supported.")
    if not np.isfinite(array).all():
        raise ShapeError(
            f"{owner}: {name} holds NaN, infinity or a value beyond float32; export the model again from a healthy checkpoint."
        )
    array.flags.writeable = False
    _held[id(array)] = array
    return array


def require_shape(owner: str, name: str, array: NDArray[Any], shape: tuple[int, ...], because: str) -> None:
    """Raise ShapeError unless `array` has this shape."""
    if array.shape != shape:
        raise ShapeError(f"{owner}: {name} must have shape {shape} because {because}; got {array.shape}.")


class Sealed:
    """Base of dataclasses that never change once they are made: ``dataclass(frozen=True)`` takes three times as long to import."""

    _sealed = False

    def __setattr__(self, name: str, value: object) -> None:
        if self._sealed:
            raise FrozenInstanceError(f"{self.label} never changes; make another with dataclasses.replace.")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"{self.label} never changes; nothing of it can be deleted.")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def label(self) -> str:
        """How errors call it."""
        return type(self).__name__


class Facts(Sealed):
    """What a record declares of its kind. No dataclass: `Layer` would look at each of these at every start."""

    kind: ClassVar[str] = ""
    #: Whether a sample is one index into this layer's table.
    takes_index: ClassVar[bool] = False
    #: Whether each output depends on the values at its own place of the inputs alone, so that a map stays a map.
    channelwise: ClassVar[bool] = False
    #: Whether it rounds activations to integers, so that an answer may jump where an input moves by its last bit.
    rounds: ClassVar[bool] = False
    #: The forms that `numbers` can have.
    forms: ClassVar[tuple[str, ...]] = ("f32",)
    #: The kind that computes the same in float32, for kinds of other numbers.
    float_kind: ClassVar[str] = ""
    #: Whether its matrices are in half precision.
    halves: ClassVar[bool] = False
    #: Whether it takes an index as it takes a measurement.
    takes_any: ClassVar[bool] = False
    #: Name of the layer whose value of the step before it gives; empty of all that answer from what they read.
    of: ClassVar[str] = ""
    #: What the layer does where its mask is 0; None for a layer without one.
    mask: ClassVar[str | None] = None
    #: Gates of a recurrent layer, in the order of its arrays.
    gates: ClassVar[tuple[str, ...]] = ()


@dataclass(eq=False, repr=False, kw_only=True)
class Layer(Facts):
    """What all layers share. A record never changes once it is made.

    Parameters
    ----------
    name : str, optional
        Unique in a model; the model numbers unnamed layers (``lstm0``, ``dense1``).
    inputs : sequence of str, optional
        Names of the layers read, ``"input"`` for the model's own input. Default: the layer before.
        A layer that names several reads them concatenated, in that order; `Add` sums and `Mul` multiplies them instead.
    """

    name: str = ""
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.inputs, str):
            object.__setattr__(self, "inputs", (self.inputs,))
        object.__setattr__(self, "inputs", tuple(self.inputs))
        if not all(isinstance(n, str) for n in (self.name, *self.inputs)):
            raise UsageError(
                f"{self.kind}: name and inputs must be text; got {printable(repr(self.name), 60)} and {printable(self.inputs, 60)}."
            )
        self._check()
        self._sealed = True

    def _check(self) -> None:
        """Convert and check the record's own arrays."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made, and checked, as the record itself was."""
        return partial(type(self), **{f.name: getattr(self, f.name) for f in fields(self)}), ()

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.arrays().items())
        return f"{type(self).__name__}({self.name!r}{', ' if shapes else ''}{shapes})"

    @property
    def label(self) -> str:
        """How errors call this layer."""
        return f"{self.kind} {printable(self.name, 60)!r}" if self.name else self.kind

    @property
    def numbers(self) -> str:
        """What it computes in: ``"f32"``, or the scheme by which it was quantised."""
        return self.forms[0]

    @property
    def whole(self) -> bool:
        """Whether an answer needs later samples, so that it reads whole recordings and cannot step."""
        return False

    @property
    def answers(self) -> int | None:
        """How many rows it gives for a recording, whatever it reads; 0 for one at each sample, None for one at each row that it reads."""
        return None

    @property
    def waits(self) -> bool:
        """Whether its answers are none before the stream is given something beside samples."""
        return False

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the layers whose values make its own."""
        return self.inputs

    @property
    def probabilities(self) -> bool:
        """Whether its outputs are the probabilities of so many symbols."""
        return False

    @property
    def within_one(self) -> bool:
        """Whether no output can leave -1 to 1."""
        return False

    @property
    def output_grid(self) -> tuple[Array, int] | None:
        """Scale (1,) and zero point of outputs that are int8; None where they are any number."""
        return None

    @property
    def input_width(self) -> int | None:
        """Width of what it reads, where its arrays tell."""
        return None

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Shape of what it reads, where its arrays or options tell: a vector's unless the layer reads maps."""
        return None if self.input_width is None else (self.input_width,)

    @property
    def rate(self) -> tuple[int, int]:
        """(stride, first): it answers one of `stride` values that it reads, and first when it has read `first`."""
        return 1, 1

    @property
    def receptive_field(self) -> int:
        """How many of the values that it reads an answer depends on; 0 for all that came before."""
        return 1

    @property
    def multiply_accumulates(self) -> int:
        """Products that one step sums: those of its matrices."""
        return sum(array.size for array in self.arrays().values() if array.ndim == 2)

    def output_size(self, sizes: Sequence[int]) -> int:
        """Width of the output, given the widths of the inputs.

        Raises
        ------
        ShapeError
            If the inputs do not fit the layer's arrays.
        """
        raise UnsupportedModelError(f"{self.label}: layers of type {type(self).__name__} have no size rule.")

    def reads(self, wanted: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
        """Which values of its inputs, side by side, can change the outputs that are wanted: (output_size,) -> (width,)."""
        if self.channelwise:
            return np.tile(wanted, width // wanted.size)
        weight = self.arrays().get("weight")
        if weight is not None and weight.shape == (wanted.size, width):
            return np.asarray((weight[wanted] != 0).any(axis=0))
        return np.full(width, wanted.any())

    def moved(self, places: Sequence[int]) -> Sequence[int] | None:
        """The places of its outputs among the model's inputs, given those of what it reads; None where it computes new values."""
        return None

    def output_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Shape of the output, given the shapes of the inputs: a vector's, unless the layer is channelwise and all inputs are alike.

        Raises
        ------
        ShapeError
            If the inputs do not fit the layer's arrays.
        """
        size = self.output_size([prod(shape) for shape in shapes])
        return shapes[0] if self.channelwise and len(set(shapes)) == 1 and prod(shapes[0]) == size else (size,)

    def output_wire(self, wires: Sequence[Wire]) -> Wire:
        """What leaves the layer, given what it reads.

        Raises
        ------
        ShapeError
            If the inputs do not fit the layer's arrays.
        UnsupportedModelError
            If the inputs are due at different steps.
        """
        stride, first = self.rate
        return joined(self.label, self.inputs, wires).behind(stride, first, self.output_shape([wire.shape for wire in wires]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays this record holds, by field name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def options(self) -> dict[str, Any]:
        """The fields that are not arrays, without name and inputs: plain JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "inputs")}
        plain = {name: value for name, value in values.items() if not isinstance(value, np.ndarray) and value is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def from_parts(cls, name: str, inputs: Sequence[str], options: Mapping[str, Any], arrays: Mapping[str, ArrayLike]) -> Self:
        """Build a record from what `arrays` and `options` gave.

        Raises
        ------
        UnsupportedModelError
            If a part has no field of that name in this version.
        """
        known = {f.name for f in fields(cls)} - {"name", "inputs"}
        if unknown := sorted((set(options) | set(arrays)) - known):
            raise UnsupportedModelError(
                f"{cls.kind} {printable(name, 60)!r} has {printable(', '.join(unknown), 60)}, "
                "which this version of edgelstm does not know; upgrade edgelstm."
            )
        try:
            return cls(name=name, inputs=tuple(inputs), **options, **arrays)
        except TypeError as problem:
            raise ShapeError(f"{cls.kind} {printable(name, 60)!r}: {printable(problem, 200)}.") from None

    def _check_matrix(self, name: str) -> None:
        """A field that is a matrix of weights."""
        if self.halves:
            from .halves import half_matrix  # float32 models never need it

            self._set(name, half_matrix(self.label, name, getattr(self, name)))
        else:
            self._set(name, checked_array(self.label, name, getattr(self, name), 2))

    def _matches(self, sizes: Sequence[int], expected: int, because: str) -> None:
        if sum(sizes) != expected:
            raise ShapeError(f"{self.label} takes {expected} inputs because {because}; it is given {' + '.join(map(str, sizes))}.")


class PerChannel(Layer):
    """A layer of as many channels as the array that `per_channel` names, (input_size,)."""

    per_channel: ClassVar[str] = "weight"

    @property
    def input_width(self) -> int:
        return int(getattr(self, self.per_channel).size)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, self.input_width, f"{self.per_channel} has shape ({self.input_width},)")
        return self.input_width
