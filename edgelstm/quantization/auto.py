"""The scheme ``"auto"``: a scheme for each layer, by what the output keeps and by what is faster."""

from collections.abc import Sequence

from ..errors import UnsupportedModelError
from ..layers.record import Layer
from .search import Decision, Option, Search
from .settling import settle_speed, settle_stateless

#: Signal-to-noise ratio of the output that `auto` defends.
TARGET_DB = 30.0


def auto(search: Search, wanted: Sequence[Layer], asked: set[str], elsewhere: bool) -> dict[str, Decision]:
    """int8-dynamic wherever it can be, then back towards f32 until the output is good enough, then where f32 is faster."""
    decisions = {layer.name: _open(search, layer) for layer in wanted}
    settle_stateless(search, wanted, asked, decisions)
    chosen = {name: decision.option for name, decision in decisions.items()}
    reached = search.output_db(chosen, "all layers together")
    free = {name: decision for name, decision in decisions.items() if name not in asked}
    while reached < TARGET_DB and (changes := _changes(search, free, chosen)):
        good = [change for change in changes if change[2] >= TARGET_DB]
        name, option, reached = min(good, key=lambda c: _bytes(c[1])) if good else max(changes, key=lambda c: c[2])
        chosen[name] = decisions[name].option = option
        decisions[name].reason = f"{option.scheme}: brings the output to {reached:.1f} dB; auto wants {TARGET_DB:g} dB"
    if not elsewhere:
        settle_speed(search, decisions, asked)
    return decisions


def _open(search: Search, layer: Layer) -> Decision:
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


def _changes(search: Search, decisions: dict[str, Decision], chosen: dict[str, Option]) -> list[tuple[str, Option, float]]:
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
