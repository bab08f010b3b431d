"""The first step of a recurrence that begins with zeros, of which a converter has left out what zeros make.

Products with zeros are zeros, and sums with them their other term. What is left of a step's pattern must be all of the first step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .file import Node

if TYPE_CHECKING:
    from .unrolled import Pattern

#: What zeros are called, by their shape, and what no node makes.
ZEROS, _NOTHING = "zeros of edgelstm:", "nothing of edgelstm"

#: How many axes a state may have.
_RANKS = (2, 3)

#: Operators that make zeros of zeros alone, and those that any zero makes zeros.
_MOVES, _PRODUCTS = ("Split", "Slice", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity"), ("Mul", "MatMul")


def first_step(pattern: "Pattern", body: Sequence[Node]) -> list[Node] | None:
    """For each node of a pattern the one that stands in its place in the first step, whose nodes are `body`; None if that is another."""
    width = _width(pattern)
    shapes = [f"{'1x' * (rank - 1)}{width}" for rank in _RANKS] if width is not None else []
    return next((found for shape in shapes if (found := _from(pattern, body, f"{ZEROS}{shape}")) is not None), None)


def _from(pattern: "Pattern", body: Sequence[Node], zeros: str) -> list[Node] | None:
    """The same for a state of zeros of this name."""
    free: dict[object, list[Node]] = {}
    for node in body:
        free.setdefault(pattern.kind(node), []).append(node)
    made: dict[str, str] = {pattern.steps[1]: pattern.steps[0]}
    found: list[Node] = []
    for index, node in enumerate(pattern.nodes):
        inputs = tuple(zeros if (index, slot) in pattern.before else made.get(name, name) for slot, name in enumerate(node.inputs))
        kept, alike = _kept(node, inputs, zeros), free.get(pattern.kind(node), [])
        match = next((one for one in alike if any(_reads(pattern, one, order, zeros) for order in _orders(node, inputs))), None)
        outputs = match.outputs if match is not None else tuple(kept or _NOTHING for _ in node.outputs)
        made.update(zip(node.outputs, outputs, strict=True))
        named = tuple(f"{zeros}:{name}" for name in node.outputs)
        found.append(replace(node, inputs=inputs, outputs=named) if match is None else match)
    return _named(pattern, found, made)


def _named(pattern: "Pattern", found: list[Node], made: Mapping[str, str]) -> list[Node] | None:
    """The nodes with the names under which the second step reads them; None where it reads something else."""
    for (index, slot), (of, out) in pattern.before.items():
        read = pattern.nodes[index].inputs[slot]
        if made[pattern.nodes[of].outputs[out]] != read:
            return None
        outputs = list(found[of].outputs)
        outputs[out] = read
        found[of] = found[of] if list(found[of].outputs) == outputs else replace(found[of], outputs=tuple(outputs))
    return found


def _kept(node: Node, inputs: Sequence[str], zeros: str) -> str | None:
    """What a node gives where some of its inputs are zeros: zeros, or its other input; None where it computes."""
    if zeros not in inputs:
        return None
    if node.op == "Gemm" and inputs[0] == zeros:
        return inputs[2] if len(inputs) > 2 else zeros
    if node.op in _PRODUCTS or (node.op in _MOVES and inputs[0] == zeros):
        return zeros
    if node.op == "Add" and len(inputs) == 2:
        return inputs[0] if inputs[1] == zeros else inputs[1]
    return None


def _orders(node: Node, inputs: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield inputs
    if node.op in ("Add", "Mul"):
        yield inputs[::-1]


def _reads(pattern: "Pattern", node: Node, inputs: Sequence[str], zeros: str) -> bool:
    """Whether a node reads these tensors, or constants of the same numbers."""
    return len(node.inputs) == len(inputs) and all(_same(pattern, *names, zeros) for names in zip(node.inputs, inputs, strict=True))


def _same(pattern: "Pattern", one: str, other: str, zeros: str) -> bool:
    if one == other or (pattern.keys.constant(one) and pattern.keys.of(one) == pattern.keys.of(other)):
        return True
    array, wanted = (pattern.graph.constants.get(name) for name in (one, other))
    if array is None or array.dtype.kind != "f":
        return False
    if array.ndim > len(_shape(zeros)):
        return False
    return bool(not array.any()) if other.startswith(ZEROS) else wanted is not None and np.array_equal(array.ravel(), wanted.ravel())


def _width(pattern: "Pattern") -> int | None:
    """The numbers of a state: the rows of the matrix that one is multiplied by; None where they differ."""
    found = set()
    for node in pattern.nodes:
        weight = pattern.graph.constants.get(node.inputs[1]) if node.op in ("MatMul", "Gemm") else None
        weight = weight.T if weight is not None and node.attributes.get("transB") else weight
        if weight is not None and weight.ndim == 2 and weight.shape[1] % weight.shape[0] == 0 and _from_state(pattern, node):
            found.add(int(weight.shape[0]))
    return found.pop() if len(found) == 1 else None


def _from_state(pattern: "Pattern", node: Node) -> bool:
    """Whether a product reads a state, of the step before or of its own."""
    states = set(pattern.before.values())
    index = next(i for i, one in enumerate(pattern.nodes) if one is node)
    own = {pattern.nodes[of].outputs[out] for of, out in states}
    return (index, 0) in pattern.before or node.inputs[0] in own or any((index, out) in states for out in range(len(node.outputs)))


def constants(nodes: Sequence[Node]) -> dict[str, np.ndarray]:
    """The zeros that nodes read, by name."""
    names = {name for node in nodes for name in node.inputs if name.startswith(ZEROS) and ":" not in name.removeprefix(ZEROS)}
    return {name: np.zeros(_shape(name), np.float32) for name in names}


def _shape(zeros: str) -> tuple[int, ...]:
    """The shape of zeros of a name."""
    return tuple(map(int, zeros.removeprefix(ZEROS).split("x")))
