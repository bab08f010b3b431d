"""The Model: a frozen, portable list of layers in topological order, with what a user must know to run it.

It computes nothing and knows neither files nor kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from . import described
from .errors import UsageError, printable
from .layers.order import INPUT, named, rows_of, vocabularies, wires
from .layers.record import Layer, Sealed
from .layers.wire import Wire
from .runtime import outline

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .generation.vocabulary import Vocabulary
    from .statistics import InputStatistics


@dataclass(eq=False, repr=False)
class Probe(Sealed):
    """Inputs and the answers to them, by which a model proves itself where it is loaded.

    Parameters
    ----------
    inputs : (steps, input_size) float32
    outputs : (answers, output_size) float32
        Stepped from the initial state: one a step, unless the model answers more seldom, or gives a fixed number of rows for a
        recording.
    source : str
        Who answered, for example ``"torch 2.13.0"`` or ``"edgelstm reference"``.
    """

    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    source: str

    def __post_init__(self) -> None:
        self._sealed = True

    def __repr__(self) -> str:
        return printable(f"Probe({len(self.inputs)} steps, {self.source})", 200)


@dataclass(eq=False, repr=False)
class Model(Sealed):
    """A trained network.

    Parameters
    ----------
    layers : sequence of Layer
        In topological order. The last one's output is the model's.
    labels : sequence of str, optional
        Names of the outputs (classes), in order.
    input_names : sequence of str, optional
        Names of the inputs (sensor channels), in order.
    rate_hz : float, optional
        Samples a second that the network was trained on.
    window : int, optional
        Steps of one training example, where the network was trained on windows that began from the initial state.
    stateful : bool, optional
        Whether training carried the state from one example to the next.
    probe : Probe, optional
        See `Probe`. Converters add one.
    source : str, optional
        What the model was converted from.
    vocabulary : Vocabulary, optional
        The tokens that the model's indices stand for, or the places of a vector that it reads; those behind the last stand for nothing.
    statistics : InputStatistics, optional
        What the inputs looked like in training, in the units that the model takes.
    thresholds : sequence of float, optional
        From which value on each output decides for what its label says, in order; an answer with none there decides for nothing.

    Raises
    ------
    ShapeError, UsageError, UnsupportedModelError
        If the layers do not fit together.
    """

    layers: tuple[Layer, ...]
    labels: tuple[str, ...] = ()
    input_names: tuple[str, ...] = ()
    rate_hz: float | None = None
    window: int | None = None
    stateful: bool | None = None
    probe: Probe | None = None
    source: str = ""
    vocabulary: Vocabulary | None = None
    statistics: InputStatistics | None = None
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("labels", "input_names"):
            setattr(self, name, described.names(name, getattr(self, name)))
        self.thresholds = described.numbers("thresholds", self.thresholds)
        self.layers = named(self.layers)
        self._wires, self._rows = wires(self.layers), rows_of(self.layers)
        if any(layer.of for layer in self.layers):
            from .layers.loops import timed  # most models never need it

            self.layers = timed(self.layers, self._wires, self._rows)
        self._vocabularies = vocabularies(self.layers, self.input_size)
        described.check(self)
        if self.probe is not None:
            self.probe = described.checked_probe(self.probe, self)
        self._sealed = True

    @property
    def scheme(self) -> str:
        """Number form of the layers: ``"f32"``, or the int8 schemes in it."""
        return ", ".join(sorted({layer.numbers for layer in self.layers} - {"f32"})) or "f32"

    def outline(self) -> dict[str, Any]:
        """Sizes, names, layers and scheme as plain JSON values, as built libraries say them of themselves."""
        return {
            "scheme": self.scheme,
            "input_size": self.input_size,
            "output_size": self.output_size,
            "vocabulary_size": self.vocabulary_size,
            **({"vocabularies": list(self.vocabularies)} if self.takes_index and self.input_size > 1 else {}),
            "input_names": list(self.input_names),
            "labels": list(self.labels),
            "rate_hz": self.rate_hz,
            "layers": [{"name": layer.name, "kind": layer.kind, "output_size": self.size_of(layer.name)} for layer in self.layers],
            **self._wires_told(),
            **({} if self.streams else {"reads": "whole recordings"}),
            **({} if self.statistics is None else {"input_statistics": self.statistics.document()}),
            **({"thresholds": list(self.thresholds)} if self.thresholds else {}),
        }

    def _wires_told(self) -> dict[str, Any]:
        """What `outline` says beside that of shapes and rates, where samples and answers are not vectors at every step."""
        given, answer = self.wire_of(INPUT), self.output_wire
        maps = {"input_shape": given.shape, "output_shape": answer.shape}
        told: dict[str, Any] = {name: list(shape) for name, shape in maps.items() if len(shape) > 1}
        return told if answer.each_step else {**told, "every": answer.every, "first": answer.first}

    def __repr__(self) -> str:
        return printable(f"Model({outline.line(self.outline())})")

    def _repr_html_(self) -> str:
        return outline.html("Model", self.outline(), (("parameters", f"{self.parameters:,}"), ("source", self.source)))

    def __copy__(self) -> Model:
        """Itself, since it never changes: streams of the copy share its weights."""
        return self

    def __deepcopy__(self, memo: object) -> Model:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle is made, and checked, as the model itself was."""
        return partial(type(self), **{f.name: getattr(self, f.name) for f in fields(self)}), ()

    @property
    def input_size(self) -> int:
        """Width of one sample."""
        return self.size_of(INPUT)

    @property
    def output_size(self) -> int:
        """Width of one answer."""
        return self.output_wire.size

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(input_size,)``, or that of a map."""
        return self.wire_of(INPUT).shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one answer: ``(output_size,)``, or that of a map."""
        return self.output_wire.shape

    @property
    def output_wire(self) -> Wire:
        """Shape of the answers, and when they are due."""
        return self.wire_of(self.layers[-1].name)

    @property
    def streams(self) -> bool:
        """Whether it answers sample by sample. Else some layer needs later samples, and it answers whole recordings alone."""
        return not any(layer.whole for layer in self.layers)

    @property
    def sums_up(self) -> bool:
        """Whether its answer to a recording is one row."""
        return self.answers == 1

    @property
    def answers(self) -> int | None:
        """How many rows its answer to a recording has, whatever that holds; None where the samples decide."""
        return self.rows_of(self.layers[-1].name)

    def rows_of(self, name: str) -> int | None:
        """How many rows the layer called `name` gives for a recording; None for one at each sample."""
        found: dict[str, int | None] = self._rows
        return found[name]

    @property
    def takes_index(self) -> bool:
        """Whether a sample is an index into an embedding's table, or holds some, and is not a vector of measurements alone."""
        return any(self.vocabularies)

    @property
    def vocabularies(self) -> tuple[int, ...]:
        """For each input, the number of indices that it may be; 0 where it is a measurement. All 0 of a model without embeddings."""
        found: tuple[int, ...] = self._vocabularies
        return found

    @property
    def vocabulary_size(self) -> int | None:
        """Number of indices that the model's one input may be; None where samples are vectors, or a measurement."""
        return self.vocabularies[0] or None if self.input_size == 1 else None

    @property
    def generates(self) -> bool:
        """Whether it can read its own answers: it reads an index at each step, and answers with a number for each of the indices."""
        return self.streams and self.vocabulary_size == self.output_size and self.output_wire.each_step

    def with_normalizer(self, mean: ArrayLike, scale: ArrayLike) -> Model:
        """The same network, taking samples in the units of the sensor: each is brought to ``(x - mean) / scale`` first.

        Whatever reads the model's input reads the normaliser instead. The probe and the statistics, which had the old inputs, are left out.

        Parameters
        ----------
        mean, scale : (input_size,), or one number for all channels
            What the training data were scaled by, as scikit-learn's StandardScaler: ``scaler.mean_``, ``scaler.scale_``.

        Raises
        ------
        ShapeError
            If they are not finite numbers, one for each input, or a scale is zero.
        UsageError
            If the model takes an index, or begins with a normaliser already: samples would be scaled twice.

        Examples
        --------
        >>> model = el.load("gesture.pt").with_normalizer(mean=[20.1, 55.0], scale=[5.2, 10.4])
        """
        if self.takes_index:
            raise UsageError(
                "this model's input is an index for its embedding, or holds one, which no normaliser can scale; scale the measurements "
                "beside it where they are taken."
            )
        from .layers.units import normalized

        return replace(self, layers=normalized(self.layers, mean, scale, self.input_size), probe=None, statistics=None)

    def with_denormalizer(self, mean: ArrayLike, scale: ArrayLike) -> Model:
        """The same network, answering in the units of what it was trained to tell: each answer becomes ``x * scale + mean``.

        Thresholds become those of the new units. The probe, which had the old ones, is left out.

        Parameters
        ----------
        mean, scale : (output_size,), or one number for all outputs
            What the right answers were scaled by in training.

        Raises
        ------
        ShapeError
            If they are not finite numbers, one for each output.
        UsageError
            If the model has thresholds, and a scale turns them round.
        """
        from .layers.units import denormalized

        layers = denormalized(self.layers, mean, scale, self.output_size)
        if self.thresholds and not (np.asarray(scale) > 0).all():
            raise UsageError(f"a scale must be positive where answers have thresholds; got {np.min(scale):g}.")
        moved = np.asarray(self.thresholds, np.float64) * np.asarray(scale) + np.asarray(mean) if self.thresholds else np.zeros(0)
        return replace(self, layers=layers, probe=None, thresholds=tuple(moved.tolist()))

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            how = "edgelstm.Stream(model) answers: step(x) a sample, process(xs) a recording"
            raise AttributeError(f"a Model holds layers and has no {name!r}; {how}.")

    def size_of(self, name: str) -> int:
        """Width of the output of the layer called `name` (or of ``"input"``)."""
        return self.wire_of(name).size

    def wire_of(self, name: str) -> Wire:
        """Shape and rate of the output of the layer called `name` (or of ``"input"``)."""
        found: dict[str, Wire] = self._wires
        return found[name]

    @property
    def parameters(self) -> int:
        """How many numbers the layers hold."""
        return sum(array.size for layer in self.layers for array in layer.arrays().values())
