"""Placeholders that training alone needs: how much dropout keeps, and whether the graph is being trained. They become constants."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .file import Dtype, NodeDef
from .sections import consumers, followed, name_of

_TRAINING = re.compile(r"(?i)train|learning_?phase|phase_?train")

#: Operators that compare what dropout drops with numbers drawn at random.
_COMPARING = ("GreaterEqual", "Greater", "Less", "LessEqual")


def settled(nodes: Sequence[NodeDef], notes: list[str]) -> tuple[NodeDef, ...]:
    """The nodes with such placeholders as constants: nothing is dropped, nothing trained. What was taken is noted."""
    readers = consumers(nodes)
    drawn = followed(nodes, readers, "RandomUniform")
    found = []
    for node in nodes:
        value = _value(node, readers, drawn) if node.op == "Placeholder" and not node.attributes.get("shape") else None
        if value is not None:
            notes.append(f"The input {node.name!r} is taken as {value.item():g}, so that nothing is dropped or trained.")
        found.append(node if value is None else replace(node, op="Const", attributes={"value": value}))
    return tuple(found)


def _value(node: NodeDef, readers: Mapping[str, list[NodeDef]], drawn: set[str]) -> np.ndarray[tuple[()], np.dtype[np.generic]] | None:
    dtype = node.attributes.get("dtype")
    kind = dtype.kind if isinstance(dtype, Dtype) else ""
    if kind == "bool":
        return np.array(False) if _TRAINING.search(node.name) else None
    kept = _kept(node.name, readers, drawn, 4) if kind == "float" else None
    return None if kept is None else np.array(kept, np.float32)


def _kept(name: str, readers: Mapping[str, list[NodeDef]], drawn: set[str], depth: int) -> float | None:
    """What a number is where dropout keeps everything: 1 as the probability to keep, 0 as that to drop; None if it is neither."""
    for reader in readers.get(name, []) if depth else ():
        beside = [one for one in reader.inputs if name_of(one) in drawn and name_of(one) != name]
        if beside and reader.op in (*_COMPARING, "Add", "AddV2"):
            return 0.0 if reader.op in _COMPARING else 1.0
    for reader in readers.get(name, []) if depth else ():
        inner = _kept(reader.name, readers, drawn, depth - 1) if reader.op in ("Sub", "Identity", "Enter") else None
        if inner is not None:
            return 1 - inner if reader.op == "Sub" else inner
    return None
