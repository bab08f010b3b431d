"""Records of attention: over the rows of a recording so far, and over a memory, such as an encoder's outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, ShapeError, UsageError, printable
from .record import MAX_SIZE, Array, Layer, checked_array, require_shape
from .recurrent import Maskable

#: How `Attention` scores a row of its memory.
SCORES = ("dot", "additive")

#: No key and no value of a memory is larger, so that no score overflows.
LARGEST = 2.0**20

#: Most numbers of keys and values.
MOST_NUMBERS = 1 << 22


@dataclass(eq=False, repr=False)
class AttentionPool(Maskable):
    """Mean of all rows so far, weighted by a softmax over them: ``sum over t of exp(score_t) x_t / sum over t of exp(score_t)``.

    The last value of a row is its score, which other layers give (a `Dense` of one output, say); the others are x. At the last row of a
    recording it is what a network with attention over the whole recording answers from
    (the weighted sum of Bahdanau, Cho and Bengio 2015; Yang et al. 2016).
    """

    kind: ClassVar[str] = "attention_pool"

    def output_size(self, sizes: Sequence[int]) -> int:
        others = 1 + (self.mask is not None)
        if sum(sizes) <= others:
            raise ShapeError(
                f"{self.label} reads values, a score{' and a mask' * (others - 1)}; it is given {' + '.join(map(str, sizes))}."
            )
        return sum(sizes) - others


@dataclass(eq=False, repr=False)
class Attention(Layer):
    """What a query finds in a memory of rows: ``sum over t of softmax(score)_t v_t``, where a row m_t has the key k_t and the value v_t.

    A key is ``key_weight m + key_bias``, a value ``value_weight m + value_bias``; without a weight it is the row itself. The query q is
    what the layer reads; a `Dense` before it projects it. With the score ``"dot"`` a row scores ``scale * q . k`` (Luong, Pham and Manning
    2015; with a `key_weight`, their "general"; Vaswani et al. 2017 scale it), with ``"additive"`` ``scale * vector . tanh(q + k)``
    (Bahdanau, Cho and Bengio 2015). Several heads divide queries, keys and values into parts of one size, each with weights of its own.

    `Stream.attend` sets the memory, once for a sequence; without rows the answer is zeros.

    Parameters
    ----------
    memory_size : int
        Values in a row of the memory.
    rows : int
        Most rows that the memory may have.
    score : {"dot", "additive"}
    heads : int
        More than one with ``"dot"`` alone.
    scale : float
    vector : (query_size,), optional
        With ``"additive"``; absent, ones.
    key_weight : (query_size, memory_size), optional
    key_bias : (query_size,), optional
    value_weight : (output_size, memory_size), optional
    value_bias : (output_size,), optional
    memory : (1 to rows, memory_size), optional
        Before `Stream.attend` sets another one; absent, no rows.
    """

    kind: ClassVar[str] = "attention"
    memory_size: int
    rows: int
    score: str = "dot"
    heads: int = 1
    scale: float = 1.0
    vector: Array = None
    key_weight: Array = None
    key_bias: Array = None
    value_weight: Array = None
    value_bias: Array = None
    memory: Array = None

    def _check(self) -> None:
        check_counts(self, "memory_size", "rows", "heads")
        self._check_projection("key")
        self._check_projection("value")
        check_score(self)
        self._check_parts()

    def _check_projection(self, name: str) -> None:
        weight, bias = f"{name}_weight", f"{name}_bias"
        if getattr(self, weight) is not None:
            self._set(weight, checked_array(self.label, weight, getattr(self, weight), 2))
            require_shape(self.label, weight, getattr(self, weight)[:1], (1, self.memory_size), f"memory_size is {self.memory_size}")
        if getattr(self, bias) is not None:
            size = self._width(name)
            self._set(bias, checked_array(self.label, bias, getattr(self, bias), 1))
            require_shape(self.label, bias, getattr(self, bias), (size,), f"a {name} has {size} values")

    def _check_parts(self) -> None:
        if self.heads > 1 and (self.score != "dot" or self.query_size % self.heads or self._width("value") % self.heads):
            sizes = f"keys of {self.query_size} and values of {self._width('value')} numbers"
            raise ShapeError(f'{self.label}: {self.heads} heads divide {sizes} into equal parts, with the score "dot".')
        if self.rows * (self.query_size + self._width("value")) > MOST_NUMBERS:
            raise ShapeError(f"{self.label}: {self.rows} rows take more than {MOST_NUMBERS} numbers of keys and values; make them fewer.")
        if self.memory is not None:
            self._set("memory", checked_array(self.label, "memory", self.memory, 2))
            self.remembered(self.memory)

    def _width(self, name: str) -> int:
        """Numbers in a key or a value."""
        weight = getattr(self, f"{name}_weight")
        return self.memory_size if weight is None else int(weight.shape[0])

    @property
    def query_size(self) -> int:
        """Numbers in a query, and in a key."""
        return self._width("key")

    @property
    def input_width(self) -> int:
        return self.query_size

    @property
    def multiply_accumulates(self) -> int:
        return self.rows * (self.query_size + self._width("value"))

    @property
    def waits(self) -> bool:
        return self.memory is None

    @property
    def receptive_field(self) -> int:
        return 1

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, self.query_size, f"its keys have {self.query_size} values")
        return self._width("value")

    def remembered(self, memory: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Keys (rows, query_size) and values (rows, output_size) of a memory.

        Raises
        ------
        InputError
            If it has another width, too many rows, or numbers that are not finite, or so large that scores could overflow.
        """
        given: NDArray[Any] = np.asarray(memory, np.float64)
        if given.ndim != 2 or given.shape[1] != self.memory_size or not 0 < len(given) <= self.rows:
            raise InputError(
                f"{self.label} takes a memory of 1 to {self.rows} rows of {self.memory_size} values; got the shape {given.shape}."
            )
        found = []
        for name in ("key", "value"):
            weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
            rows = given if weight is None else given @ weight.T.astype(np.float64)
            found.append(rows if bias is None else rows + bias)
        if not all((np.abs(rows) <= LARGEST).all() for rows in found):
            raise InputError(f"{self.label}: its memory holds NaN, infinity, or makes keys or values beyond {LARGEST:g}.")
        return found[0], found[1]


