"""Which scheme and which input range each layer gets, by the error that the model's own output shows over the calibration windows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from numpy.typing import ArrayLike, NDArray

from .. import __version__
from ..errors import UnsupportedModelError, UsageError
from ..layers.dense_int8 import DenseInt8
from ..layers.feedforward import Dense
from ..layers.integers import LIMIT
from ..layers.lstm import LSTM
from ..layers.lstm_int8 import LSTMInt8
from ..layers.record import Layer
from ..model import Model
from . import speed
from .calibration import Range, Seen, batch_of, every_row, louder, refuse_wild, seen_by
from .folding import Folded, Weighted, folded, normalizer_of, quantised_layers
from .report.evidence import findings
from .report.metrics import snr_db
from .rules import untouched
from .rules.scales import output_range
from .schemes import SCHEMES, quantised
from .trace import Batch, Trace, run

#: Told the number of measurements done, how many there will be at most, and what is measured now.
Progress = Callable[[int, int, str], None]

#: What `scheme` may be.
CHOICES = (*SCHEMES, "auto")

#: Signal-to-noise ratio of the output that `auto` defends.
TARGET_DB = 30.0

#: A range replaces the one before it in the list of candidates only if the output gains this much. Which weights happen to be rounded up
#: moves the output of a real network by 2 dB: to go from a scale of each step, or from +-1, to a fixed range or back, more must be gained.
RANGE_MARGIN_DB, PER_STEP_MARGIN_DB = 0.2, 3.0

#: A Dense layer stays in f32 if it holds less than this share of the weights, or if it costs more decibels than this and
#: the output then lies below the limit.
DENSE_SHARE, DENSE_COST_DB, DENSE_FREE_ABOVE_DB = 0.01, 1.0, 40.0

#: With fewer outputs than this a Dense layer is slower in int8: rounding x costs more than its shorter products save. Instructions of a
#: step that int8 adds to an LSTM and its head, counted on Cortex-A72, A76, by hidden size and outputs: 8, 4: 14, 2; 32, 1: 128, 85; 32, 4:
#: 81, 38; 32, 8: 4, -57; 128, 8: 36, -133; 128, 64: -930, -2832. Zen 5 takes 10 % longer with 1 output behind 32 units, 8 % less with 8.
DENSE_OUTPUTS = 8

#: A layer goes back to f32 for speed if the model is then faster by this factor in one of the ways to step it.
FASTER = 1.03


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


@dataclass(frozen=True, eq=False)
class Choice:
    """A quantised model and how it came about."""

    before: Model
    model: Model
    scheme: str
    batch: Batch
    decisions: dict[str, Decision]
    before_trace: Trace
    trace: Trace


class _Search:
    """The float model over the windows, and what happens to its output if layers are replaced."""

    def __init__(self, model: Model, batch: Batch, progress: Progress, total: int) -> None:
        self.model, self.batch, self.progress = model, batch, progress
        self.done, self.total = 0, total
        self.float_trace = self.measured(model.layers, "the float model", None)
        self.answers = self.float_trace.values[model.layers[-1].name][batch.own]
        self.every_row = every_row(model)

    def fold(self, wanted: Sequence[Layer], scheme: str) -> Folded:
        """Have the channels that `wanted` layers read in one size, where that gains something."""
        spreads = {}
        for layer in wanted:
            integers = scheme == "int8-static" and len(layer.inputs) == 1 and layer.inputs[0] in [maker.name for maker in wanted]
            if not isinstance(layer, Weighted) or integers or self.bounded(layer):
                continue
            seen = self.seen_by(layer)
            weight = layer.weight_ih if isinstance(layer, LSTM) else layer.weight
            values = seen.inputs if seen.every_input is None else seen.every_input
            if (by := normalizer_of(weight, values, scheme)) is not None:
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
        own = self.batch.own
        return seen._replace(loud_inputs=self.loud_trace.inputs_of(layer)[own], loud_outputs=self.loud_trace.values[layer.name][own])

    def measured(self, layers: Sequence[Layer], what: str, before: Trace | None) -> Trace:
        self.progress(self.done, max(self.total, self.done + 1), what)
        self.done += 1
        return run(layers, self.batch, before)

    def output_db(self, chosen: dict[str, Option], what: str) -> float:
        """Signal-to-noise ratio of the output with these layers replaced."""
        layers = self._with(chosen)
        trace = self.measured(layers, what, self.float_trace)
        return snr_db(self.answers, trace.values[layers[-1].name][self.batch.own])

    def loud_db(self, option: Option) -> float:
        """The same over louder windows, one layer replaced."""
        if self.loud_batch is None or self.loud_trace is None:
            return float("inf")
        layers, own = self._with({option.layer.name: option}), self.batch.own
        trace = run(layers, self.loud_batch, self.loud_trace)
        return snr_db(*(values.values[layers[-1].name][own] for values in (self.loud_trace, trace)))

    def _with(self, chosen: dict[str, Option]) -> list[Layer]:
        return [chosen[layer.name].layer if layer.name in chosen else layer for layer in self.model.layers]

    def float_option(self, layer: Layer) -> Option:
        return Option("f32", layer, float("inf"))

    def bounded(self, layer: Layer) -> bool:
        """Whether no input of the layer can ever leave +-1, whatever the model is given."""
        makers = {maker.name: maker for maker in self.model.layers}
        return all(name in makers and _within_one(makers[name]) for name in layer.inputs)

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
    return span.method if span else "" if scheme == "int8-weight" else "per step"


def _within_one(layer: Layer) -> bool:
    return layer.kind in ("lstm", "softmax") or getattr(layer, "function", "") in ("tanh", "sigmoid")


def choose(
    model: Model,
    windows: Batch | Iterable[ArrayLike] | NDArray[Any],
    scheme: str = "int8-dynamic",
    *,
    keep: Iterable[str] = (),
    int8: Iterable[str] = (),
    elsewhere: bool = False,
    progress: Progress = lambda done, total, what: None,
) -> Choice:
    """As `quantize`, which returns the model alone."""
    if not isinstance(model, Model):
        raise UsageError(f"quantize takes a Model; got {type(model).__name__}. Read a file with edgelstm.load(path).")
    if scheme not in CHOICES:
        raise UsageError(f"scheme must be one of {', '.join(CHOICES)}; got {scheme!r}.")
    if elsewhere and scheme != "auto":
        raise UsageError(f"elsewhere keeps scheme 'auto' from choosing by speed; {scheme!r} leaves nothing to choose.")
    kept, asked = _known(model, "keep", keep), _asked(model, int8)
    if both := sorted(kept & asked):
        raise UsageError(f"keep and int8 both name {', '.join(map(repr, both))}; say one of them.")
    weighted = [layer for layer in model.layers if not untouched(layer)]
    wanted = [layer for layer in weighted if layer.name not in kept]
    if not wanted:
        raise UsageError("no layer is left to quantise; keep fewer layers in f32.")
    batch = windows if isinstance(windows, Batch) else batch_of(model, windows)
    refuse_wild(model, batch)
    search = _Search(model, batch, progress, 2 + 9 * len(wanted))
    decisions = {layer.name: Decision(search.float_option(layer), "kept in f32 on request") for layer in weighted if layer.name in kept}
    in_units = search.fold(wanted, scheme)
    names = {layer.name for layer in wanted}
    wanted = [layer for layer in search.model.layers if layer.name in names]
    decisions |= _auto(search, wanted, asked, elsewhere) if scheme == "auto" else _fixed(search, wanted, asked, scheme)
    records = {name: decision.option.layer for name, decision in decisions.items() if decision.option.scheme != "f32"}
    for name, record in records.items():
        decisions[name].reason += _notes(record, in_units)
    layers = quantised_layers(model, in_units, records)
    trace = search.measured(layers, "the quantised model", None)
    progress(search.done, search.done, "done")
    made = replace(model, layers=layers, probe=None, source=_source(model, scheme, decisions))
    return Choice(model, made, scheme, batch, {layer.name: decisions[layer.name] for layer in weighted}, search.float_trace, trace)


def _notes(record: Layer, in_units: Folded) -> str:
    """What a report should say of a record beside why it was chosen."""
    notes = []
    if record.name in in_units.normalizers:
        notes.append(f"its channels differ in size: {in_units.normalizers[record.name]} in front brings them to one")
    if isinstance(record, LSTMInt8) and record.hidden_scale is not None:
        notes.append(f"h is cut at {LIMIT * float(record.hidden_scale[0]):.3g}")
    if isinstance(record, LSTMInt8 | DenseInt8) and record.input_scale is not None:
        notes.append(f"x is cut at {LIMIT * float(record.input_scale[0]):.3g}")
    if (span := output_range(record)) is not None:
        notes.append(f"its output is cut at {span.low:.3g} and {span.high:.3g}")
    return "".join(f"; {note}" for note in notes)


def _known(model: Model, option: str, given: Iterable[str]) -> set[str]:
    names = [layer.name for layer in model.layers]
    chosen = {given} if isinstance(given, str) else set(given)
    if unknown := sorted(chosen - set(names)):
        raise UsageError(f"{option} names {', '.join(map(repr, unknown))}, which the model lacks; its layers are {', '.join(names)}.")
    return chosen


def _asked(model: Model, int8: Iterable[str]) -> set[str]:
    asked = _known(model, "int8", int8)
    dense = [layer.name for layer in model.layers if isinstance(layer, Dense)]
    if others := sorted(asked - set(dense)):
        raise UsageError(f"int8 names Dense layers, to be quantised in any case; {', '.join(map(repr, others))} is none.")
    return asked


def _source(model: Model, scheme: str, decisions: dict[str, Decision]) -> str:
    floats = [name for name, decision in decisions.items() if decision.option.scheme == "f32"]
    how = scheme + (f", {', '.join(sorted(floats))} in f32" if floats else "")
    return f"{model.source or 'a float model'}, quantised by edgelstm {__version__} ({how})"


def _fixed(search: _Search, wanted: Sequence[Layer], asked: set[str], scheme: str) -> dict[str, Decision]:
    """Every layer in `scheme`; Dense layers where that is worth it."""
    options: dict[str, Option] = {}
    refused = []
    for layer in wanted:
        try:
            options[layer.name] = search.option(layer, scheme, options.get(layer.inputs[0]) if len(layer.inputs) == 1 else None)
        except UnsupportedModelError as problem:
            refused.append((layer.name, str(problem)))
    if refused:
        flags = " ".join(f"--keep {name}" for name, _ in refused)
        names = ", ".join(repr(name) for name, _ in refused)
        reasons = " ".join(reason for _, reason in refused)
        reasons += "".join(f" Calibration: {sentence}." for sentence in findings(search.model, search.batch, search.float_trace))
        raise UnsupportedModelError(f"{reasons} The way out: kept in f32, by keep=({names},) or {flags}.")
    decisions = {
        name: Decision(option, f"as asked; the output has {option.alone_db:.1f} dB with this layer alone in int8", {scheme: option})
        for name, option in options.items()
    }
    if not SCHEMES[scheme].integers_only:
        _settle_dense(search, wanted, asked, decisions)
    return decisions


def _settle_dense(search: _Search, wanted: Sequence[Layer], asked: set[str], decisions: dict[str, Decision]) -> None:
    """Put back to f32 the Dense layers that save next to nothing, are slower or cost something; not those that are asked for."""
    heads = [layer for layer in wanted if isinstance(layer, Dense) and decisions[layer.name].option.scheme != "f32"]
    if len(heads) == len(wanted):
        return
    heads = [head for head in heads if head.name not in asked]
    total = sum(array.nbytes for layer in search.model.layers for array in layer.arrays().values())
    chosen = {name: d.option for name, d in decisions.items() if name not in [head.name for head in heads]}
    reached = search.output_db(chosen, "recurrent layers only") if heads else 0.0
    for head in heads:
        decision = decisions[head.name]
        share = sum(a.nbytes for a in head.arrays().values()) / total
        with_it = search.output_db({**chosen, head.name: decision.option}, f"{head.name} quantised too")
        if share < DENSE_SHARE:
            decision.reason = f"f32: it holds {share:.1%} of the weights, too little to matter"
        elif head.weight.shape[0] < DENSE_OUTPUTS:
            decision.reason = f"f32: with fewer than {DENSE_OUTPUTS} outputs it is faster so (int8 all the same: --int8 {head.name})"
        elif with_it < min(reached - DENSE_COST_DB, DENSE_FREE_ABOVE_DB):
            decision.reason = f"f32: int8 would cost {reached - with_it:.1f} dB of the output"
        else:
            decision.reason = f"int8: it holds {share:.0%} of the weights and costs {max(reached - with_it, 0):.1f} dB of the output"
            chosen[head.name], reached = decision.option, with_it
            continue
        decision.option = search.float_option(head)


def _auto(search: _Search, wanted: Sequence[Layer], asked: set[str], elsewhere: bool) -> dict[str, Decision]:
    """int8-dynamic wherever it can be, then back towards f32 until the output is good enough, then where f32 is faster."""
    decisions = {layer.name: _open(search, layer) for layer in wanted}
    _settle_dense(search, wanted, asked, decisions)
    chosen = {name: decision.option for name, decision in decisions.items()}
    reached = search.output_db(chosen, "all layers together")
    free = {name: decision for name, decision in decisions.items() if name not in asked}
    while reached < TARGET_DB and (changes := _changes(search, free, chosen)):
        good = [change for change in changes if change[2] >= TARGET_DB]
        name, option, reached = min(good, key=lambda c: _bytes(c[1])) if good else max(changes, key=lambda c: c[2])
        chosen[name] = decisions[name].option = option
        decisions[name].reason = f"{option.scheme}: brings the output to {reached:.1f} dB; auto wants {TARGET_DB:g} dB"
    if not elsewhere:
        _settle_speed(search, decisions, asked)
    return decisions


def _open(search: _Search, layer: Layer) -> Decision:
    """All options of a layer, int8-dynamic first where it can be."""
    options, reason = {}, ""
    for scheme in ("int8-dynamic", "int8-weight"):
        try:
            options[scheme] = search.option(layer, scheme)
        except UnsupportedModelError as problem:
            reason = str(problem)
    options["f32"] = search.float_option(layer)
    first = next(iter(options.values()))
    return Decision(
        first, f"{first.scheme}: the output has {first.alone_db:.1f} dB with it alone" if first.scheme != "f32" else reason, options
    )


def _changes(search: _Search, decisions: dict[str, Decision], chosen: dict[str, Option]) -> list[tuple[str, Option, float]]:
    """Every step of one layer towards f32, with what the output then reaches."""
    found = []
    for name, now in chosen.items():
        if name not in decisions:
            continue
        options = list(decisions[name].options.values())
        for option in options[1 + [o.scheme for o in options].index(now.scheme) :]:
            found.append((name, option, search.output_db({**chosen, name: option}, f"{name} in {option.scheme}")))
    return found


def _bytes(option: Option) -> int:
    return sum(array.nbytes for array in option.layer.arrays().values())


def _settle_speed(search: _Search, decisions: dict[str, Decision], asked: set[str]) -> None:
    """Put back to f32 what is faster there on this machine."""
    for name, decision in decisions.items():
        if name in asked or decision.option.scheme == "f32" or not isinstance(decision.options["f32"].layer, LSTM | Dense):
            continue
        times = []
        for option in (decision.option, decision.options["f32"]):
            search.progress(search.done, search.total, f"speed of {name} in {option.scheme}")
            layers = [option.layer if n == name else decisions[n].option.layer if n in decisions else r for n, r in _records(search.model)]
            times.append(speed.times_ns(replace(search.model, layers=tuple(layers), probe=None), search.batch.xs[0]))
        told = [f"{each[0]:.0f} ns in process() and {each[1]:.0f} ns in step()" for each in times]
        if any(int8 > f32 * FASTER for int8, f32 in zip(*times, strict=True)):
            decision.option = decision.options["f32"]
            decision.reason = f"f32: a step of the model takes {told[1]} on this machine, with this layer in int8 {told[0]}"
        else:
            decision.reason += f"; a step takes {told[0]} on this machine, with this layer in f32 {told[1]}"


def _records(model: Model) -> list[tuple[str, Layer]]:
    return [(layer.name, layer) for layer in model.layers]
