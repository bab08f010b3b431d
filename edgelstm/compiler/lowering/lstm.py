"""LSTM layers in float32, and with weights in half precision -> kernel and packed weights, in the layout of `kernels.lstm_f32`."""

from typing import Any

import numpy as np

from ...layers.lstm import LSTM
from ..targets import Target
from . import (
    FETCH_ABOVE,
    FETCH_AHEAD,
    HOIST_ABOVE,
    MULTIPLY_ADDS_IN_FLIGHT,
    TURN_ABOVE,
    Floats,
    Lowered,
    Reach,
    Rule,
    floats_of,
    lstm_keeps,
    lstm_reach,
    lstm_state,
    tiles_of,
    tiling,
)
from .tables import input_products, with_table, without_inputs

#: Most units of one tile of four gates where a target `fills` registers. Measured on Zen 5: of 36 to 40 units, tiles of 16 take a tenth
#: less, and where such a layer exceeds the first-level cache, as it then turns, two fifths.
WIDEST = 32


def lower(layer: LSTM, sizes: list[int], target: Target) -> Lowered:
    inputs, hidden = layer.input_size, layer.hidden_size
    padded, units, tail = tiling(hidden, target)
    if target.fills and not layer.coupled and units > (target.tile if target.crowded else WIDEST):
        units, tail = target.tile, padded % target.tile
    size = floats_of(layer)
    hoisted = inputs >= 8 and size > HOIST_ABOVE
    constants = {
        "inputs": inputs,
        "hidden": layer.projection_size,
        "padded": padded,
        "units": units,
        "tail": tail,
        "small": int(padded == units <= target.lanes),
        "chains": 2 if 4 * -(-units // target.lanes) < MULTIPLY_ADDS_IN_FLIGHT else 1,
        "ahead": FETCH_AHEAD if size > FETCH_ABOVE and target.fetches else 0,
        "hoisted": target.strip if hoisted else 0,
        "turning": int(padded >= 2 * units and (size > TURN_ABOVE or target.crowded)),
        "paired": int(target.pairs),
        "division": target.division,
    }
    halves = 0
    if layer.halves:
        from .halves import form

        constants["halves"] = halves = form(target, layer.weight_ih, layer.weight_hh, whole=not constants["small"])
    if layer.variant:
        return with_options(layer, target, constants)
    if not halves:
        constants["filled"] = target.filled(padded)
    weights = pack(layer, padded, units, halves)
    scratch, keeps = 4 * padded if hoisted else 0, lstm_keeps(layer, padded)
    return Lowered("lstm_f32", constants, padded, weights, lstm_state(layer, padded, padded), scratch, keeps=keeps)


def with_options(layer: LSTM, target: Target, constants: dict[str, Any]) -> Lowered:
    """A cell that is no plain one. What it takes is loaded here, for a plain one starts sooner without."""
    from . import cells

    options, padded = cells.cell_options(layer, target), constants["padded"]
    given = options.projection or padded
    weights = np.concatenate([cells.tiles(layer, options, constants), cells.numbers(layer, options, padded)])
    work, sums = options.room(padded), options.count * padded
    scratch, workspace = (sums + work, 0) if constants["hoisted"] else (0, work)
    state, keeps = lstm_state(layer, padded, given), lstm_keeps(layer, given)
    return Lowered("lstm_f32", constants | {"options": options}, given, weights, state, scratch, workspace, keeps=keeps)


def looked_up(layer: LSTM, table: Floats, target: Target) -> Lowered:
    """The same where x is a row of a table. Behind a norm stands the bias, which is then not among the products."""
    low = lower(without_inputs(layer), [0], target)
    hidden, padded = layer.hidden_size, low.constants["padded"]
    flat = input_products(layer, table, np.zeros_like(layer.bias) if layer.norm else layer.bias)
    products = np.zeros((4, padded, len(table)), np.float32)  # (gate, unit, index)
    products[:, :hidden] = flat.reshape(4, hidden, -1)
    if not layer.variant:
        products[[0, 1, 3]] *= np.float32(0.5)
        return with_table(low, products)
    from . import cells

    kept = cells.kept_gates(layer)
    scale = np.ones(4, np.float32) if layer.norm else cells.halves(low.constants["options"])
    return with_table(low, (products * scale[:, None, None])[kept])


def reach(layer: LSTM) -> Reach:
    if not layer.variant:
        return lstm_reach(layer)
    from .cells import cell_reach

    return cell_reach(layer)


def pack(layer: LSTM, padded: int, units: int, halves: int) -> Floats:
    """Tiles of `units` units: for each row of [bias, inputs, recurrent] the gates i f g o side by side; i, f and o halved."""
    hidden = layer.hidden_size
    rows = np.zeros((4, padded, 1 + layer.input_size + hidden), np.float32)  # (gate, unit, row)
    rows[:, :hidden] = np.concatenate([layer.bias[:, None], layer.weight_ih, layer.weight_hh], axis=1).reshape(4, hidden, -1)
    rows[[0, 1, 3]] *= np.float32(0.5)
    return tiles_of(layer, rows, units, halves)


def half_reach(layer: LSTM) -> Reach:
    from . import halves

    return halves.half_reach(reach(layer))


RULES = {"lstm": Rule(lower, reach, looked_up), "lstm_half": Rule(lower, half_reach, looked_up)}
