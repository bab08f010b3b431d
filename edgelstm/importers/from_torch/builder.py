"""The records of a chain, one item after the other: what it names is looked up among the modules, and each layer reads the one before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...errors import UsageError
from ...layers.bidirectional import Bidirectional
from ...layers.feedforward import Add
from ...layers.order import INPUT
from ...layers.record import Layer
from ...layers.recording import Last
from ...model import Model
from .. import chain
from ..chain import Item, quoted
from . import records, recurrent
from .modules import Module


class Builder:
    """Makes the layers of a chain.

    Parameters
    ----------
    items : sequence of Item
    found : mapping of str to Module
        Every module that the items may name.
    """

    def __init__(self, items: Sequence[Item], found: Mapping[str, Module]) -> None:
        self._items, self._found = items, found
        self._layers: list[Layer] = []
        self._ends: dict[str, str] = {}  # by a module's name, the layer that its output comes from

    def layers(self) -> tuple[Layer, ...]:
        """The records, all of whose inputs are named.

        Raises
        ------
        UsageError
            If an item cannot be what it is said to be.
        UnsupportedModelError, ShapeError
            If a module's tensors make no layer.
        """
        for position, item in enumerate(self._items):
            self._take(position, item)
            if item.module in self._found:
                self._ends[item.module] = self._last
        return tuple(self._layers)

    @property
    def _last(self) -> str:
        return self._layers[-1].name if self._layers else INPUT

    def _append(self, layer: Layer, *inputs: str) -> str:
        """Put `layer` at the end; it reads `inputs`, the last layer by default. Returns its name."""
        name = self._free(layer.name or f"{layer.kind}{len(self._layers)}")
        self._layers.append(replace(layer, name=name, inputs=inputs or layer.inputs or (self._last,)))
        return name

    def _free(self, name: str) -> str:
        """A name that no layer has; the model's input has one too."""
        taken = {INPUT, *(layer.name for layer in self._layers)}
        return name if name not in taken else self._free(f"{name}_layer")

    def _take(self, position: int, item: Item) -> None:
        module = self._found.get(item.module)
        if item.module == chain.ADD and (module is None or not (chain.is_function(item.word) or item.word in ("", *chain.ROLES))):
            self._append(self._add(position, item))
        elif module is None and item.module in (chain.LAST, chain.FINAL):
            self._last_row(position, item.module)
        elif module is None:
            self._function(item.module)
        else:
            self._check_role(module, item.word)
            if module.is_recurrent:
                after = self._items[position + 1].module if position + 1 < len(self._items) else ""
                self._recurrent(module, item.word, final=after == chain.FINAL and after not in self._found)
            else:
                self._append(self._record(position, module, item.word))
            if item.word not in chain.ROLES:
                self._function(item.word)

    def _recurrent(self, module: Module, word: str, *, final: bool) -> None:
        """The stacked layers of a module; `final`: the last one gives what each of its directions ends with."""
        levels = recurrent.levels(module, "relu" if "rnn_relu" in (word, module.role) else "tanh")
        for level in levels:
            if len(level.directions) == 1:
                self._append(level.directions[0])
                continue
            every = not (final and level is levels[-1])
            for layer in Bidirectional(*level.directions, inputs=(self._last,), name=self._free(level.name), sequences=every):
                self._append(layer)

    def _record(self, position: int, module: Module, word: str) -> Layer:
        if module.kind == "linear":
            first = position == 0 and module.is_table and not word
            is_embedding = "embedding" in (word, module.role) or (first and self._must_be_embedding(module))
            return records.embedding(module) if is_embedding else records.linear(module)
        if module.kind == "conv1d":
            return records.conv1d(module, self._width(module))
        if module.kind == "layernorm":
            return records.rms_norm(module) if "rmsnorm" in (word, module.role) else records.layer_norm(module)
        return records.normalizer(module) if module.kind == "normalizer" else records.batch_norm(module)

    def _width(self, module: Module) -> int:
        """How many values the layer before gives; what `module` takes if nothing is before."""
        if not self._layers:
            return module.widths[0]
        return Model(tuple(self._layers)).output_size

    def _check_role(self, module: Module, word: str) -> None:
        """Raise UsageError unless the module can be what `word` says, and `word` says what its tensors leave open."""
        if (module.kind == "normalizer") != (word == "normalizer") and module.kind != "batchnorm":
            raise UsageError(
                f"write {module.name!r} as '{module.name}:normalizer' if and only if it holds mean and scale; it is of kind {module.kind}."
            )
        if word in (*chain.ROLES, "linear") and module.role and module.role != word and (word in chain.ROLES or module.is_table):
            raise UsageError(f"{module.name!r} is said to be {word}, and is {module.role} by its class in the file.")
        if word == "embedding" and not module.is_table:
            raise UsageError(f"{module.name!r} cannot be an embedding: that is one tensor 'weight'; it holds {', '.join(module.tensors)}.")
        if word == "rnn_relu" and module.kind != "rnn":
            raise UsageError(f"{module.name!r} cannot be a simple recurrent layer; it is of kind {module.kind}.")
        if word in ("layernorm", "rmsnorm") and module.kind != "layernorm":
            raise UsageError(f"{module.name!r} cannot be a norm: that is 'weight' in one dimension; it holds {', '.join(module.tensors)}.")
        if module.kind == "layernorm" and not module.has_bias and not module.role and word not in ("layernorm", "rmsnorm"):
            name = quoted(module.name)
            raise UsageError(f"{module.name!r} has a scale and no bias; write '{name}:layernorm' or '{name}:rmsnorm'.")

    def _must_be_embedding(self, module: Module) -> bool:
        """Whether the layer after it can read a table's rows alone, or a Linear's answers alone.

        Raises
        ------
        UsageError
            If it can read both, or neither.
        """
        after = next((self._found[item.module] for item in self._items[1:] if item.module in self._found), None)
        takes, gives = module.widths
        wanted = after.widths[0] if after else None
        if (wanted == takes) == (wanted == gives):
            raise UsageError(
                f"{module.name!r} may be an embedding or a Linear without bias; write '{quoted(module.name)}:embedding' or "
                f"'{quoted(module.name)}:linear'."
            )
        return wanted == takes

    def _add(self, position: int, item: Item) -> Add:
        other = INPUT if item.word == INPUT and INPUT not in self._found else self._ends.get(item.word)
        if not self._layers or other is None:
            earlier = [INPUT, *self._ends]
            raise UsageError(
                f"{item} in the layers adds what stands before it and one of {', '.join(earlier)}; {item.word!r} is none of them."
            )
        return Add(inputs=(self._last, other), name=f"{chain.ADD}{position}")

    def _last_row(self, position: int, word: str) -> None:
        """`final` was made with the module before it; `last` is the last row of what was made so far."""
        before = self._found.get(self._items[position - 1].module) if position else None
        if not any(module.directions == 2 for module in self._found.values()):
            raise UsageError(f"{word!r} in the layers is for bidirectional networks; others answer every step, the last one too.")
        if word == chain.FINAL and (before is None or before.directions != 2):
            raise UsageError("'final' in the layers stands behind a bidirectional module; it is what each of its directions ends with.")
        if word == chain.LAST:
            self._append(Last(name=word))

    def _function(self, word: str) -> None:
        if word not in ("", "linear"):
            self._append(chain.function(word))
