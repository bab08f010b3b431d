"""The float model over the windows, and what its output loses if layers are replaced: every candidate is measured there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..layers.record import Layer
from ..model import Model
from .calibration import Range, Seen, every_row, louder, seen_by
from .folding import Folded, folded, has_channels, normalizer_of, weight_of
from .report.metrics import snr_db
from .rules.scales import output_range
from .schemes import SCHEMES, WEIGHTS_ALONE, quantised
from .trace import Batch, Trace, run

#: Told the number of measurements done, how many there will be at most, and what is measured now.
Progress = Callable[[int, int, str], None]

#: A range replaces the one before it in the list of candidates only if the output gains this much. Which weights happen to be rounded up
#: moves the output of a real network by 2 dB: to go from a scale of each step, or from +-1, to a fixed range or back, more must be gained.
RANGE_MARGIN_DB, PER_STEP_MARGIN_DB = 0.2, 3.0


@dataclass(frozen=True, eq=False)
class Option:
    """One way to hold one layer, and the output's signal-to-noise ratio with all other layers in float32."""

    scheme: str
    layer: Layer
    alone_db: float
    span: Range | None = None
    state: Range | None = None
    tried: tuple[tuple[str, float], ...] = ()
    tried_states: tuple[tuple[str, float], ...] = ()


@dataclass(eq=False)
class Decision:
    """What became of a layer with weights, and why."""

    option: Option
    reason: str
    options: dict[str, Option] = field(default_factory=dict)


