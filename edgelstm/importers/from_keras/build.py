"""The records of a network in the making, and what is known of each of Keras' tensors on the way."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import UnsupportedModelError, printable
from ...layers.feedforward import Activation, Normalizer
from ...layers.order import INPUT, input_shape
from ...layers.record import Layer
from ...layers.recording import Last, Mask, Repeat

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Masked:
    """Where a mask comes from: a record's output, and the value that padding has there."""

    source: str
    value: float


@dataclass(frozen=True)
class Looks:
    """Scores of all timesteps by each other: the records of queries and keys, how many numbers these have, and a factor."""

    query: str
    key: str
    size: int
    scale: float = 1.0


@dataclass(frozen=True)
class Value:
    """A tensor of Keras, one example of it.

    Parameters
    ----------
    name : str
        The record that gives it, step by step.
    shape : tuple
        Without the batch; None where the file leaves a size open.
    time : bool, optional
        Whether the first dimension is time. None where that is not known: a vector that the model begins with.
    mask : Masked, optional
        Which of its timesteps are padding.
    zeros : tuple
        Timesteps of zeros that stand before the record's first and behind its last, and are part of what the next layer reads.
    turned : str
        The layer that made time, with one number a timestep in the record, the last dimension and not the first; those before it repeat
        that number.
    weights : bool
        Whether the tensor is a softmax over time, of the scores that the record gives, one a timestep.
    scores : str
        The record, one score a timestep, of which a softmax over time weights this tensor's timesteps.
    looks : Looks, optional
        Where the tensor, (timesteps, timesteps), is scores of all by each other.
    static : bool
        Whether it is a vector for the whole sequence that its record gives at every step, a model of whole recordings too.
    over : int, optional
        Of what sums up a sequence, the timesteps of that, where the file fixes them.
    counted : str
        Of rows that are not timesteps, such as the characters of a word: the record that has for each 0 where it is padding, else 1.
    states : tuple
        What a recurrent layer returns behind its answers; None of a state that no record gives.
    """

    name: str
    shape: Shape
    time: bool | None
    mask: Masked | None = None
    zeros: tuple[int, int] = (0, 0)
    turned: str = ""
    weights: bool = False
    scores: str = ""
    looks: Looks | None = None
    static: bool = False
    over: int | None = None
    counted: str = ""
    states: tuple["State | None", ...] = ()

    @property
    def steps(self) -> int | None:
        """Timesteps, where the file fixes them."""
        return self.shape[-1 if self.turned else 0] if self.time else None

    @property
    def features(self) -> Shape:
        """The shape of one timestep."""
        if not self.time:
            return self.shape
        return self.shape[:-1] if self.turned else self.shape[1:]

    @property
    def width(self) -> int:
        """How many numbers a timestep has.

        Raises
        ------
        UnsupportedModelError
            If the file leaves it open.
        """
        size = 1
        for dimension in self.features:
            if dimension is None:
                raise UnsupportedModelError(
                    f"a tensor of shape {self.shape} has no fixed size a timestep; give the model an input of one size."
                )
            size *= dimension
        return size

    def with_features(self, name: str, features: Shape) -> "Value":
        """The same timesteps with other values."""
        return replace(self, name=name, shape=(*self.shape[:1], *features) if self.time else features)


#: Makes a state's sequence, and tells at which of its ends the state stands.
State = Callable[[], tuple[Value, str]]


