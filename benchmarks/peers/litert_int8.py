"""LiteRT with int8 weights, the cell of `litert_peer`, one thread, its default XNNPACK delegate.

``int8``: every tensor is int8: inputs, output and the cell's state too. ``dynamic``: products in int8, the rest in float32.
"""

import re

import numpy as np
from ai_edge_litert.interpreter import OpResolverType
from grid import CHECKED, INT8_TOLERANCE, Case

from peers import Contender
from peers.litert_flatbuffer import DynamicGraph, Graph, Int8Graph
from peers.litert_peer import VERSION, cell, cell_file, opened

__all__ = ["VERSION"]

#: Tensors that must share scale and zero point: pattern of the name -> name of the group. CONCATENATION and SPLIT rescale nothing, and
#: states are passed on as bytes.
GROUPS = {r"x|h\d+|l\d+xh|l\d+h": "h", r"l(\d+)z[ifgo]?": r"z\1", r"c(\d+)": r"c\1", r"l(\d+)c": r"c\1"}

#: Tensors whose scale and zero point the operators LOGISTIC and TANH dictate.
FIXED = {r"l\d+gate\d": (1 / 256, -128), r"l\d+g|l\d+tanh_c": (1 / 128, 0)}


def _group(name: str) -> str:
    return next((match.expand(group) for pattern, group in GROUPS.items() if (match := re.fullmatch(pattern, name))), name)


def _ranges(case: Case) -> dict[str, tuple[float, float]]:
    """Smallest and largest value, zero included, of each group of tensors over the checked steps of the float model."""
    settings = {
        "experimental_preserve_all_tensors": True,
        "experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }
    interpreter, (x_number, *old), (_, *new) = opened(cell_file(case, Graph()), **settings)
    tensors = {d["index"]: d["name"] for d in interpreter.get_tensor_details() if d["dtype"] == np.float32}
    found: dict[str, tuple[float, float]] = {}
    for source in old:  # the initial state, zero: the interpreter's memory comes as it is
        interpreter.set_tensor(source, np.zeros((1, case.row.hidden_size), np.float32))
    for x in case.inputs[:CHECKED]:
        interpreter.set_tensor(x_number, x[None])
        interpreter.invoke()
        for number, name in tensors.items():
            low, high = found.get(_group(name), (0.0, 0.0))
            values = interpreter.get_tensor(number)
            found[_group(name)] = min(low, float(values.min())), max(high, float(values.max()))
        for source, target in zip(old, new, strict=True):
            interpreter.set_tensor(source, interpreter.get_tensor(target))
    return {name: found[_group(name)] for name in tensors.values()}


def _steps(case: Case) -> dict[str, tuple[float, int]]:
    """Scale and zero point of each tensor, as LiteRT's own converter sets them: the whole range on 256 integers."""
    steps = {}
    for name, (low, high) in _ranges(case).items():
        scale = (high - low) / 255 or 1.0
        fixed = next((pair for pattern, pair in FIXED.items() if re.fullmatch(pattern, name)), None)
        steps[name] = fixed or (scale, int(np.rint(-128 - low / scale)))
    return steps


def contenders(case: Case) -> list[Contender]:
    return [
        cell("LiteRT cell int8 XNNPACK", cell_file(case, Int8Graph(_steps(case))), case, INT8_TOLERANCE),
        cell("LiteRT cell dynamic XNNPACK", cell_file(case, DynamicGraph()), case, INT8_TOLERANCE),
    ]
