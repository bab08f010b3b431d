"""Characters a second of a character LSTM that reads its own answers: here, in ONNX Runtime and in PyTorch, in one run.

An embedding 64 -> 32, an LSTM of 128 units and a head of 64 symbols, the likeliest character each time. ONNX Runtime and PyTorch run in a
loop in Python, a step and an argmax a character, as their users write it; PyTorch's is an `LSTMCell`. Chunks of all contenders take turns,
and the fastest chunk of each counts. All must write the same text but the one with int8 weights.

    python benchmarks/generation.py [--core N] [--rounds N] [--json FILE]
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import machine

SYMBOLS, FEATURES, UNITS = 64, 32, 128

#: Characters of a chunk: here, and in the others' loops. A chunk takes 2 ms or less, so that some pass without another program on the core.
HERE, THERE = 1000, 40

#: Writes so many characters behind the first one, from the initial state.
Writer = Callable[[int], list[int]]


def model_of(rng: Any) -> Any:
    """Weights as PyTorch begins, with a head that has favourites."""
    import edgelstm as el

    k = UNITS**-0.5
    cell = [rng.uniform(-k, k, shape) for shape in ((4 * UNITS, FEATURES), (4 * UNITS, UNITS), (4 * UNITS,))]
    head = el.Dense(rng.uniform(-1, 1, (SYMBOLS, UNITS)), rng.uniform(-k, k, SYMBOLS))
    return el.Model((el.Embedding(rng.normal(size=(SYMBOLS, FEATURES))), el.LSTM(*cell), head))


def edgelstm_writer(model: Any) -> Writer:
    import edgelstm as el

    stream = el.Stream(model)

    def write(count: int) -> list[int]:
        stream.reset()
        return list(el.generate(stream, 0, count))

    return write


def drawing_writer(model: Any) -> Writer:
    """The same, drawn with a temperature."""
    import edgelstm as el

    stream, sampler = el.Stream(model), el.Sampler(temperature=0.8, seed=1)

    def write(count: int) -> list[int]:
        stream.reset()
        return list(el.generate(stream, 0, count, sample=sampler))

    return write


def onnxruntime_writer(model: Any) -> Writer:
    import numpy as np
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    table, lstm, head = model.layers
    order = [0, 3, 1, 2]  # i f g o -> i o f g
    w, r, b = (a.reshape(4, UNITS, -1)[order].reshape(1, 4 * UNITS, -1) for a in (lstm.weight_ih, lstm.weight_hh, lstm.bias))
    held = {"table": table.weight, "w": w, "r": r, "b": np.concatenate([b[..., 0], np.zeros_like(b[..., 0])], axis=1)}
    held |= {"head": head.weight.T, "bias": head.bias, "axes": np.array([0, 1])}
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["row"]),
        helper.make_node("LSTM", ["row", "w", "r", "b", "", "h", "c"], ["y", "next_h", "next_c"], hidden_size=UNITS),
        helper.make_node("Squeeze", ["y", "axes"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head", "bias"], ["scores"]),
    ]
    state = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, UNITS]) for name in ("h", "c", "next_h", "next_c")]
    given = [helper.make_tensor_value_info("x", TensorProto.INT64, [1, 1]), *state[:2]]
    answers = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, SYMBOLS]), *state[2:]]
    stored = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in held.items()]
    graph = helper.make_model(
        helper.make_graph(nodes, "step", given, answers, stored), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(graph.SerializeToString(), options)

    def write(count: int) -> list[int]:
        h = c = np.zeros((1, 1, UNITS), np.float32)
        x, text = np.zeros((1, 1), np.int64), []
        for _ in range(count):
            scores, h, c = session.run(None, {"x": x, "h": h, "c": c})
            x[0, 0] = scores.argmax()
            text.append(int(x[0, 0]))
        return text

    return write


def torch_writer(model: Any) -> Writer:
    import torch

    torch.set_num_threads(1)
    table, lstm, head = model.layers
    embedding, cell, linear = torch.nn.Embedding(SYMBOLS, FEATURES), torch.nn.LSTMCell(FEATURES, UNITS), torch.nn.Linear(UNITS, SYMBOLS)
    held = {"weight_ih": lstm.weight_ih, "weight_hh": lstm.weight_hh, "bias_ih": lstm.bias, "bias_hh": 0 * lstm.bias}
    cell.load_state_dict({name: torch.tensor(array) for name, array in held.items()})
    embedding.load_state_dict({"weight": torch.tensor(table.weight)})
    linear.load_state_dict({"weight": torch.tensor(head.weight), "bias": torch.tensor(head.bias)})

    @torch.inference_mode()  # type: ignore[untyped-decorator, unused-ignore]
    def write(count: int) -> list[int]:
        state = torch.zeros(1, UNITS), torch.zeros(1, UNITS)
        x, text = torch.zeros(1, dtype=torch.long), []
        for _ in range(count):
            state = cell(embedding(x), state)
            x = linear(state[0]).argmax(dim=1)
            text.append(int(x))
        return text

    return write


def writers() -> dict[str, tuple[Writer, int]]:
    """All contenders that are installed, with the characters of a chunk."""
    import numpy as np

    import edgelstm as el

    rng = np.random.default_rng(1)
    model = model_of(rng)
    small = el.quantize(model, rng.integers(SYMBOLS, size=(8, 200, 1)).astype(np.float32), scheme="int8-dynamic")
    found = {
        "edgelstm": (edgelstm_writer(model), HERE),
        "edgelstm, drawn": (drawing_writer(model), HERE),
        "edgelstm int8-dynamic": (edgelstm_writer(small), HERE),
        "edgelstm int8-dynamic, drawn": (drawing_writer(small), HERE),
    }
    for name, make in (("ONNX Runtime", onnxruntime_writer), ("PyTorch LSTMCell", torch_writer)):
        try:
            found[name] = (make(model), THERE)
        except ImportError:
            print(f"{name} is not installed.")
    texts = {name: write(100) for name, (write, _) in found.items() if "int8" not in name and "drawn" not in name}
    if len(set(map(tuple, texts.values()))) != 1:
        raise SystemExit(f"the contenders write different texts: {', '.join(texts)}.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    machine.take_core(asked.core)
    found = writers()
    best = dict.fromkeys(found, float("inf"))
    for _ in range(asked.rounds):
        for name, (write, count) in found.items():
            began = perf_counter()
            write(count)
            best[name] = min(best[name], (perf_counter() - began) / count)
    for name, seconds in best.items():
        print(f"{name:30}{1 / seconds:12,.0f} characters a second{1e6 * seconds:10.2f} us a character")
    if asked.json:
        asked.json.write_text(json.dumps({name: 1 / seconds for name, seconds in best.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
