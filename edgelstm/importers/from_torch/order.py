"""The order of a state_dict's modules as far as their sizes tell it: the only possible chain, or one to begin from.

A state_dict does not say what stands between two layers; where something must, the proposal has a ``?``.
"""

from collections.abc import Iterator, Mapping, Sequence

from ...errors import UnsupportedModelError
from ..chain import OPEN, Item, listed, spell
from . import records
from .modules import Module

#: How many beginnings of chains are tried before no example is given, and of how many modules one is sought.
_MAX_TRIES, _MAX_MODULES = 2000, 50


def only_chain(found: Mapping[str, Module]) -> tuple[Item, ...]:
    """[Embedding,] LSTM [, Linear] if that is all there is and the sizes leave no other order.

    Raises
    ------
    UnsupportedModelError
        With the tensors found and, if all of them fit behind each other, an example.
    """
    lstms = [m for m in found.values() if m.kind == "lstm"]
    tables = [m for m in found.values() if m.is_table and "emb" in m.name.lower()]
    linears = [m for m in found.values() if m.kind == "linear" and m.has_bias]
    for module in lstms:
        records.lstm_layers(module)  # a module that is no LSTM is refused before its place is asked for
    if len(lstms) == 1 and len(tables) <= 1 and len(linears) <= 1 and len(lstms) + len(tables) + len(linears) == len(found):
        width, hidden = lstms[0].widths
        fits = all(m.widths[0] == hidden and m.widths[1] != width for m in linears)
        elsewhere = {hidden, *(m.widths[1] for m in linears)}
        if fits and all(m.widths[0] == width != m.widths[1] and width not in elsewhere for m in tables):
            return tuple(Item(m.name) for m in (*tables, *lstms, *linears))
    shapes = [f"{m.full(name)} {tuple(tensor.shape)}" for m in found.values() for name, tensor in m.tensors.items()]
    raise UnsupportedModelError(f"does not say in which order its layers follow each other. It holds {listed(shapes)}. {_advice(found)}")


def _advice(found: Mapping[str, Module]) -> str:
    search = _Search(found)
    first = next(search.chains, None)
    if first is None:
        way = 'Say it with layers="FIRST, SECOND:relu, …"; no order of all of them fits their sizes'
        return f'{way}, so add:NAME for a skip connection, leave parts out by without="NAME", or choose one by prefix="NAME".'
    text = spell(marked(first, found))
    others = " (not the only order that fits)" if next(search.chains, None) is not None else ""
    advice = f'Say it with layers, in the order of forward(), for example{others}: layers="{text}"'
    if OPEN in text.replace(":", ",").replace(" ", "").split(","):
        advice += (
            f". Replace each {OPEN} by what stands there: relu, tanh, sigmoid or softmax; linear where nothing or a dropout does; "
            "embedding or linear for a table without bias"
        )
    return advice


class _Search:
    """Chains of all modules whose sizes fit, those in the file's order first."""

    def __init__(self, found: Mapping[str, Module]) -> None:
        self._tries = _MAX_TRIES if len(found) <= _MAX_MODULES else 0
        order = ("normalizer", "batchnorm")
        modules = sorted(found.values(), key=lambda m: order.index(m.kind) if m.kind in order else len(order))
        self.chains = self._after(None, modules, ())

    def _after(self, width: int | None, left: Sequence[Module], items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
        self._tries -= 1
        if self._tries < 0:
            return
        if not left:
            yield items
        for index, module in enumerate(left):
            rest = [*left[:index], *left[index + 1 :]]
            takes, gives = module.widths
            if width is None and module.is_table:
                yield from self._table_first(module, rest)
            elif width in (None, takes):
                yield from self._after(gives, rest, (*items, Item(module.name, "normalizer" * (module.kind == "normalizer"))))

    def _table_first(self, module: Module, rest: Sequence[Module]) -> Iterator[tuple[Item, ...]]:
        """A table's chains as an Embedding and as a Linear; those that fit both ways are left open."""
        ways = [[chain[1:] for chain in self._after(width, rest, (Item(module.name),))] for width in module.widths]
        for tail in ways[0] + [tail for tail in ways[1] if tail not in ways[0]]:
            both = tail in ways[0] and tail in ways[1]
            yield (Item(module.name, OPEN if both else "embedding" if tail in ways[0] else "linear"), *tail)


def marked(items: Sequence[Item], found: Mapping[str, Module]) -> tuple[Item, ...]:
    """`items` with a ``?`` wherever a function is likely to stand, or something without weights certainly does."""
    result: list[Item] = []
    for item, after in zip(items, (*items[1:], None), strict=True):
        if after is None or not is_bare(item, after, found):
            result.append(item)
        elif item.word:
            result += [item, Item(OPEN)]
        else:
            result.append(Item(item.module, OPEN))
    return tuple(result)


def is_bare(item: Item, after: Item, found: Mapping[str, Module]) -> bool:
    """Whether `after` follows without a word though both are Linear, or a number before its own is missing."""
    first, second = found.get(item.module), found.get(after.module)
    if first is None or second is None or item.word not in ("", "embedding", "normalizer"):
        return False
    two_linear = first.kind == second.kind == "linear" and item.word != "embedding"
    return two_linear or _has_gap(second.name, found)


def _has_gap(name: str, found: Mapping[str, Module]) -> bool:
    """Whether something without weights stands before ``head.3`` in its Sequential: there is no ``head.2``."""
    parent, _, number = name.rpartition(".")
    if not (number.isdecimal() and number.isascii() and 0 < int(number) < 1 << 20):
        return False
    before = f"{parent}.{int(number) - 1}".removeprefix(".")
    return not any(other == before or other.startswith(f"{before}.") for other in found)
