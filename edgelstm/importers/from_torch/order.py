"""The order of a state_dict's modules as far as their names and sizes tell it: the only possible chain, or one to begin from.

A state_dict does not say what stands between two layers; where something must, the proposal has a ``?``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise

from ...errors import UnsupportedModelError
from ..chain import OPEN, Item, listed, quoted, spell
from . import recurrent
from .modules import Module

#: How many beginnings of chains are tried before no example is given, and of how many modules one is sought.
_MAX_TRIES, _MAX_MODULES = 2000, 50

#: Among how many chains an example is looked for.
_MOST_EXAMPLES = 64

#: What may stand in front of a network, in the order in which it is proposed.
_FRONT = ("normalizer", "batchnorm")


def only_chain(found: Mapping[str, Module]) -> tuple[Item, ...]:
    """The order that names and sizes leave, of networks in which no activation is to be expected between two modules.

    Those are: recurrent layers, of which several are numbered and follow their numbers; before them an Embedding; behind them one
    Linear; BatchNorm and LayerNorm where only one place fits. A Linear that fits on both sides stands behind.

    Raises
    ------
    UnsupportedModelError
        With the tensors found and, if all of them fit behind each other, an example.
    """
    for module in found.values():
        if module.is_recurrent:
            recurrent.levels(module)  # a module that lacks tensors is refused before its place is asked for
    search = _Search(found)
    plain = [chain for chain in search.chains if _is_plain(chain, found)]
    if len(plain) == 1 and not search.is_cut_short and _fits_its_name(plain[0], found):
        return completed(_spoken(plain[0], found), found)
    shapes = [f"{m.full(name)} {tuple(tensor.shape)}" for m in found.values() for name, tensor in m.tensors.items()]
    raise UnsupportedModelError(f"does not say in which order its layers follow each other. It holds {listed(shapes)}. {_advice(found)}")


def chains(found: Mapping[str, Module]) -> Iterator[tuple[Item, ...]]:
    """Orders of all modules whose sizes fit, as far as they are tried."""
    return _Search(found).chains


def _spoken(chain: tuple[Item, ...], found: Mapping[str, Module]) -> tuple[Item, ...]:
    """`chain` with what a table in front is, where its name and sizes do not tell."""
    first, *rest = chain
    if not first.word:
        return chain
    rows, columns = found[first.module].tensors["weight"].shape
    told = _is_called_embedding(found[first.module]) and rows != columns
    return (Item(first.module, "" if told else "embedding"), *rest)


def completed(chain: Sequence[Item], found: Mapping[str, Module]) -> tuple[Item, ...]:
    """`chain` with the functions that the file itself tells behind its modules."""
    result: list[Item] = []
    for item in chain:
        words = found[item.module].after if item.module in found else ()
        first, rest = (words[0], words[1:]) if words and not item.word else (item.word, words)
        result += [Item(item.module, first), *map(Item, rest)]
    return tuple(result)


def _fits_its_name(chain: Sequence[Item], found: Mapping[str, Module]) -> bool:
    """Whether no table that is called an embedding is the last Linear."""
    last = found[chain[-1].module]
    return not (last.is_table and _is_called_embedding(last) and len(chain) > 1)


def _is_plain(chain: Sequence[Item], found: Mapping[str, Module]) -> bool:
    """Whether a chain is one of those that `only_chain` takes."""
    modules = [found[item.module] for item in chain]
    places = [index for index, module in enumerate(modules) if module.is_recurrent]
    if not places or not _are_numbered([modules[index].name for index in places]):
        return False
    for index, (item, module) in enumerate(zip(chain, modules, strict=True)):
        follows = index + 1 < len(modules) and modules[index + 1].behind == module.path != ""
        if module.behind and (not index or modules[index - 1].path != module.behind):
            return False
        as_embedding = item.word == "embedding" or (item.word == OPEN and _is_called_embedding(module))
        if (
            module.kind == "linear"
            and not as_embedding
            and (item.word == OPEN or index < places[-1] or not (follows or module is modules[-1]))
        ):
            return False
        if module.kind in ("conv1d", "normalizer") or (module.kind == "layernorm" and not (module.has_bias or module.role)):
            return False
        if module.kind in ("batchnorm", "layernorm") and has_gap(module.name, found):
            return False
    return True


def _is_called_embedding(module: Module) -> bool:
    return "emb" in module.name.lower()


def _are_numbered(names: Sequence[str]) -> bool:
    """Whether names differ in one number alone, which rises by one from name to name."""
    parts = [re.split(r"([0-9]+)", name) for name in names]
    stems = {tuple(part for index, part in enumerate(name) if index % 2 == 0) for name in parts}
    numbers = [[int(part) for part in name[1::2]] for name in parts if all(len(part) < 10 for part in name[1::2])]
    if len(stems) != 1 or len(numbers) != len(names):
        return len(names) == 1
    steps = [[b - a for a, b in zip(first, second, strict=True)] for first, second in pairwise(numbers)]
    return all(sorted(step) == [0] * (len(step) - 1) + [1] for step in steps)


def _translates(found: Mapping[str, Module]) -> tuple[str, str] | None:
    """The names of an encoder and a decoder, if both are there and both hold a recurrence."""
    scopes = dict.fromkeys(name.rpartition(".")[0] or name for name, module in found.items() if module.is_recurrent)
    encoder, decoder = (next((scope for scope in scopes if part in scope.lower()), None) for part in ("enc", "dec"))
    return None if encoder is None or decoder is None or encoder == decoder else (encoder, decoder)


def turned(chain: Sequence[Item], found: Mapping[str, Module]) -> bool:
    """Whether a chain has a Linear before a recurrence that stands before it in the file: a head, whose sizes fit there by chance."""
    places = {name: place for place, name in enumerate(found)}
    heads = [place for place, item in enumerate(chain) if found[item.module].kind == "linear" and not found[item.module].is_table]
    return any(
        found[after.module].is_recurrent and places[after.module] < places[chain[head].module]
        for head in heads
        for after in chain[head + 1 :]
    )


def _advice(found: Mapping[str, Module]) -> str:
    every = list(islice(_Search(found).chains, _MOST_EXAMPLES))
    straight = [chain for chain in every if not turned(chain, found)]
    first = next(iter(straight or every), None)
    if first is None and (both := _translates(found)):
        encoder, decoder = map(quoted, both)
        return (
            f"{encoder} and {decoder} are two networks, of which the second is called step by step with its own answers and with what the "
            f'first ends with or gives at each step: no order of layers says that. prefix="{encoder}" imports the first one; of the second '
            "export one step as .pt2 or ONNX, with its states as inputs and outputs, and with the rows that it attends to as an input: it "
            "becomes a stream that carries the states on, and that Stream.attend gives the rows. convert --draft-recipe prints what the "
            "file holds of both."
        )
    if first is None:
        way = 'Say it with layers="FIRST, SECOND:relu, …"; no order of all of them fits their sizes'
        return (
            f'{way}, so add:NAME for a skip connection, leave parts out by without="NAME", choose one by prefix="NAME", '
            'or say it by a recipe, recipe="R.toml", which branches need.'
        )
    text = spell(marked(completed(first, found), found))
    others = " (not the only order that fits)" if len(every) > 1 else ""
    advice = f'Say it with layers, in the order of forward(), for example{others}: layers="{text}"'
    if OPEN in text.replace(":", ",").replace(" ", "").split(","):
        advice += (
            f". Replace each {OPEN} by what stands there: relu, tanh, sigmoid or softmax; linear where nothing or a dropout does; "
            "embedding or linear for a table without bias; layernorm or rmsnorm for a scale without bias"
        )
    if not straight:
        advice += (
            '. The file has them in another order: if several read one layer, as heads do, leave all but one out by without="NAME", or say '
            'what each reads by recipe="R.toml"'
        )
    return advice


class _Search:
    """Chains of all modules whose sizes fit, those in the file's order first."""

    def __init__(self, found: Mapping[str, Module]) -> None:
        self._tries = _MAX_TRIES if len(found) <= _MAX_MODULES else 0
        modules = sorted(found.values(), key=lambda m: _FRONT.index(m.kind) if m.kind in _FRONT else len(_FRONT))
        self.chains = self._after(None, modules, ())

    @property
    def is_cut_short(self) -> bool:
        """Whether not all chains were tried."""
        return self._tries < 0

    def _after(self, width: int | None, left: Sequence[Module], items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
        self._tries -= 1
        if self._tries < 0:
            return
        if not left:
            yield items
        for index, module in enumerate(left):
            rest = [*left[:index], *left[index + 1 :]]
            if width is None and module.is_table:
                yield from self._table_first(module, rest)
            elif module.takes(width):
                yield from self._after(module.widths[1], rest, (*items, Item(module.name, _role(module))))

    def _table_first(self, module: Module, rest: Sequence[Module]) -> Iterator[tuple[Item, ...]]:
        """A table's chains as an Embedding and as a Linear; those that fit both ways are left open."""
        ways = [[chain[1:] for chain in self._after(width, rest, (Item(module.name),))] for width in module.widths]
        ways = [ways[0], []] if module.role == "embedding" else ways
        for tail in ways[0] + [tail for tail in ways[1] if tail not in ways[0]]:
            both = tail in ways[0] and tail in ways[1]
            yield (Item(module.name, OPEN if both else "embedding" if tail in ways[0] else "linear"), *tail)


def _role(module: Module) -> str:
    """What a chain must say of a module, if it does."""
    if module.kind == "layernorm" and not module.has_bias and not module.role:
        return OPEN
    return "normalizer" if module.kind == "normalizer" else ""


def marked(items: Sequence[Item], found: Mapping[str, Module]) -> tuple[Item, ...]:
    """`items` with a ``?`` wherever a function is likely to stand, or something without weights certainly does."""
    result: list[Item] = []
    for item, after in zip(items, (*items[1:], None), strict=True):
        if after is None or not (is_bare(item, after, found) or _leads_to_recurrent(item, after, found)):
            result.append(item)
        elif item.word:
            result += [item, Item(OPEN)]
        else:
            result.append(Item(item.module, OPEN))
    return tuple(result)


def _leads_to_recurrent(item: Item, after: Item, found: Mapping[str, Module]) -> bool:
    """Whether a recurrent layer follows a Linear without a word."""
    first, second = found.get(item.module), found.get(after.module)
    return first is not None and second is not None and first.kind == "linear" and not item.word and second.is_recurrent


def is_bare(item: Item, after: Item, found: Mapping[str, Module]) -> bool:
    """Whether `after` follows without a word though both are Linear or the first a convolution, or a number before its own is missing."""
    first, second = found.get(item.module), found.get(after.module)
    if first is None or second is None or item.word not in ("", "embedding", "normalizer"):
        return False
    if second.behind:
        return False
    two_linear = first.kind == second.kind == "linear" and item.word != "embedding"
    return two_linear or first.kind == "conv1d" or has_gap(second.name, found)


def has_gap(name: str, found: Mapping[str, Module]) -> bool:
    """Whether something without weights stands before ``head.3`` in its Sequential: there is no ``head.2``."""
    parent, _, number = name.rpartition(".")
    if found[name].behind or not (number.isdecimal() and number.isascii() and 0 < int(number) < 1 << 20):
        return False
    before = f"{parent}.{int(number) - 1}".removeprefix(".")
    return not any(other == before or other.startswith(f"{before}.") for other in found)