class Search:
    """The float model over the windows, and what happens to its output if layers are replaced."""

    def __init__(self, model: Model, batch: Batch, progress: Progress, total: int) -> None:
        self.model, self.batch, self.progress = model, batch, progress
        self.done, self.total = 0, total
        self.float_trace = self.measured(model.layers, "the float model", None)
        self.answers = self.float_trace.answered(model.layers[-1], batch)
        self.every_row = every_row(model)

    def fold(self, wanted: Sequence[Layer], scheme: str) -> Folded:
        """Have the channels that `wanted` layers read in one size, where that gains something."""
        spreads = {}
        for layer in wanted if scheme not in SCHEMES or SCHEMES[scheme].folds else ():
            integers = scheme == "int8-static" and len(layer.inputs) == 1 and layer.inputs[0] in [maker.name for maker in wanted]
            if not has_channels(layer) or layer.numbers != "f32" or integers or self.bounded(layer) or layer.mask:
                continue
            seen = self.seen_by(layer)
            values = seen.inputs if seen.every_input is None else seen.every_input
            if (by := normalizer_of(weight_of(layer), values, scheme)) is not None:
                spreads[layer.name] = by
        made = folded(self.model, spreads)
        if spreads:
            self.model = replace(self.model, layers=made.layers, probe=None)
            self.float_trace = self.measured(made.layers, "the float model, its channels in one size", self.float_trace)
            self.every_row = every_row(self.model)
        return made

    @cached_property
    def loud_batch(self) -> Batch | None:
        return louder(self.model, self.batch)

    @cached_property
    def loud_trace(self) -> Trace | None:
        """The float model over louder windows."""
        return None if self.loud_batch is None else run(self.model.layers, self.loud_batch)

    def seen_by(self, layer: Layer) -> Seen:
        """What a layer of the float model meets."""
        seen = seen_by(layer, self.float_trace, self.batch, bool(self.model.stateful))._replace(bounded=self.bounded(layer))
        if self.every_row is not None and set(layer.inputs) <= set(self.every_row.values):
            return seen._replace(every_input=self.every_row.inputs_of(layer)[:, 0])
        return seen

    def with_louder(self, layer: Layer, seen: Seen) -> Seen:
        """The same, and what it meets if windows are louder."""
        if self.loud_trace is None:
            return seen
        loud = self.loud_trace
        return seen._replace(loud_inputs=loud.taken(layer, self.batch), loud_outputs=loud.answered(layer, self.batch))

    def measured(self, layers: Sequence[Layer], what: str, before: Trace | None) -> Trace:
        self.progress(self.done, max(self.total, self.done + 1), what)
        self.done += 1
        return run(layers, self.batch, before)

    def output_db(self, chosen: dict[str, Option], what: str) -> float:
        """Signal-to-noise ratio of the output with these layers replaced."""
        layers = self._with(chosen)
        trace = self.measured(layers, what, self.float_trace)
        return snr_db(self.answers, trace.answered(layers[-1], self.batch))

    def loud_db(self, option: Option) -> float:
        """The same over louder windows, one layer replaced."""
        if self.loud_batch is None or self.loud_trace is None:
            return float("inf")
        layers = self._with({option.layer.name: option})
        trace = run(layers, self.loud_batch, self.loud_trace)
        return snr_db(*(values.answered(layers[-1], self.batch) for values in (self.loud_trace, trace)))

    def _with(self, chosen: dict[str, Option]) -> list[Layer]:
        return [chosen[layer.name].layer if layer.name in chosen else layer for layer in self.model.layers]

    def float_option(self, layer: Layer) -> Option:
        return Option("f32", layer, float("inf"))

    def bounded(self, layer: Layer) -> bool:
        """Whether no input of the layer can ever leave +-1, whatever the model is given."""
        makers = {maker.name: maker for maker in self.model.layers}
        return all(name in makers and makers[name].within_one for name in layer.inputs)

    def option(self, layer: Layer, scheme: str, maker: Option | None = None) -> Option:
        """The best record of `layer` in `scheme`: each candidate range measured, the first of equals taken.

        What reads the integers of another layer, its only maker, takes over their range: none is rounded twice.

        An input that may one day be larger than any seen here is quantised by the range of each step, and a state by +-1, unless a fixed
        range is clearly better.
        """
        seen = self.with_louder(layer, self.seen_by(layer))
        integers = None if maker is None else output_range(maker.layer)
        spans = list(SCHEMES[scheme].candidates(seen)) if integers is None else [integers]
        if None in spans and not seen.bounded:
            spans.sort(key=lambda span: span is not None)
        states = [self._measured(layer, scheme, seen, spans[0], state) for state in SCHEMES[scheme].hidden(seen)]
        first = self._picked(states, lambda option: option.state)
        options = [first, *(self._measured(layer, scheme, seen, span, first.state) for span in spans[1:])]
        return replace(
            self._picked(options, lambda option: option.span),
            tried=tuple((_method(scheme, option.span), option.alone_db) for option in options),
            tried_states=tuple((option.state.method if option.state else "within 1", option.alone_db) for option in states),
        )

    def _picked(self, options: list[Option], fixed: Callable[[Option], Range | None]) -> Option:
        """The best option, an earlier one unless a later one is clearly better: most clearly where one of two has no fixed range.

        A range that is fixed must lose nothing on louder windows either; of two fixed ones it may if it gains that much.
        """
        best = options[0]
        for option in options[1:]:
            both = fixed(option) is not None and fixed(best) is not None
            gain = option.alone_db - best.alone_db
            if gain <= (RANGE_MARGIN_DB if both else PER_STEP_MARGIN_DB):
                continue
            bold = fixed(option) is not None and not (both and gain > PER_STEP_MARGIN_DB)
            if not bold or self.loud_db(option) >= self.loud_db(best) - RANGE_MARGIN_DB:
                best = option
        return best

    def _measured(self, layer: Layer, scheme: str, seen: Seen, span: Range | None, state: Range | None) -> Option:
        """The record with these ranges of input and state."""
        record = quantised(layer, scheme, seen, span, state)
        what = f"{layer.name}, {scheme} {_method(scheme, span)}{f', h {state.method}' if state else ''}"
        return Option(scheme, record, self.output_db({layer.name: Option(scheme, record, 0)}, what), span, state)


def _method(scheme: str, span: Range | None) -> str:
    return span.method if span else "" if scheme in WEIGHTS_ALONE else "per step"
