"""The record of self-attention: rows of a recording that each look at all of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import ShapeError, UsageError, printable
from .record import Array, Layer, checked_array
from .sliding import counted

#: What a score is made of: products of a query's and a key's values, or tanh of their sums.
SCORES = ("dot", "additive")


@dataclass(eq=False, repr=False)
class SelfAttention(Layer):
    """Each row's mean of all rows' values, weighted by a softmax of how its query fits their keys.

    A row is its queries, then its keys, both (heads * size,), then its values (heads * width,), head by head. For each head
    ``y_t = sum over s of softmax over s (score_ts) v_s``. The score is ``sum(weight * q_t * k_s)``
    (Vaswani et al. 2017, where weight is ``1 / sqrt(size)``; Luong et al. 2015, where it is 1), or ``sum(weight * tanh(q_t + k_s))``
    (Bahdanau, Cho and Bengio 2015). Projections before and behind it are `Dense` layers.

    Parameters
    ----------
    weight : (size,)
        Factors of the score's parts, the same for all heads.
    heads : int
    score : {"dot", "additive"}
    causal : bool
        Whether a row looks at none behind it.
    padding : bool
        Whether it takes one input more, the last: where that is 0, a row is padding, which no row looks at, and which is answered by zeros.
    """

    kind: ClassVar[str] = "self_attention"
    weight: Array
    heads: int = 1
    score: str = "dot"
    causal: bool = False
    padding: bool = False

    def _check(self) -> None:
        self._set("weight", checked_array(self.label, "weight", self.weight, 1))
        self._set("heads", counted(self.label, "heads", self.heads))
        if self.score not in SCORES:
            raise UsageError(f"{self.label}: score must be one of {', '.join(SCORES)}; got {printable(repr(self.score), 60)}.")
        for name in ("causal", "padding"):
            if not isinstance(value := getattr(self, name), bool | np.bool_):
                raise ShapeError(f"{self.label}: {name} must be true or false; got {printable(repr(value), 60)}.")
            self._set(name, bool(value))

    @property
    def whole(self) -> bool:
        return True

    @property
    def size(self) -> int:
        """Values of a query of one head, and of a key."""
        return int(self.weight.size)

    def output_size(self, sizes: Sequence[int]) -> int:
        values = sum(sizes) - 2 * self.heads * self.size - self.padding
        if values < self.heads or values % self.heads:
            raise ShapeError(
                f"{self.label} reads queries and keys of {self.heads} x {self.size} values each, and as many values for each head"
                f"{', and a mask' * self.padding}; it is given {' + '.join(map(str, sizes))}."
            )
        return values
