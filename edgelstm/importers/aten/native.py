"""What ATen has and ONNX lacks, as nodes of a domain of its own: packed sequences, LSTMs with a projection, sorted lengths.

A packed sequence (``torch/nn/utils/rnn.py``) is kept as it was before it was packed, (steps, sequences, numbers), which holds as long as
no sequence is shorter than another; its ``batch_sizes`` say then how many sequences each step has.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ..from_onnx.calls import Call
from ..from_onnx.folding import bounded
from ..from_onnx.recurrent import recurrent_with
from ..graph.tracing import Flow, Value

#: The domain of these nodes.
DOMAIN = "aten"


def _turned(value: Value, batch_first: bool) -> Value:
    """A sequence with its first two axes exchanged, if the batch is the first."""
    if not batch_first:
        return value
    return Flow(np.swapaxes(value.ids, 0, 1), value.integer) if isinstance(value, Flow) else np.swapaxes(value, 0, 1)


def _packed(call: Call) -> Sequence[Value]:
    """``_pack_padded_sequence``: of a sequence and its lengths the packed one and its batch_sizes."""
    data, lengths = _turned(call.value(0), call.attribute("batch_first")), call.constant(1)
    steps, sequences = data.shape[:2]
    if lengths.shape != (sequences,) or (lengths != steps).any():
        call.refuse("packs sequences that are shorter than its input, which is not imported; cut the recording instead")
    return [data, np.full(bounded(call, [steps]), sequences, np.int64)]


def _padded(call: Call) -> Sequence[Value]:
    """``_pad_packed_sequence``: the sequence, and how long each is."""
    data, total = call.value(0), int(call.constant(1).item())
    steps, sequences = data.shape[:2]
    if total > 0 and total != steps:
        call.refuse(f"pads {steps} steps to {total}, which is not imported")
    return [_turned(data, call.attribute("batch_first")), np.full(bounded(call, [sequences]), steps, np.int64)]


def _sorted(call: Call) -> Sequence[Value]:
    """Sorted constants, such as lengths, and where each stood."""
    if isinstance(call.value(0), Flow):
        call.refuse("is no operator that edgelstm imports for numbers of a recording")
    data, axis = call.constant(0), call.attribute("axis")
    turned = -data.astype(np.float64) if call.attribute("descending") else data
    order = np.argsort(turned, axis=axis, kind="stable")
    return [np.take_along_axis(data, order, axis), order]


def _projected(call: Call) -> Sequence[Value]:
    """An LSTM with a projection, (directions, size, hidden), as its ninth input."""
    return recurrent_with(call, {}, call.constant(8))


#: By domain and operator.
NATIVE: dict[tuple[str, str], Callable[[Call], Sequence[Value]]] = {
    (DOMAIN, "Packed"): _packed,
    (DOMAIN, "Padded"): _padded,
    (DOMAIN, "Sorted"): _sorted,
    (DOMAIN, "LSTM"): _projected,
}
