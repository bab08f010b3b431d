"""Pooling over maps -> kernel."""

from math import prod

from ...layers.map_pool import MapPool
from ...layers.maps import rows_and_columns
from ..targets import Target
from . import Lowered, Reach, Rule
from .maps import window


def lower(layer: MapPool, sizes: list[int], target: Target) -> Lowered:
    places = tuple(axis.places for axis in rows_and_columns(layer.windows))
    constants = {
        "function": layer.function,
        "places": places,
        "given": window(layer.windows, layer.shape[-1]),
        "include_padding": int(layer.include_padding),
    }
    return Lowered("map_pool_f32", constants, prod(layer.answer_shape))


RULES = {"map_pool": Rule(lower, lambda layer: Reach(float(prod(layer.size)) if layer.function == "average" else 1.0))}
