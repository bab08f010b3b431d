"""Embeddings folded into the layers that read them: an index then takes its input products from a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers.record import Layer
from ..targets import Target
from . import LINE, Floats, Lowered, rule, up_to

#: Tables of input products have at most so many floats (16 MiB); without an operating system, no more than what they replace.
MOST_TABLE = 1 << 22


def looked_up(layers: Sequence[Layer], target: Target) -> dict[str, Lowered | None]:
    """Embeddings that are folded into all layers that read them, None; and these layers, which take the index themselves."""
    found: dict[str, Lowered | None] = {}
    for embedding in layers:
        readers = [layer for layer in layers if embedding.name in layer.needs] if embedding.takes_index else []
        if not readers or any(layer.mask or layer.whole or len(layer.inputs) > 1 for layer in readers):
            continue
        table, folding = embedding.arrays()["weight"], [rule(layer).looked_up for layer in readers]
        replaced = table.size + sum(layer.arrays()["weight_ih"].size for layer, fold in zip(readers, folding, strict=True) if fold)
        most = replaced if target.bare_metal else MOST_TABLE
        if all(folding) and sum(len(table) * len(layer.arrays()["weight_ih"]) for layer in readers) <= most:
            folded = {layer.name: fold(layer, table, target) for layer, fold in zip(readers, folding, strict=True) if fold}
            found |= {embedding.name: None, **folded}
    return found


def without_inputs(layer: Any) -> Any:
    """A recurrent layer that reads nothing, as kernels are packed for that take input products from a table."""
    bare = object.__new__(type(layer))
    bare.__dict__.update(layer.__dict__, weight_ih=layer.weight_ih[:, :0])
    return bare


def input_products(layer: Any, table: Floats, bias: Any) -> Floats:
    """Bias and input products (rows, vocabulary) of each row of a table."""
    products = layer.weight_ih.astype(np.float64) @ table.T.astype(np.float64)
    return np.asarray(products + np.asarray(bias)[:, None], np.float32)


def with_table(low: Lowered, products: Floats) -> Lowered:
    """A layer whose kernel takes its input products from a table.

    products: (gates, padded, vocabulary), of each index in the table; they stand behind the layer's weights, tile by tile for each index.
    """
    units = low.constants["units"]
    tiles = [products[:, start : start + units].transpose(2, 0, 1) for start in range(0, products.shape[1], units)]
    table = np.concatenate([tile.reshape(len(tile), -1) for tile in tiles], axis=1)  # (vocabulary, gates * padded)
    at = up_to(LINE, low.weights.size)
    weights = np.concatenate([low.weights, np.zeros(at - low.weights.size, np.float32), table.ravel()])
    return low._replace(constants=low.constants | {"table": at}, weights=weights)
