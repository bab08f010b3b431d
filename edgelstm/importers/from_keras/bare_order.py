"""In which order the layers of a file of weights alone follow each other, as far as their sizes and names tell."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .. import chain
from ..chain import Item

if TYPE_CHECKING:
    from .bare import Bare

#: What has to be said of gates.
GATES = (
    'recurrent_activation="sigmoid" (Keras\' default since 2.3, and of tensorflow.keras since 2.0) '
    'or recurrent_activation="hard_sigmoid" (before)'
)

#: The note on a recurrent network.
PADDING = (
    "Whether padded timesteps are left out (Masking, mask_zero=True) the file does not say: give sequences without padding, "
    "or the JSON that model.to_json() writes as the recipe."
)

#: How many beginnings are tried, and of how many layers.
_MAX_TRIES, _MAX_LAYERS = 2000, 40


def only_order(found: "Mapping[str, Bare]") -> str | None:
    """The chain of a network whose layers have no settings that the file lacks but Keras' own, where only one fits; else None.

    Those are recurrent layers, which follow the numbers in their names, with an Embedding before them; a Dense has an activation that
    nothing tells.
    """
    if not all(bare.is_recurrent or bare.is_table for bare in found.values()):
        return None
    fitting = [order for order in _orders(found) if any(bare.is_recurrent for bare in order) and _rises(order)]
    return ", ".join(chain.quoted(bare.name) for bare in fitting[0]) if len(fitting) == 1 else None


def proposal(found: "Mapping[str, Bare]") -> str:
    """A chain to begin from, with a ``?`` for each activation that nothing tells: in an order that fits, or that of the file."""
    order = next((order for order in _orders(found) if _rises(order)), None) or next(_orders(found), tuple(found.values()))
    return chain.spell(tuple(Item(bare.name, chain.OPEN if bare.is_dense else "") for bare in order))


def _orders(found: "Mapping[str, Bare]") -> "Iterator[tuple[Bare, ...]]":
    """Orders of all layers whose sizes fit, those nearest to the file's first."""
    tries = [_MAX_TRIES if len(found) <= _MAX_LAYERS else 0]

    def after(width: int | None, left: "Sequence[Bare]", order: "tuple[Bare, ...]") -> "Iterator[tuple[Bare, ...]]":
        tries[0] -= 1
        if tries[0] < 0:
            return
        if not left:
            yield order
        for index, bare in enumerate(left):
            if bare.takes is None or width is None or bare.takes == width:
                if bare.is_table and order:
                    continue
                yield from after(bare.gives or width, [*left[:index], *left[index + 1 :]], (*order, bare))

    yield from after(None, list(found.values()), ())


def _rises(order: "Sequence[Bare]") -> bool:
    """Whether recurrent layers of one stem follow their numbers: ``lstm``, ``lstm_1``, ``lstm_2``."""
    numbers: dict[str, list[int]] = {}
    for bare in order:
        if bare.is_recurrent:
            stem, number = re.fullmatch(r"(.*?)(?:_([0-9]{1,9}))?", bare.name, re.DOTALL).groups()  # type: ignore[union-attr]
            numbers.setdefault(stem, []).append(int(number or 0))
    return all(found == sorted(found) for found in numbers.values())
