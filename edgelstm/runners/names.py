"""Names that are asked for, found among the names that an input has."""

import re
from collections.abc import Sequence

from .values import shown

_UNIT = re.compile(r"[(\[{<][^()\[\]{}<>]*[)\]}>]")
_FILLING = re.compile(r"[\s_.\-]+")


def plain(name: str) -> str:
    """A name without case, blanks, underscores, hyphens, points, and a unit in brackets."""
    return _FILLING.sub("", _UNIT.sub("", name)).casefold() or name.strip().casefold()


def find(wanted: Sequence[str], names: Sequence[str]) -> list[list[int]]:
    """Where each wanted name is among `names`: every position that could be meant, so one if it is clear, none if it is absent.

    A name that is there to the letter is that one. The others are compared as `plain` gives them, among what is left; where two wanted
    names could be the same position, both get all that either could be.
    """
    exact = [[i for i, name in enumerate(names) if name == one] for one in wanted]
    taken = {i for places in exact for i in places}
    left: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if i not in taken:
            left.setdefault(plain(name), []).append(i)
    asked = ["" if places else plain(one) for places, one in zip(exact, wanted, strict=True)]
    return [places or left.get(one, []) * asked.count(one) for places, one in zip(exact, asked, strict=True)]


def listed(names: Sequence[str]) -> str:
    """Names as errors show them."""
    shortened = ", ".join(shown(name) for name in names[:16])
    return shortened + ", …" * (len(names) > 16)