class RowAttention(Layer):
    """Attention whose rows are a query, a key and a value side by side."""

    if TYPE_CHECKING:
        query_size: int
        score: str
        heads: int

    def _check_rows(self, *counts: str) -> None:
        check_counts(self, "query_size", "heads", *counts)
        check_score(self)
        if self.heads > 1 and (self.score != "dot" or self.query_size % self.heads):
            raise ShapeError(f'{self.label}: {self.heads} heads divide keys of {self.query_size} into equal parts, with the score "dot".')

    def output_size(self, sizes: Sequence[int]) -> int:
        size = sum(sizes) - 2 * self.query_size
        if size < 1 or size % self.heads:
            raise ShapeError(
                f"{self.label} reads a query and a key of {self.query_size} values each, and a value that {self.heads} heads divide; it is "
                f"given {' + '.join(map(str, sizes))}."
            )
        return size


@dataclass(eq=False, repr=False)
class SelfAttention(RowAttention):
    """What each row of a recording finds in all of them: ``sum over t of softmax(score)_t v_t``, with the scores of `Attention`.

    A row that it reads is a query, a key and a value side by side, which other layers give; they may be the same. It needs the whole
    recording.

    Parameters
    ----------
    query_size : int
        Numbers in a query, and in a key.
    score : {"dot", "additive"}
    heads : int
        More than one with ``"dot"`` alone.
    scale : float
    vector : (query_size,), optional
        With ``"additive"``; absent, ones.
    causal : bool
        Whether a row finds itself and those before it alone.
    """

    kind: ClassVar[str] = "self_attention"
    query_size: int
    score: str = "dot"
    heads: int = 1
    scale: float = 1.0
    vector: Array = None
    causal: bool = False

    def _check(self) -> None:
        self._check_rows()
        if not isinstance(self.causal, bool):
            raise ShapeError(f"{self.label}: causal must be true or false; got {printable(repr(self.causal), 60)}.")

    @property
    def whole(self) -> bool:
        return True


@dataclass(eq=False, repr=False)
class WindowAttention(RowAttention):
    """What each row finds in the last `steps` rows, itself among them: as a causal `SelfAttention` that reaches back no further.

    Parameters
    ----------
    query_size : int
        Numbers in a query, and in a key.
    steps : int
        Most rows that it looks at; at the beginning there are fewer.
    score : {"dot", "additive"}
    heads : int
        More than one with ``"dot"`` alone.
    scale : float
    vector : (query_size,), optional
        With ``"additive"``; absent, ones.
    """

    kind: ClassVar[str] = "window_attention"
    query_size: int
    steps: int
    score: str = "dot"
    heads: int = 1
    scale: float = 1.0
    vector: Array = None

    def _check(self) -> None:
        self._check_rows("steps")

    @property
    def receptive_field(self) -> int:
        return self.steps

    def output_size(self, sizes: Sequence[int]) -> int:
        size = super().output_size(sizes)
        if self.steps * (self.query_size + size) > MOST_NUMBERS:
            raise ShapeError(f"{self.label}: {self.steps} rows take more than {MOST_NUMBERS} numbers of keys and values; make them fewer.")
        return size


def check_counts(layer: Any, *names: str) -> None:
    """Fields that are whole numbers."""
    for name in names:
        value = getattr(layer, name)
        if type(value) is not int or not 1 <= value <= MAX_SIZE:
            raise ShapeError(f"{layer.label}: {name} must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(value), 60)}.")


def check_score(layer: Any) -> None:
    """How a layer scores: `score`, `scale` and `vector`, which its `query_size` fits."""
    if layer.score not in SCORES:
        raise UsageError(f"{layer.label}: score must be one of {', '.join(SCORES)}; got {printable(repr(layer.score), 60)}.")
    if (
        isinstance(layer.scale, bool)
        or not isinstance(layer.scale, int | float | np.floating)
        or not 1e-6 <= abs(float(layer.scale)) <= 1e6
    ):
        raise ShapeError(f"{layer.label}: scale must be a number of magnitude 1e-6 to 1e6; got {printable(repr(layer.scale), 60)}.")
    layer._set("scale", float(np.float32(layer.scale)))
    if layer.vector is not None:
        if layer.score != "additive":
            raise UsageError(f'{layer.label}: a vector belongs to the score "additive"; leave it out, or say so.')
        layer._set("vector", checked_array(layer.label, "vector", layer.vector, 1))
        require_shape(layer.label, "vector", layer.vector, (layer.query_size,), f"a key has {layer.query_size} values")
