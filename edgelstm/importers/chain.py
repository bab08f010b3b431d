"""The words of ``layers``: which modules of a state_dict follow each other, what stands after them, and where inputs are added.

It knows neither tensors nor shapes.
"""

import re
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..layers import activations, record_of
from ..layers.feedforward import Activation
from ..layers.record import Layer

#: Functions of a whole vector, and the kinds of the layers that compute them.
VECTOR_FUNCTIONS = {"softmax": "softmax", "log_softmax": "log_softmax", "unit_norm": "unit_normalization"}

#: What may stand after a module's colon, or as an item of its own: a function of all values.
FUNCTIONS = (*activations.ALONE, *VECTOR_FUNCTIONS)

#: What else may stand after the colon: what the module is, where its tensors leave that open.
ROLES = ("embedding", "normalizer", "layernorm", "rmsnorm", "rnn_relu")

#: The item that adds an earlier output, or the input, to what came before: ``"add:input"``.
ADD = "add"

#: The items after which a bidirectional network gives one row for a recording: the last row, ``out[:, -1]`` of PyTorch, or what each
#: direction ends with, its ``h_n``.
LAST, FINAL = "last", "final"

#: What stands in a proposed chain where a state_dict cannot tell what the network does.
OPEN = "?"

#: One name, bare or in quotes (a doubled quote stands for itself), and what ends it. Commas within brackets are part of a name.
_PIECE = re.compile(r"""\s*(?:(["'])((?:(?!\1).|\1\1)*)\1|((?:[^,:(]|\([^()]*\))*?))\s*([,:]|\Z)""", re.DOTALL)


@dataclass(frozen=True)
class Item:
    """One step of a chain: a module, a function, a module and the function after it, or an `ADD`."""

    module: str
    word: str = ""

    def __str__(self) -> str:
        return f"{quoted(self.module)}:{quoted(self.word)}" if self.word else quoted(self.module)


def parse(text: str) -> tuple[Item, ...]:
    """Read a chain such as ``"norm:normalizer, lstm, fc1:relu, fc2:softmax"``.

    Modules are named as in the state_dict, in the order in which data passes them; one stands for all of its stacked LSTM layers.
    A function after a colon is applied to the module's output: one of `FUNCTIONS`, such as `relu` or `softmax`. It may also be
    an item of its own. After the colon, one of `ROLES` says instead what the module is: `embedding`, or `rnn_relu` for a simple
    recurrent layer with ReLU. ``add:NAME`` adds the output of an earlier module, or the model's ``input``. `last` and
    `final`, behind a bidirectional module, are for networks that give one answer for the recording: from the last row, ``out[:, -1]``, or
    from what each direction ends with, ``h_n``. Names with a comma, a colon or a bracket stand in quotes.

    Raises
    ------
    UsageError
        If an item is empty, a word unknown, or a module named twice.
    """
    items = []
    for position, (module, *words) in enumerate(_split(text), 1):
        word = ":".join(words)
        if not module or (words and not word):
            raise UsageError(f"item {position} of the layers {text!r} is incomplete; write for example 'lstm, fc1:relu, fc2:softmax'.")
        if OPEN in (module, word):
            raise UsageError(
                f"the layers {text!r} leave a {OPEN} open, where only you know what forward() does; write one of {', '.join(FUNCTIONS)}; "
                "linear is for nothing, or a dropout."
            )
        if word and module != ADD and not (is_function(word) or word in ROLES):
            raise UsageError(f"{word!r}, after {module!r} in the layers, is not one of {', '.join(FUNCTIONS + ROLES)}.")
        items.append(Item(module, word))
    names = [item.module for item in items if not is_function(item.module) and item.module not in (ADD, LAST, FINAL)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"the layers name {twice[0]!r} twice; a module can stand in one place only.")
    return tuple(items)


def is_function(word: str) -> bool:
    """Whether `word` is one of `FUNCTIONS` or a word of `layers.activations` with its numbers: ``"leaky_relu(0.1)"``."""
    return word in VECTOR_FUNCTIONS or word.partition("(")[0] in activations.FUNCTIONS


def function(word: str, **more: Any) -> Layer:
    """The layer of one of `FUNCTIONS`; `more` is its name and its inputs."""
    if word in VECTOR_FUNCTIONS:
        return record_of(VECTOR_FUNCTIONS[word])(**more)
    return Activation(word, **more)


def names(text: str) -> tuple[str, ...]:
    """The names of a list such as ``"aux, 'a,b'"``.

    Raises
    ------
    UsageError
        If one is empty.
    """
    found = tuple(":".join(pieces) for pieces in _split(text))
    if not all(found):
        raise UsageError(f"the list {text!r} has an empty name; write for example 'aux, loss.weight'.")
    return found


def _split(text: str) -> list[list[str]]:
    """The items between commas, each as its pieces between colons."""
    items: list[list[str]] = [[]]
    place = 0
    while match := _PIECE.match(text, place):
        quote, inside, bare, end = match.groups()
        items[-1].append(inside.replace(quote * 2, quote) if quote else bare)
        if not end:
            break
        if end == ",":
            items.append([])
        place = match.end()
    else:
        raise UsageError(f"{text[place:]!r} has a quote or a bracket that does not end; write names with such signs in quotes.")
    return items


def quoted(name: str) -> str:
    """`name` as `parse` and `names` read it."""
    plain = name == name.strip() and not set(name) & set(",:\"'()") and name
    return name if plain or is_function(name) else "'" + name.replace("'", "''") + "'"


def spell(items: tuple[Item, ...]) -> str:
    """`items` as `parse` reads them."""
    return ", ".join(map(str, items))


def listed(names: list[str]) -> str:
    """Names for a message: the first twenty, long ones cut."""
    shown = [name if len(name) <= 100 else f"{name[:60]}…{name[-30:]}" for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
