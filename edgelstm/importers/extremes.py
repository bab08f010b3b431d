"""The largest and the smallest of several layers, value by value, as the records that a `Model` is made of."""

from collections.abc import Sequence

from ..layers.feedforward import Activation, Add
from ..layers.record import Layer

_MINUS = "affine(-1, 0)"


def extreme(names: Sequence[str], name: str, *, largest: bool) -> list[Layer]:
    """The records that give the largest, or the smallest, of what the layers called `names` give; the last record is called `name`.

    One by one: ``max(a, b) = a + relu(b - a)``, ``min(a, b) = a - relu(a - b)``.
    """
    found, *rest = names
    records: list[Layer] = []
    for number, other in enumerate(rest, 1):
        at, end = f"{name}.{number}", name if number == len(rest) else f"{name}.{number}"
        less, more = (found, other) if largest else (other, found)
        records += [
            Activation(_MINUS, name=f"{at}.minus", inputs=(less,)),
            Add(name=f"{at}.difference", inputs=(more, f"{at}.minus")),
            Activation("relu", name=f"{at}.beyond", inputs=(f"{at}.difference",)),
        ]
        beyond = f"{at}.beyond"
        if not largest:
            beyond = f"{at}.back"
            records.append(Activation(_MINUS, name=beyond, inputs=(f"{at}.beyond",)))
        records.append(Add(name=end, inputs=(found, beyond)))
        found = end
    return records
