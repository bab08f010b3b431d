"""Whether a file tells for certain which of its inputs are states, and which output each becomes, where no cell proves it.

An input whose shape some output has may be a state, or samples that are fused with others. Names tell (``h`` becomes ``h_out``); where
exporters gave the names, the graph has to: the output goes on from the input number by number, times something, and the answer comes of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ...errors import UnsupportedModelError, printable
from ..graph.cells import Cells
from ..graph.expressions import Combine, Scale
from ..graph.returning import depends
from ..graph.tracing import Flow
from ..graph.wires import Ids, Space, distinct
from .closing import Closing, Pairs
from .file import Tensor
from .signature import Reading

#: Parts of names that tell which of two calls is meant, and parts that tell of a state.
_CALLS = re.compile(r"in|out|input|output|new|next|old|prev|previous|last|cur|current|init|initial|updated|after|before|x|y|t|n|0")
_STATES = re.compile(r"states?|hidden|cell|carry|[hc][xyznt]?")

#: Names that exporters give, and those of samples.
_GIVEN = re.compile(r"(?i)\d+|onnx::\w+|input\.?\d*|output ?\d*|args?_?\d+(_\d+)?|(in|out)_?\d+|[a-z]\d*(\.\d+)?|(val|getitem)_\d+")
_SAMPLES = re.compile(r"(?i)[xutzwe]\d*|input\.?\d*")
_MEASURED = re.compile(
    r"image|images|img|text|audio|video|frame|frames|feat|feats|feature|features|token|tokens|cond|condition|speaker|emb|embed|embedding"
    r"|query|key|value|mask|noise|latent|points|coords|logits|labels"
)
_COMPUTED = re.compile(
    r"(mul|add|sub|div|tanh|sigmoid|relu|linear|cat|stack|view|where|lerp|addcmul|slice|squeeze|unsqueeze|clone|select|softmax)(_\d+)?"
)

#: Most outputs of one size whose orders are compared.
_MOST = 6

_WAY = "name the outputs of states as their inputs (h and h_out) when you export it"


@dataclass(eq=False)
class Certainty:
    """What tells that states are led back as `pairs` says. inputs: those of the graph, in the file's order."""

    closing: Closing
    pairs: Pairs
    inputs: Sequence[Tensor]

    def __post_init__(self) -> None:
        self.space, ends = self.closing.tracer.space, self.closing.tracer.ends
        self.samples = self.closing.samples()
        self.states = {state: self.space.last(wire) for state, wire in self.closing.wires.items()}
        proven = {state for state, ids in self.states.items() if any(int(one) in ends for one in ids)}
        free = {state: o for state, o in self.pairs.items() if o is not None and not state.becomes and state not in proven}
        taken = {o for state, o in self.pairs.items() if o is not None and state not in free}
        self.outputs = {o: v.ids.ravel() for o, v in self.closing.outputs.items() if isinstance(v, Flow) and o not in taken}
        place = {tensor.name: number for number, tensor in enumerate(self.inputs)}
        self.free = dict(sorted(free.items(), key=lambda one: place.get(one[0].name, 0)))

    def check(self) -> None:
        """Refuse the states, unless it is certain that they are, and what they become.

        Raises
        ------
        UnsupportedModelError
        """
        told = [state for state, output in self.free.items() if self._alike(state, output)]
        known = [state for state, output in self.free.items() if state in told or self._is_state(state, output)]
        for state, output in self.free.items():
            if not (state in known or (known and self._in_order(state))):
                raise UnsupportedModelError(
                    f"does not tell whether the output {printable(output.name, 60)!r} is what the input "
                    f"{printable(state.name, 60)!r} becomes at the next call; {_WAY}."
                )
        self._check_order([state for state in self.free if state not in told], [self.free[state] for state in told])
        self._check_samples()

    def _alike(self, state: Tensor, output: Tensor) -> bool:
        """Whether a state and an output are called alike, as no two others are of which one is the samples."""
        stem, samples = _stem(state.name), {_stem(one.name) for one in self.samples} - {""}
        others = [one for one in (*self.states, *self.samples, *self.outputs) if one not in (state, output)]
        if not stem or _stem(output.name) != stem or any(_stem(one.name) == stem for one in others):
            return False
        if any(map(_MEASURED.fullmatch, stem.split())) and not _tells_a_state(state.name):
            return False
        return not samples & {_stem(one.name) for one in self.outputs}

    def _is_state(self, state: Tensor, output: Tensor) -> bool:
        """Whether an input is a state that becomes an output, by its name or by the graph."""
        answers = [ids for one, ids in self.outputs.items() if one is not output]
        if any(_stem(one.name) == _stem(state.name) != "" for one in self.outputs if one is not output):
            return False
        kept = _goes_on(Cells(self.space), self.outputs[output], self.states[state], False)
        if _tells_a_state(state.name):
            own = re.fullmatch(r"\d+|output \d+", output.name) or _COMPUTED.fullmatch(output.name)
            return bool(answers or kept or own or _tells_a_state(output.name))
        given = all(_GIVEN.fullmatch(one.name) for one in (state, *list(self.samples)[:1]))
        if not given or _SAMPLES.fullmatch(state.name) or self.inputs[0].name == state.name:
            return False
        return kept and any(depends(self.space, ids, self.outputs[output]) for ids in answers)

    def contradicts(self) -> bool:
        """Whether a state becomes an output while another is called as it is."""
        return any(self._alike(state, other) for state, output in self.free.items() for other in self.outputs if other is not output)

    def forgotten(self) -> tuple[str, str] | None:
        """An output, and an input that is read as samples though both stand where a state does, and the name tells nothing.

        All inputs but the first are as large as the last outputs, in order, and there is an answer before these. It is as large as a state
        that goes round, as h and c of one cell are.
        """
        sizes = {tensor.name: ids.size for tensor, ids in (*self.samples.items(), *self.states.items())}
        behind = [tensor.name for tensor in self.inputs[1:] if tensor.name in sizes]
        flows = [(output, value.ids.ravel()) for output, value in self.closing.outputs.items() if isinstance(value, Flow)]
        ends = flows[-len(behind) :] if behind else []
        if len(sizes) != len(self.inputs) or len(ends) == len(flows) or [ids.size for _, ids in ends] != [sizes[name] for name in behind]:
            return None
        after, widths = dict(zip(behind, ends, strict=True)), {state.size for state in self.states.values()}
        for tensor, ids in self.samples.items():
            if tensor.name in after and ids.size in widths and _GIVEN.fullmatch(tensor.name) and not _SAMPLES.fullmatch(tensor.name):
                output, ended = after[tensor.name]
                if tensor.dtype == "float" and output not in self.pairs.values() and depends(self.space, ended, ids):
                    return output.name, tensor.name
        return None

    def _in_order(self, state: Tensor) -> bool:
        """Whether all inputs but the first are states as large as the last outputs, in order, and this one's name tells nothing."""
        ends = [ids.size for ids in self.outputs.values()]
        sizes = [self.states[one].size for one in self.free]
        whole = len(self.inputs) == 1 + len(self.free) and sizes == ends[-len(sizes) :] and len(ends) > len(sizes)
        return whole and bool(_GIVEN.fullmatch(state.name)) and not _SAMPLES.fullmatch(state.name)

    def _check_order(self, rest: list[Tensor], told: list[Tensor]) -> None:
        """Refuse states of one size whose names do not tell what they become, unless order and graph both do."""
        for size in {self.states[state].size for state in rest}:
            states = [state for state in rest if self.states[state].size == size]
            free = [output for output, ids in self.outputs.items() if ids.size == size and output not in told]
            if len(free) == 1 == len(states):
                continue
            if any(self.free[state] not in free for state in states):
                raise UnsupportedModelError(f"leads several states back to one output; {_WAY}.")
            same = [self.outputs[output].tobytes() for output in free]  # what is given twice is the same state
            far = [[_distance(self.space, self.outputs[output], self.states[state]) for output in free] for state in states]
            own = [free.index(self.free[state]) for state in states]
            orders = permutations(range(len(free)), len(states)) if len(free) <= _MOST else iter([own])
            others = (order for order in orders if len(free) > _MOST or [same[place] for place in order] != [same[place] for place in own])
            cost = sum(far[row][column] for row, column in enumerate(own))
            nearer = any(sum(far[row][column] for row, column in enumerate(order)) <= cost for order in others)
            last = range(len(free) - len(states), len(free))
            if nearer or [same[place] for place in own] != [same[place] for place in last]:
                named = ", ".join(printable(state.name, 40) for state in states)
                raise UnsupportedModelError(f"does not tell which outputs the states {named} become; {_WAY}.")

    def _check_samples(self) -> None:
        """Refuse samples that may be a state: an answer has their size and depends on them, and their name tells nothing."""
        answers = [ids for output, ids in self.outputs.items() if output not in self.free.values()]
        for tensor, ids in list(self.samples.items())[1:]:
            named = not _tells_a_state(tensor.name) and (_SAMPLES.fullmatch(tensor.name) or not _GIVEN.fullmatch(tensor.name))
            if tensor.dtype == "float" and not named and any(a.size == ids.size and depends(self.space, a, ids) for a in answers):
                raise UnsupportedModelError(f"does not tell whether the input {printable(tensor.name, 60)!r} is a state; {_WAY}.")


