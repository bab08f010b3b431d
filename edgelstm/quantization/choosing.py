"""Which scheme and which input range each layer gets, by the error that the model's own output shows over the calibration windows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import ArrayLike, NDArray

from .. import __version__
from ..errors import UnsupportedModelError, UsageError
from ..layers.integers import LIMIT
from ..layers.record import Layer
from ..model import Model
from .auto import auto
from .calibration import batch_of, refuse_short, refuse_wild
from .folding import Folded, quantised_layers
from .report.evidence import findings
from .rules import untouched
from .rules.scales import output_range
from .schemes import SCHEMES
from .search import Decision, Option, Progress, Search
from .settling import STATELESS, settle_stateless
from .trace import Batch, Trace

#: What `scheme` may be.
CHOICES = (*SCHEMES, "auto")


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
    weighted = [layer for layer in model.layers if not untouched(layer, scheme)]
    wanted = [layer for layer in weighted if layer.name not in kept]
    if not weighted:
        has = ", ".join(sorted({type(layer).__name__ for layer in model.layers}))
        raise UsageError(f"{scheme} leaves every layer of this model as it is: it has {has}. Use the model as it is.")
    if not wanted:
        raise UsageError("no layer is left to quantise; keep fewer layers in f32.")
    batch = windows if isinstance(windows, Batch) else batch_of(model, windows)
    refuse_wild(model, batch)
    refuse_short(model, batch)
    search = Search(model, batch, progress, 2 + 9 * len(wanted))
    decisions = {layer.name: Decision(search.float_option(layer), "kept in f32 on request") for layer in weighted if layer.name in kept}
    in_units = search.fold(wanted, scheme)
    names = {layer.name for layer in wanted}
    wanted = [layer for layer in search.model.layers if layer.name in names]
    decisions |= auto(search, wanted, asked, elsewhere) if scheme == "auto" else _fixed(search, wanted, asked, scheme)
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
    notes, arrays = [], record.arrays()
    if record.name in in_units.normalizers:
        notes.append(f"its channels differ in size: {in_units.normalizers[record.name]} in front brings them to one")
    if (span := output_range(record)) is not None:
        notes.append(f"its output is cut at {span.low:.3g} and {span.high:.3g}")
    else:
        cut = [(letter, arrays[name]) for letter, name in (("h", "hidden_scale"), ("x", "input_scale")) if name in arrays]
        notes += [f"{letter} is cut at {LIMIT * float(scale[0]):.3g}" for letter, scale in cut]
    return "".join(f"; {note}" for note in notes)


def _known(model: Model, option: str, given: Iterable[str]) -> set[str]:
    names = [layer.name for layer in model.layers]
    if given is not None and not isinstance(given, Iterable):
        raise UsageError(f"{option} takes names of layers; got {given!r}.")
    chosen = {given} if isinstance(given, str) else set(given or ())
    if unknown := sorted(chosen - set(names)):
        raise UsageError(f"{option} names {', '.join(map(repr, unknown))}, which the model lacks; its layers are {', '.join(names)}.")
    return chosen


def _asked(model: Model, int8: Iterable[str]) -> set[str]:
    asked = _known(model, "int8", int8)
    stateless = {layer.name for layer in model.layers if isinstance(layer, STATELESS)}
    if others := sorted(asked - stateless):
        raise UsageError(f"int8 names Dense and Conv1D layers, to be quantised in any case; {', '.join(map(repr, others))} is none.")
    return asked


def _source(model: Model, scheme: str, decisions: dict[str, Decision]) -> str:
    floats = [name for name, decision in decisions.items() if decision.option.scheme == "f32"]
    how = scheme + (f", {', '.join(sorted(floats))} in f32" if floats else "")
    return f"{model.source or 'a float model'}, quantised by edgelstm {__version__} ({how})"


def _refusal(refused: Sequence[tuple[str, str]], lacking: Iterable[str] = ()) -> UnsupportedModelError:
    """Of layers, each with the reason; `lacking`: what the calibration windows do not show."""
    flags = " ".join(f"--keep {name}" for name, _ in refused)
    names = ", ".join(repr(name) for name, _ in refused)
    reasons = " ".join([*(reason for _, reason in refused), *(f"Calibration: {sentence}." for sentence in lacking)])
    return UnsupportedModelError(f"{reasons} The way out: kept in f32, by keep=({names},) or {flags}.")


def _fixed(search: Search, wanted: Sequence[Layer], asked: set[str], scheme: str) -> dict[str, Decision]:
    """Every layer in `scheme`; those without a state where that is worth it."""
    options: dict[str, Option] = {}
    refused = []
    for layer in wanted:
        try:
            options[layer.name] = search.option(layer, scheme, options.get(layer.inputs[0]) if len(layer.inputs) == 1 else None)
        except UnsupportedModelError as problem:
            refused.append((layer.name, str(problem)))
    if refused:
        raise _refusal(refused, findings(search.model, search.batch, search.float_trace))
    decisions = {
        name: Decision(
            option,
            f"as asked; the output has {option.alone_db:.1f} dB with this layer alone in {scheme.partition('-')[0]}",
            {scheme: option},
        )
        for name, option in options.items()
    }
    if SCHEMES[scheme].settles:
        settle_stateless(search, wanted, asked, decisions)
    return decisions
