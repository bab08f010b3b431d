"""Which layers go back to float32 although int8 could hold them: small ones, costly ones, and those that are faster there."""

from collections.abc import Sequence
from dataclasses import replace

from ..layers.convolution import Conv1D
from ..layers.feedforward import Dense
from ..layers.record import Layer
from . import speed
from .search import Decision, Search

#: Layers without a state that may stay in f32 where others are quantised.
STATELESS = (Dense, Conv1D)

#: One of them stays in f32 if it holds less than this share of the weights, or if it costs more decibels than this and
#: the output then lies below the limit.
LEAST_SHARE, MOST_COST_DB, FREE_ABOVE_DB = 0.01, 1.0, 40.0

#: With fewer outputs than this, of a group where there are groups, it is slower in int8: rounding x costs more than its shorter products
#: save. Instructions of a step that int8 adds to an LSTM and its head, counted on Cortex-A72, A76, by hidden size and outputs: 8, 4: 14, 2;
#: 32, 1: 128, 85; 32, 4: 81, 38; 32, 8: 4, -57; 128, 8: 36, -133; 128, 64: -930, -2832. Zen 5 takes 10 % longer with 1 output behind 32
#: units, 8 % less with 8.
LEAST_OUTPUTS = 8

#: A layer goes back to f32 for speed if the model is then faster by this factor in one of the ways to step it.
FASTER = 1.03


def _outputs(layer: Layer) -> int:
    """Outputs that share the inputs of a group."""
    return int(layer.arrays()["weight"].shape[0]) // getattr(layer, "groups", 1)


def settle_stateless(search: Search, wanted: Sequence[Layer], asked: set[str], decisions: dict[str, Decision]) -> None:
    """Put back to f32 the layers without a state that save next to nothing, are slower or cost something; not those that are asked for."""
    heads = [layer for layer in wanted if isinstance(layer, STATELESS) and decisions[layer.name].option.scheme != "f32"]
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
        if share < LEAST_SHARE:
            decision.reason = f"f32: it holds {share:.1%} of the weights, too little to matter"
        elif _outputs(head) < LEAST_OUTPUTS:
            decision.reason = f"f32: with fewer than {LEAST_OUTPUTS} outputs it is faster so (int8 all the same: --int8 {head.name})"
        elif with_it < min(reached - MOST_COST_DB, FREE_ABOVE_DB):
            decision.reason = f"f32: int8 would cost {reached - with_it:.1f} dB of the output"
        else:
            decision.reason = f"int8: it holds {share:.0%} of the weights and costs {max(reached - with_it, 0):.1f} dB of the output"
            chosen[head.name], reached = decision.option, with_it
            continue
        decision.option = search.float_option(head)


def settle_speed(search: Search, decisions: dict[str, Decision], asked: set[str]) -> None:
    """Put back to f32 what is faster there on this machine."""
    for name, decision in decisions.items():
        if name in asked or decision.option.scheme == "f32" or not decision.options["f32"].layer.multiply_accumulates:
            continue
        times = []
        for option in (decision.option, decision.options["f32"]):
            search.progress(search.done, search.total, f"speed of {name} in {option.scheme}")
            records = {**{each: d.option.layer for each, d in decisions.items()}, name: option.layer}
            layers = [records.get(layer.name, layer) for layer in search.model.layers]
            times.append(speed.times_ns(replace(search.model, layers=tuple(layers), probe=None), search.batch.xs[0]))
        told = [f"{each[0]:.0f} ns in process() and {each[1]:.0f} ns in step()" for each in times]
        if any(int8 > f32 * FASTER for int8, f32 in zip(*times, strict=True)):
            decision.option = decision.options["f32"]
            decision.reason = f"f32: a step of the model takes {told[1]} on this machine, with this layer in int8 {told[0]}"
        else:
            decision.reason += f"; a step takes {told[0]} on this machine, with this layer in f32 {told[1]}"
