"""Recurrences that a graph spells out step by step: the same nodes again and again, each time for the next step of a recording; and what
it computes of each step alone in that way.

Steps are found by what nodes depend on: in a recurrence over x_0, x_1, … the nodes of step k depend on x_0 to x_k, or, where it runs
from the end, on x_(T-1-k) to x_(T-1). The nodes of the second step are the pattern; those of all others must be like them, node by node,
and read what they read: their own step's sample, nodes of their step or of the one before, and the same constants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from .file import Graph, Node, Tensor
from .first_steps import ZEROS, constants, first_step
from .merging import merged
from .ordering import ordered
from .parts import SHAPES, UNROLLED, Keys, outputs, slices

#: Most recurrences that are looked for in one graph.
_MOST = 16

#: About how many nodes are visited in looking for one recurrence.
_MOST_VISITED = 1 << 17

#: What a node depends on: the first and the last step; None for nothing.
_Span: TypeAlias = "tuple[int, int] | None"

#: A node of the pattern by its number, and one of its outputs.
_Place: TypeAlias = tuple[int, int]


def rolled(graph: Graph) -> Graph | None:
    """The graph with recurrences as single nodes; None where there are none."""
    keys = Keys(graph)
    found, graph = None, merged(graph, keys.of, keys.constant)
    for _ in range(_MOST):
        after = _once(found or graph)
        if after is None:
            return found
        found = after
    return found


def _once(graph: Graph) -> Graph | None:
    """The graph with its first recurrence as one node; where there is none, with what is first computed of each slice alone."""
    keys = Keys(graph)
    most = max(4, _MOST_VISITED // max(1, len(graph.nodes)))
    for steps in islice((*outputs(graph), *slices(graph, keys)), most):
        for names in (steps, steps[::-1]):
            pattern = Pattern(graph, keys, names)
            if pattern.fits():
                return pattern.rewritten()
    patterns = (Pattern(graph, keys, steps) for steps in islice(slices(graph, keys), most))
    return next((pattern.rewritten() for pattern in patterns if pattern.fits_each()), None)


@dataclass(eq=False)
class Pattern:
    """A recurrence over `steps`, the names of a recording's steps in the order in which it runs.

    nodes: those of the second step; same: by step, the node that is like each of them; before: by node and input of the pattern that reads
    the step before, what it reads there; initial: what that is before the first step.
    """

    graph: Graph
    keys: Keys
    steps: tuple[str, ...]
    nodes: list[Node] = field(default_factory=list)
    same: list[list[Node | None]] = field(default_factory=list)
    before: dict[tuple[int, int], _Place] = field(default_factory=dict)
    initial: dict[_Place, str] = field(default_factory=dict)

    def fits(self) -> bool:
        """Whether there is such a recurrence; it is then known."""
        self._spans = _spans(self.graph, self.steps)
        last = len(self.steps) - 1
        bodies = self._bodies(last + 1)
        if not self._matched(bodies, _feeding(bodies[1], [node for node in bodies[1] if self._span(node) == (0, 1)])):
            return False
        early = [index for index, node in enumerate(self.same[last]) if node is None]
        if early:
            bodies = self._moved(bodies, early)
            if not self._matched(bodies, bodies[1]) or None in self.same[last]:
                return False
        return bool(self.before) and self._begins()

    def fits_each(self) -> bool:
        """Whether the same is computed of each step alone; it is then known."""
        self._spans = _spans(self.graph, self.steps)
        bodies = self._bodies(len(self.steps))
        alone = [[node for node in body if self._span(node) == (step, step)] for step, body in enumerate(bodies)]
        return self._matched(alone, alone[1]) and not self.before and None not in self.same[-1] and self._begins()

    def _matched(self, bodies: list[list[Node]], nodes: list[Node]) -> bool:
        """Whether all steps but the last are like `nodes`, those of the second; `same` and `before` are then known."""
        self.nodes, self.before = nodes, {}
        self._places = {name: (i, out) for i, node in enumerate(nodes) for out, name in enumerate(node.outputs)}
        found: dict[int, list[Node | None]] = {1: list(nodes)}
        last = len(bodies) - 1
        for step in (*range(2, last + 1), 0):
            found[step] = self._like(bodies[step], step, found.get(step - 1, []))
            if step == 0 and None in found[0] and self.before:
                found[0] = list(first_step(self, bodies[0]) or found[0])
            if not nodes or (None in found[step] and (step != last or not any(found[step]))):
                return False
        self.same = [found[step] for step in range(last + 1)]
        return True

    def _moved(self, bodies: list[list[Node]], early: list[int]) -> list[list[Node]]:
        """The nodes of each step, with those that the last step lacks, which read a state alone, in the step that they lead to."""
        moving = [[node for index in early if (node := step[index]) is not None] for step in self.same]
        gone = {id(node) for nodes in moving for node in nodes}
        first = [node for node in self.graph.nodes if node.outputs and self._span(node) is None]
        own = [_feeding(bodies[1], self.nodes), *bodies[2:]]
        stay = [[node for node in body if id(node) not in gone] for body in (bodies[0], *own)]
        return [[*first, *stay[0]], *([*moving[step - 1], *stay[step]] for step in range(1, len(bodies)))]

    def _span(self, node: Node) -> _Span:
        return self._spans[node.outputs[0]]

    def _bodies(self, count: int) -> list[list[Node]]:
        """By step, the nodes that depend on it alone, or on all up to it."""
        found: list[list[Node]] = [[] for _ in range(count)]
        for node in self.graph.nodes:
            span = self._span(node) if node.outputs else None
            if span is not None and span[0] in (0, span[1]) and node.outputs[0] not in self.steps:
                found[span[1]].append(node)
        return found

    def _like(self, body: Sequence[Node], step: int, earlier: Sequence[Node | None]) -> list[Node | None]:
        """The node of a step that is like each of the pattern; None where there is none."""
        free: dict[Any, list[Node]] = {}
        for node in body:
            free.setdefault(self.kind(node), []).append(node)
        here: dict[str, _Place] = {}
        past = {name: (i, out) for i, node in enumerate(earlier) if node is not None for out, name in enumerate(node.outputs)}
        found: list[Node | None] = []
        for index, node in enumerate(self.nodes):
            candidates = free.get(self.kind(node), [])
            match = next((one for one in candidates if self._reads_alike(index, one, step, here, past)), None)
            found.append(match)
            if match is not None:
                candidates.remove(match)
                here |= {name: (index, out) for out, name in enumerate(match.outputs)}
        return found

    def kind(self, node: Node) -> tuple[Any, ...]:
        """What nodes have in common that compute the same of what they read."""
        return node.domain, node.op, len(node.inputs), self.keys.attributes(node)

    def _reads_alike(self, index: int, node: Node, step: int, here: Mapping[str, _Place], past: Mapping[str, _Place]) -> bool:
        """Whether a node reads, in its step, what that of the pattern reads in the second one. What is learned of steps before is kept."""
        learned: dict[tuple[int, int], _Place] = {}
        for slot, (own, name) in enumerate(zip(self.nodes[index].inputs, node.inputs, strict=True)):
            if own == self.steps[1]:
                alike = name == self.steps[step]
            elif own in self._places:
                alike = here.get(name) == self._places[own]
            elif self._spans.get(own) is None:
                alike = self._spans.get(name) is None and self.keys.of(name) == self.keys.of(own)
            elif step == 0:
                alike = self._spans.get(name) is None
            else:
                place = past.get(name)
                alike = place is not None and self.before.get((index, slot), place) == place
                if place is not None:
                    learned[index, slot] = place
            if not alike:
                return False
        self.before |= learned
        return True

    def _begins(self) -> bool:
        """Whether what is read before the first step is one thing each, and the second step reads the first; it is then known."""
        self._steps = [[node for node in step if node is not None] for step in self.same]
        first = self._steps[0]
        for (index, slot), (of, out) in self.before.items():
            begin = first[index].inputs[slot]
            known = self.initial.setdefault((of, out), begin)
            if not self._equal(known, begin) or self.nodes[index].inputs[slot] != first[of].outputs[out]:
                return False
        return True

    def _equal(self, one: str, other: str) -> bool:
        """Whether two names are of the same numbers: computed alike, or both of zeros."""
        arrays = [self.graph.constants.get(name) for name in (one, other)]
        zeros = [
            name.startswith(ZEROS) or (array is not None and not array.any()) for name, array in zip((one, other), arrays, strict=True)
        ]
        return self.keys.of(one) == self.keys.of(other) or all(zeros)

    def rewritten(self) -> Graph:
        """The graph with the recurrence as one node, which gives for each output of the pattern that is read outside those of all steps."""
        steps = self._steps
        gone = {id(node) for step in steps for node in step}
        rest = [node for node in self.graph.nodes if id(node) not in gone]
        read = {name for node in rest for name in node.inputs} | {tensor.name for tensor in self.graph.outputs}
        every = [(i, out) for i, node in enumerate(self.nodes) for out in range(len(node.outputs))]
        places = [(i, out) for i, out in every if any(step[i].outputs[out] in read for step in steps)]
        carried = list(self.initial)
        states = [steps[0][of].outputs[out] for of, out in carried]
        ends = [self.nodes[of].outputs[out] for of, out in (*carried, *places)]
        inputs, answers = (tuple(Tensor(name, None, "") for name in side) for side in ((self.steps[1], *states), ends))
        body = Graph(inputs, answers, tuple(self.nodes), {})
        given = (*self.steps, *(self.initial[place] for place in carried))
        made = tuple(step[i].outputs[out] for i, out in places for step in steps)
        domain, op = UNROLLED
        node = Node(op, domain, self.nodes[-1].name, given, made, {"body": body, "steps": len(self.steps)})
        held = {**self.graph.constants, **constants(steps[0])}
        return Graph(self.graph.inputs, self.graph.outputs, ordered([*rest, node]), held)


def _spans(graph: Graph, steps: Sequence[str]) -> dict[str, _Span]:
    """By tensor, the steps that it depends on."""
    found: dict[str, _Span] = {}
    times = {name: step for step, name in enumerate(steps)}
    for node in graph.nodes:
        reads = [span for name in node.inputs if (span := found.get(name)) is not None] if node.op not in SHAPES else []
        span = (min(a for a, _ in reads), max(b for _, b in reads)) if reads else None
        for name in node.outputs:
            found[name] = (times[name], times[name]) if name in times else span
    return found


def _feeding(body: Sequence[Node], ends: Sequence[Node]) -> list[Node]:
    """The nodes of a body that others of `ends` need, and these."""
    wanted = {name for node in ends for name in node.outputs}
    kept = []
    for node in reversed(body):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted |= set(node.inputs)
    return kept[::-1]
