"""Other engines that take a step of many streams in one call, or many recordings: see `bank`."""

from collections.abc import Callable
from typing import Any

import numpy as np

#: Takes samples (streams, inputs) of the next step, and gives the answers (streams, 1).
Step = Callable[[Any], Any]


def litert(case: Any, streams: int) -> dict[str, Step]:
    """The cell in elementary operators, its batch resized."""
    from ai_edge_litert.interpreter import Interpreter
    from peers.litert_flatbuffer import Graph
    from peers.litert_peer import cell_file

    interpreter = Interpreter(model_content=cell_file(case, Graph()), num_threads=1)
    given = [(d["index"], d["shape"]) for d in interpreter.get_input_details()]
    for number, shape in given:
        interpreter.resize_tensor_input(number, [streams, *shape[1:]])
    interpreter.allocate_tensors()
    (x_number, _), *old = given
    y_number, *new = (d["index"] for d in interpreter.get_output_details())
    put, invoke, get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
    for number, shape in old:
        put(number, np.zeros((streams, *shape[1:]), np.float32))
    pairs = list(zip([number for number, _ in old], new, strict=True))

    def step(xs: Any) -> Any:
        put(x_number, xs)
        invoke()
        for source, target in pairs:
            put(source, get(target))
        return get(y_number)

    return {"LiteRT cell XNNPACK": step}


def torch_cell(case: Any, streams: int) -> dict[str, Step]:
    import torch

    torch.set_num_threads(1)
    network, head = torch_network(case)
    (layer,) = case.layers
    cell = torch.nn.LSTMCell(layer.input_size, layer.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in network.state_dict().items()})
    state = [torch.zeros(streams, layer.hidden_size) for _ in range(2)]

    def step(xs: Any) -> Any:
        with torch.inference_mode():
            state[:] = cell(torch.from_numpy(xs), tuple(state))
            return head(state[0]).numpy()

    return {"PyTorch LSTMCell": step}


def torch_network(case: Any) -> tuple[Any, Any]:
    """nn.LSTM and its head."""
    import torch

    (layer,) = case.layers
    network, head = torch.nn.LSTM(layer.input_size, layer.hidden_size), torch.nn.Linear(layer.hidden_size, 1)
    held = {"weight_ih": layer.weight_ih, "weight_hh": layer.weight_hh, "bias_ih": layer.bias, "bias_hh": 0 * layer.bias}
    network.load_state_dict({f"{name}_l0": torch.tensor(array) for name, array in held.items()})
    head.load_state_dict({"weight": torch.tensor(case.dense.weight), "bias": torch.tensor(case.dense.bias)})
    return network, head


def onnx(case: Any, streams: int) -> dict[str, Step]:
    """LSTM operators over a batch, every tensor bound once."""
    from peers.onnxruntime_peer import graph

    return {"ONNX Runtime io_binding": _bound(graph(case, streams))}


def onnx_int8(case: Any, streams: int) -> dict[str, Step]:
    """The same with DynamicQuantizeLSTM."""
    from peers.onnxruntime_int8 import quantised_graph

    return {"ONNX Runtime int8 io_binding": _bound(quantised_graph(case, streams))}


def _bound(file: bytes) -> Step:
    from peers.onnxruntime_peer import bound

    x, y, advance = bound(file)

    def step(xs: Any) -> Any:
        x[0] = xs
        advance()
        return y.copy()

    return step


#: What gives contenders of a case and so many streams: those that must give the reference's answers, and those in int8.
EXACT, INT8 = (litert, torch_cell, onnx), (onnx_int8,)
