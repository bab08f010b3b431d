"""A graph as the file has it, and with the recurrences that it spells out as nodes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .file import Graph
from .gathering import gathered
from .living import living
from .parts import Keys, outputs, slices
from .scaled_products import joined
from .unrolled import rolled


@dataclass(eq=False)
class Forms:
    """A graph as it is, and then, if it spells out recurrences step by step, with these as nodes; both without nodes of no use.

    Recurrences are looked for first: their last step makes states that nothing reads.
    """

    whole: Graph

    @cached_property
    def graph(self) -> Graph:
        return living(joined(self.whole))

    @cached_property
    def _rolled(self) -> Graph | None:
        found = rolled(self.whole)
        return None if found is None else living(found)

    @cached_property
    def _gathered(self) -> Graph | None:
        whole = gathered(self.graph)
        found = None if whole is None else rolled(whole)
        return None if found is None else living(found)

    def spelled_out(self, steps: int | None) -> bool:
        """Whether the graph takes so many parts of something one by one, as it does where it spells out each step."""
        parts = (*outputs(self.graph), *slices(self.graph, Keys(self.graph)))
        return any(len(names) == steps for names in parts)

    def __iter__(self) -> Iterator[Graph]:
        yield self.graph
        if self._rolled is not None:
            yield self._rolled
        if self._gathered is not None:
            yield self._gathered

    def alike(self, nodes: int) -> bool:
        """Whether the first nodes, so many, are the same in both."""
        others = () if self._rolled is None else self._rolled.nodes
        return len(others) >= nodes and all(one is other for one, other in zip(self.graph.nodes[:nodes], others, strict=False))
