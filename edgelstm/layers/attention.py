"""The record of attention pooling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..errors import ShapeError
from .recurrent import Maskable


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
