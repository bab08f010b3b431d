"""GRU layers in float32, and with weights in half precision -> kernel and packed weights, in the layout of `kernels.gru_f32`."""

import math

import numpy as np

from ...layers.gru import GRU
from ..targets import Target
from . import Floats, Lowered, Reach, Rule, tiling
from .hidden import gru_biases, gru_cell, gru_reach, gru_tile, hidden_keeps, hidden_state, walk_of
from .tables import input_products, with_table, without_inputs


def lower(layer: GRU, sizes: list[int], target: Target) -> Lowered:
    if layer.norm is not None:
        from . import normed

        return normed.lower(layer, target)
    padded, units, tail = tiling(layer.hidden_size, target, gru_tile(target))
    walk = walk_of(layer, 3, padded, units, target)
    constants = {
        "inputs": layer.input_size,
        "hidden": layer.hidden_size,
        "padded": padded,
        "units": units,
        "tail": tail,
        "reset_after": int(layer.reset_after),
        **walk,
        "cell": gru_cell(layer, target.division),
    }
    halves = 0
    if layer.halves:
        from .halves import form

        constants["halves"] = halves = form(target, layer.weight_ih, layer.weight_hh)
        if halves == 2:  # input products of several rows convert each weight: on Zen 4 that takes longer than weaving two rows
            walk["walk"] = constants["walk"] = 0, walk["walk"][1]
    elif layer.reset_after and not walk["walk"][1]:  # of larger ones a step takes up to a twentieth more
        constants["filled"] = target.filled(padded)
    row = 3 * padded if layer.reset_after else 4 * padded
    hoisted = walk["walk"][0]
    scratch, workspace = (row, 0) if hoisted else (0, 0 if layer.reset_after else row)
    return Lowered(
        "gru_f32",
        constants,
        padded,
        pack(layer, padded, units, halves),
        hidden_state(layer, padded),
        scratch,
        workspace,
        keeps=hidden_keeps(layer),
    )


def looked_up(layer: GRU, table: Floats, target: Target) -> Lowered:
    """The same where x is a row of a table."""
    low = lower(without_inputs(layer), [0], target)
    hidden = layer.hidden_size
    products = np.zeros((3, low.constants["padded"], len(table)), np.float32)  # (gate, unit, index)
    bias = gru_biases(layer)[0] if layer.norm is None else np.zeros(3 * hidden) if layer.norm_start_ih is None else layer.norm_start_ih
    products[:, :hidden] = input_products(layer, table, bias).reshape(3, hidden, -1)
    if layer.gate_activation == "sigmoid" and layer.norm is None:
        products[:2] *= np.float32(0.5)
    return with_table(low, products)


def pack(layer: GRU, padded: int, units: int, halves: int) -> Floats:
    """Tiles of `units` units, as the kernel's file says."""
    hidden, before = layer.hidden_size, 1 + layer.input_size
    bias, multiplied = gru_biases(layer)
    rows = np.zeros((3, padded, before + hidden), np.float32)  # (gate, unit, row)
    rows[:, :hidden] = np.concatenate([bias[:, None], layer.weight_ih, layer.weight_hh], axis=1).reshape(3, hidden, -1)
    if layer.gate_activation == "sigmoid":
        rows[:2] *= np.float32(0.5)
    behind = np.pad(multiplied, (0, padded - hidden))
    parts = []
    for start in range(0, padded, units):
        tile = rows[:, start : start + units].transpose(2, 0, 1)  # (row, gate, unit)
        recurrent = [tile[before:]] if layer.reset_after else [tile[before:, :2], tile[before:, 2]]
        last = [behind[start : start + units]] if layer.reset_after else []
        parts += [tile[0], *(held(matrix, halves) for matrix in (tile[1:before], *recurrent)), *last]
    return np.concatenate([part.ravel() for part in parts])


def held(matrix: Floats, halves: int) -> Floats:
    """(row, ...) as the layer's kernel reads it: in float32, or packed in half precision."""
    if not halves:
        return matrix
    from .halves import held

    return held(matrix.reshape(len(matrix), math.prod(matrix.shape[1:])), halves)


def half_reach(layer: GRU) -> Reach:
    from . import halves

    return halves.half_reach(gru_reach(layer))


def reach(layer: GRU) -> Reach:
    if layer.norm is None:
        return gru_reach(layer)
    from . import normed

    return normed.reach(layer)


RULES = {"gru": Rule(lower, reach, looked_up), "gru_half": Rule(lower, half_reach, looked_up)}