class Build:
    """Collects records.

    Parameters
    ----------
    whole : bool
        Whether some layer needs later samples, so that the model answers whole recordings.
    joins : bool
        Whether timesteps side by side are joined with what else sums a recording up, so that they are due when it ends.
    """

    def __init__(self, whole: bool, joins: bool = False) -> None:
        self.whole, self.joins = whole, joins
        self.layers: list[Layer] = []
        self.notes: list[str] = []
        #: A name for each number of a sample, where the file has several inputs.
        self.input_names: tuple[str, ...] = ()
        #: Shapes of the file's own inputs.
        self.given: list[Shape] = []
        #: Inputs that are the stream's own states.
        self.carried: frozenset[str] = frozenset()
        #: How many layers that are called on each timestep alone are on the way.
        self.inside = 0
        self._names = {INPUT}
        self._masks: dict[Masked, str] = {}

    def at(self, name: str, *inputs: Value | str) -> dict[str, Any]:
        """Name and inputs of a record: `name`, made unique."""
        base = printable(name or "layer", 100)
        unique = next(
            text for number in range(1, len(self._names) + 2) if (text := base if number == 1 else f"{base}_{number}") not in self._names
        )
        self._names.add(unique)
        return {"name": unique, "inputs": tuple(i if isinstance(i, str) else i.name for i in inputs)}

    def add(self, *records: Layer) -> str:
        """Take records over; the last one's name."""
        self.layers += records
        self._names.update(record.name for record in records)
        return records[-1].name

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is added within is taken back where that ends in a refusal."""
        layers, notes, names, masks = len(self.layers), len(self.notes), set(self._names), dict(self._masks)
        try:
            yield
        except UnsupportedModelError:
            del self.layers[layers:], self.notes[notes:]
            self._names, self._masks = names, masks
            raise

    @contextmanager
    def each_timestep(self) -> Iterator[None]:
        """Within, layers are called on each timestep alone."""
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    def keep(self, outputs: Sequence[Value]) -> None:
        """Leave out the records from which no output follows, as the answers of a layer of which only the states are read."""
        read = {name for x in outputs for name in (x.name, x.scores)}
        for before, layer in reversed(list(zip([INPUT, *(layer.name for layer in self.layers)], self.layers, strict=False))):
            if layer.name in read:
                read.update(layer.inputs or (before,))
        self.layers = [layer for layer in self.layers if layer.name in read]

    def mask(self, masked: Masked) -> str:
        """The record of a mask."""
        if masked not in self._masks:
            self._masks[masked] = self.add(Mask(value=masked.value, **self.at(f"{masked.source}.mask", masked.source)))
        return self._masks[masked]

    def apply(self, word: str, name: str, x: Value) -> Value:
        """A function of every number."""
        return x if word == "linear" else replace(x, name=self.add(Activation(word, **self.at(name, x))))

    def measured(self, name: str, x: Value) -> Value:
        """A tensor, by a record that tells how wide the model's input is where it is that: windows, repeated rows and parts do not."""
        if x.name != INPUT:
            return x
        return replace(x, name=self.add(Normalizer(np.zeros(x.width), np.ones(x.width), **self.at(f"{name}.input", INPUT))))

    def widen(self) -> None:
        """Begin with a record that tells how wide the model's input is, where no record does."""
        try:
            input_shape(self.layers)
        except UnsupportedModelError:
            sample = self.measured("model", Value(INPUT, self.given[0], True)).name
            *layers, first = self.layers
            self.layers = [first, *(replace(x, inputs=tuple(sample if n == INPUT else n for n in x.inputs)) for x in layers)]

    def fixed(self, x: Value) -> bool:
        """Whether a sequence has as many timesteps as a record before it states, however long the recording is."""
        layers, name = {layer.name: layer for layer in self.layers}, x.name
        while name in layers and layers[name].answers is None:
            name = layers[name].inputs[0]
        return name in layers and layers[name].answers != 0

    def repeats(self, x: Value) -> str | None:
        """The record of one row of which a sequence is so many; None of other sequences."""
        layer = next((layer for layer in self.layers if layer.name == x.name), None)
        return layer.inputs[0] if isinstance(layer, Repeat) and len(layer.inputs) == 1 else None

    def ended(self, name: str, x: Value, end: str = "last") -> Value:
        """The last timestep as the network's state of knowledge: every step gives one, unless the model answers whole recordings."""
        found = self.add(Last(ends=(end,), **self.at(f"{name}.{end}", x))) if self.whole else x.name
        return Value(found, x.features, False, over=x.steps)

    def ends(self, xs: Sequence[Value]) -> list[Value]:
        """Tensors that are joined: where some are a sequence's end, what stands beside the sequence is its last timestep."""
        if not self.whole or len({x.static for x in xs}) == 1:
            return list(xs)
        return [self.ended(x.name, x) if x.static else x for x in xs]