def may_hold_a_memory(reading: Reading) -> bool:
    """Whether samples behind the first, of which a call holds one step, are rows, as a decoder is given a memory."""
    if reading.steps() != 1 or reading.memories:
        return False
    shapes = [tensor.shape or () for tensor, _ in reading.samples[1:] if tensor.dtype == "float"]
    return any(len(shape) == 3 and shape[1] != 1 for shape in shapes)


def _stem(name: str) -> str:
    """What a name has in common with that of the same thing at another call."""
    parts = re.findall(r"[hc](?=(?:in|out|new|next|prev|old|x|y|n|t)\b)|[a-z]+|\d+", re.sub(r"[\W_]+", " ", name.lower()))
    return " ".join(part for part in parts if not _CALLS.fullmatch(part))


def _tells_a_state(name: str) -> bool:
    """Whether a name is one of states."""
    return any(map(_STATES.fullmatch, [*re.findall(r"[a-z]+", name.lower()), _stem(name)]))


def _goes_on(cells: Cells, ids: Ids, before: Ids, multiplied: bool, depth: int = 12) -> bool:
    """Whether sums and products lead from `ids` to `before`, number by number, through a product at least."""
    if ids.shape == before.shape and (ids == before).all():
        return multiplied
    view = cells.view(ids)
    if view is None or not depth:
        return False
    if isinstance(view.source, Scale):
        multiplied |= bool((view.source.scale[view.numbers] != 1).all())
        return _goes_on(cells, view.source.refs[view.numbers], before, multiplied, depth - 1)
    if not isinstance(view.source, Combine):
        return False
    multiplied |= view.source.operation == "mul"
    return any(_goes_on(cells, side[view.numbers], before, multiplied, depth - 1) for side in (view.source.left, view.source.right))


def _distance(space: Space, ids: Ids, before: Ids) -> float:
    """Through how many expressions numbers depend on others; infinite where they do not."""
    present, seen, steps = set(distinct(space.places(ids).wire).tolist()), set[int](), 1.0
    if np.isin(before, ids).any():
        return 0.0
    while present:
        operands = [ids for index in present for ids in space.wires[index].source.operands() if ids.size]
        if any(np.isin(before, operand).any() for operand in operands):
            return steps
        seen |= present
        present = {one for operand in operands for one in distinct(space.places(operand).wire).tolist()} - seen
        steps += 1
    return float("inf")
