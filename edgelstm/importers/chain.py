"""The words of ``--layers``: which modules of a state_dict follow each other, and what stands after them.

It knows neither tensors nor shapes.
"""

from dataclasses import dataclass

from ..errors import UsageError
from ..layers import ACTIVATIONS

#: What may stand after a module's colon, or as an item of its own: a function of all values.
FUNCTIONS = (*ACTIVATIONS, "softmax")

#: What else may stand after the colon: what the module is, where its tensors leave that open.
ROLES = ("embedding", "normalizer")


@dataclass(frozen=True)
class Item:
    """One step of a chain: a module, a function, or a module and the function after it."""

    module: str
    word: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.word}" if self.word else self.module


def parse(text: str) -> tuple[Item, ...]:
    """Read a chain such as ``"norm:normalizer, lstm, fc1:relu, fc2:softmax"``.

    Modules are named as in the state_dict, in the order in which data passes them; one stands for all of its stacked LSTM layers.
    A function after a colon is applied to the module's output: `linear`, `relu`, `tanh`, `sigmoid` or `softmax`. It may also be
    an item of its own. After the colon, `embedding` or `normalizer` says instead what the module is.

    Raises
    ------
    UsageError
        If an item is empty, a word unknown, or a module named twice.
    """
    items = []
    for position, part in enumerate(text.split(","), 1):
        module, colon, word = (piece.strip() for piece in part.partition(":"))
        if not module or (colon and not word):
            raise UsageError(f"item {position} of the layers {text!r} is incomplete; write for example 'lstm, fc1:relu, fc2:softmax'.")
        if word and word not in FUNCTIONS + ROLES:
            raise UsageError(f"{word!r}, after {module!r} in the layers, is not one of {', '.join(FUNCTIONS + ROLES)}.")
        items.append(Item(module, word))
    names = [item.module for item in items if item.module not in FUNCTIONS]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"the layers name {twice[0]!r} twice; a module can stand in one place only.")
    return tuple(items)


def spell(items: tuple[Item, ...]) -> str:
    """`items` as `parse` reads them."""
    return ", ".join(map(str, items))
