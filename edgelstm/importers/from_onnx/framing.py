"""How long the frame is that a call takes, where the file leaves it open: the longest that its graph takes whole.

Networks with a front end that ends in one row a call take frames of few lengths. The longest of these at which the front end's first
windows leave nothing over is what they were trained for. Those that take one of its rows take frames of any length; these were trained for
the longest at which there are no others.
"""

from collections.abc import Callable
from dataclasses import replace

from ...errors import EdgeLSTMError
from ...layers.feedforward import Dense
from ...layers.map_conv import MapConv
from ...layers.record import Layer
from ...layers.recurrent import Recurrent
from ...model import Model
from .file import Graph
from .settling import open_frame

#: Lengths that are tried, in order, until one is too long; and up to how many times the first that is taken.
_LENGTHS, _MOST_TIMES = tuple(1 << power for power in range(2, 13)), 8


def framed(graph: Graph, read: Callable[[Graph], Model]) -> tuple[Graph, str] | None:
    """The graph with a frame of fixed length, and a note that says so; None where it takes no frames, or of any length.

    read: the model of a graph, or an error of edgelstm's.
    """
    name = open_frame(graph)
    if name is None or len(graph.inputs) < 2 or _is_shared(graph, name):
        return None
    models: dict[int, Model | None] = {}

    def tried(length: int) -> Model | None:
        if length not in models:
            models[length] = _tried(graph, name, length, read)
        return models[length]

    length = _longest(tried) or _longest(lambda length: _using_all(tried(length)))
    if length is None:
        return None
    note = (
        f"The file leaves open how long its input {name!r} is: a call takes frames of {length}, the longest that its first windows fill "
        f'and that edgelstm imports; sizes="{name}=1xN" says another length.'
    )
    return _of_length(graph, name, length), note


def _longest(tried: Callable[[int], Model | None]) -> int | None:
    """The longest frame of which a model can be made, where frames that are much longer cannot be taken. tried: the model of a length."""
    taken: dict[int, Model] = {}
    for length in _LENGTHS:
        if (model := tried(length)) is not None:
            taken[length] = model
        elif taken:
            break
        if taken and length >= _MOST_TIMES * min(taken):
            return None
    if not taken or (window := _first_window(taken[max(taken)])) is None:
        return None
    stride, over = window
    length = max(taken) - over
    while tried(length + stride) is not None:
        length += stride
    return None if tried(length) is None else length


def _using_all(model: Model | None) -> Model | None:
    """A model, unless some layer has no weight for the first or last number that it reads: it takes one row of several."""
    return None if model is None or any(map(_leaves_out, model.layers)) else model


def _leaves_out(layer: Layer) -> bool:
    weight = layer.weight if isinstance(layer, Dense) else layer.weight_ih if isinstance(layer, Recurrent) else None
    return weight is not None and weight.shape[1] > 1 and not weight[:, [0, -1]].any(axis=0).all()


def _is_shared(graph: Graph, name: str) -> bool:
    """Whether another input is as long, so that this is no frame."""
    length = next((t.shape or ("",))[-1] for t in graph.inputs if t.name == name)
    return bool(length) and any(length in (t.shape or ()) for t in graph.inputs if t.name != name)


def _of_length(graph: Graph, name: str, length: int) -> Graph:
    """The graph with `length` for the last axis of an input, and 1 for those before it."""
    inputs = tuple(replace(t, shape=(*(1 for _ in (t.shape or ())[1:]), length)) if t.name == name else t for t in graph.inputs)
    return replace(graph, inputs=inputs)


def _tried(graph: Graph, name: str, length: int, read: Callable[[Graph], Model]) -> Model | None:
    try:
        return read(_of_length(graph, name, length))
    except EdgeLSTMError:
        return None


def _first_window(model: Model) -> tuple[int, int] | None:
    """By how much the first window of a front end moves on, and how many numbers of a frame it leaves over."""
    for layer in model.layers:
        if isinstance(layer, MapConv) and len(layer.shape) == 2 and layer.strides[0] > 1:
            rows, span = layer.shape[0] + sum(layer.padding[0]), layer.dilation[0] * (layer.kernel.shape[0] - 1) + 1
            return layer.strides[0], (rows - span) % layer.strides[0]
    return None
