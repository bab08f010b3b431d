"""What each scheme makes of each float layer. Each kind's file has its `RULES`: a rule by scheme, or `UNTOUCHED`."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from ...errors import UnsupportedModelError
from ...layers import part, record_of
from ...layers.record import Layer
from ...layers.recurrent import RESET, Recurrent
from ..calibration import Range, Seen

#: A layer, what it met, and the ranges of its input and of its state, or None for a scale of each step and for +-1 -> the quantised record.
Rule = Callable[[Any, Seen, Range | None, Range | None], Layer]

#: In place of the rules of kinds that no scheme touches: they hold little and multiply nothing.
UNTOUCHED: Mapping[str, Rule] = MappingProxyType({})


def rules_of(kind: str) -> Mapping[str, Rule]:
    """The rules of a float kind, by scheme."""
    found: Mapping[str, Rule] = part(__name__, kind).RULES[kind]
    return found


def kept(layer: Layer) -> dict[str, Any]:
    """What every scheme leaves of a layer: its place in the model, and the order and the padding of its steps."""
    order = {"reverse": layer.reverse, "mask": layer.mask} if isinstance(layer, Recurrent) else {}
    return {"name": layer.name, "inputs": layer.inputs, **order}


def in_half(layer: Layer, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """The rule of f16-weight: the same layer, its matrices in half precision. No window changes it."""
    half: Callable[..., Layer] = record_of(f"{layer.kind}_half")
    return half(**{f.name: getattr(layer, f.name) for f in fields(layer)})


def without_half(layer: Layer, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """The rule of f16-weight for kinds that have no such form."""
    raise UnsupportedModelError(f"{layer.label}: f16-weight has LSTM, GRU and Dense layers alone. Keep it in f32.")


def left(layer: Layer, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """The rule of a scheme that leaves a layer as it is, where others do not."""
    return layer


def untouched(layer: Layer, scheme: str) -> bool:
    """Whether a scheme leaves a layer as it is."""
    rules = rules_of(layer.kind) if layer.numbers == "f32" else {}
    return rules is UNTOUCHED or rules.get(scheme) is left


def rule(layer: Layer, scheme: str) -> Rule:
    """What makes a layer's quantised record.

    Raises
    ------
    UnsupportedModelError
        If the scheme has no rule for its kind, or the layer is quantised already.
    """
    if layer.numbers != "f32":
        raise UnsupportedModelError(f"{layer.label} is quantised already ({layer.numbers}); give the float model that it was made of.")
    if layer.mask == RESET and scheme != "f16-weight":
        raise UnsupportedModelError(f"{layer.label}: {scheme} has no layers with mask={RESET!r}. Keep it in f32.")
    found = rules_of(layer.kind).get(scheme)
    if found is None:
        raise UnsupportedModelError(f"{layer.label}: {scheme} has no rule for layers of type {type(layer).__name__}.")
    return found
