"""Why a graph is refused, as its reading tells."""

from ...errors import EdgeLSTMError, UnsupportedModelError, printable
from ...layers.fake_quantize import DynamicFakeQuantize
from .deciding import Found
from .file import Graph
from .settling import open_frame
from .signature import Reading


def without_calls(taken: Found) -> None:
    """Refuse what computes over the steps of a call, of which a stream knows nothing, while states go on."""
    steps = taken.reading.steps()
    if steps in (None, 1) or not any(becomes for _, becomes in taken.reading.states):
        return
    layer = next((layer for layer in taken.model.layers if getattr(layer, "whole", False)), None)
    if layer is None:
        return
    does, way = f"computes over all {steps} steps of a call at once ({layer.label})", "with an answer for each step"
    if isinstance(layer, DynamicFakeQuantize):
        does, way = f"rounds activations over the range of the {steps} steps of a call", "quantise it with fixed scales"
    raise UnsupportedModelError(
        f"{does}, and carries states on to the next: a stream has no calls. Export it with one step a call, or {way}."
    )


def alone(problem: EdgeLSTMError) -> EdgeLSTMError:
    """An error without the frames that it went through, which hold all that was followed."""
    problem.__context__ = None
    return problem.with_traceback(None)


def failure(graph: Graph, met: int, problem: EdgeLSTMError) -> EdgeLSTMError:
    """Why no reading of a graph's inputs leads to a model: where its frames have no length, that. met: how many nodes were followed."""
    name = open_frame(graph)
    if name is None or not met:
        return problem
    why = str(problem).rstrip(".")
    return UnsupportedModelError(
        f"leaves open how long its input {printable(name, 60)!r} is, and takes no recording of single numbers there ({why}). "
        f'If that is a frame of fixed length, say its shape: sizes="{printable(name, 60)}=1xN" with the number for N.'
    )


def with_length(reading: Reading) -> str:
    """The shape of the samples' input as `sizes` says it, with N for its steps."""
    tensor, axes = reading.along
    shape = ("N" if axis == axes.time else str(n) if isinstance(n, int) else "1" for axis, n in enumerate(tensor.shape or ()))
    return f"{printable(tensor.name, 60)}={'x'.join(shape)}"
