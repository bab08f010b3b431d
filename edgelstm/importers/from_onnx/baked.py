"""Lengths of recordings that a graph says within, where its inputs leave them open: exporters write some sizes down as numbers.

Such a file runs for this one length, whatever its inputs say.
"""

from collections.abc import Sequence
from dataclasses import replace

from ...errors import printable
from .attempts import Attempt
from .file import Graph


def of_one_length(graph: Graph, failed: Sequence[Attempt]) -> tuple[Graph, str] | None:
    """The graph with the length that the likeliest reading of its inputs wants, and a note; None where none wants one.

    Parameters
    ----------
    graph : Graph
    failed : sequence of Attempt
        Readings that led to no model, the likeliest first.
    """
    first = next(iter(failed), None)
    if first is None or first.wanted < 2:
        return None
    axes = {tensor.name: axes.time for tensor, axes in first.reading.samples}
    inputs = []
    for tensor in graph.inputs:
        time, shape = axes.get(tensor.name), tensor.shape or ()
        fixed = time is not None and time < len(shape) and isinstance(shape[time], str)
        inputs.append(replace(tensor, shape=(*shape[:time], first.wanted, *shape[(time or 0) + 1 :])) if fixed else tensor)
    if tuple(inputs) == graph.inputs:
        return None
    name = printable(first.reading.along[0].name, 60)
    note = f"The input {name!r} leaves its length open, and the graph runs for {first.wanted} steps alone, which it says within."
    return replace(graph, inputs=tuple(inputs)), note
