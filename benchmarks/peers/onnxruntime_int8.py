"""ONNX Runtime with its dynamic int8: DynamicQuantizeLSTM in place of LSTM, the rest of the graph as in `onnxruntime_peer`.

Its quantiser's fastest and most accurate settings here: one scale a matrix, and the Dense layer, a single row, left in float32.
"""

import logging
import tempfile
from pathlib import Path

import onnx
from grid import INT8_TOLERANCE, Case
from onnxruntime.quantization import QuantType, quantize_dynamic

from peers import Contender
from peers.onnxruntime_peer import VERSION, graph, io_binding, run

__all__ = ["VERSION"]


def quantised_graph(case: Case, batch: int = 1) -> bytes:
    """The ONNX file. batch: streams that take a step together."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # the quantiser recommends, to the root logger, a preprocessing that changes nothing here
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "int8.onnx")
            quantize_dynamic(onnx.load_from_string(graph(case, batch)), path, op_types_to_quantize=["LSTM"], weight_type=QuantType.QInt8)
            return path.read_bytes()
    finally:
        root.setLevel(level)


def contenders(case: Case) -> list[Contender]:
    file = quantised_graph(case)
    return [
        run("ONNX Runtime int8 run", file, case, INT8_TOLERANCE),
        io_binding("ONNX Runtime int8 io_binding", file, case, INT8_TOLERANCE),
    ]
