"""Many streams of one model, a step of each in one call; recordings side by side; and windows: here, in LiteRT and in PyTorch, in one run.

All contenders take a step of every stream with the states carried, on one core and one thread, and give the float64 reference's answers.
Chunks of all take turns, and the fastest chunk of each counts.

    python benchmarks/bank.py [--core N] [--rounds N] [--rows I,H,L ...] [--json FILE]
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import machine

#: Streams of a call; recordings, and their steps; samples of a window, and from one to the next.
STREAMS, RECORDINGS, STEPS, LENGTH, HOP = 256, 1024, 250, 100, 10
ROWS = ("1,8,1", "6,32,1", "40,128,1")

#: Steps over which answers are compared with the reference, and the largest difference allowed.
CHECKED, TOLERANCE = 8, 1e-6

#: Takes samples (STREAMS, inputs) of the next step, and gives the answers (STREAMS,).
Step = Callable[[Any], Any]


def banks(case: Any) -> dict[str, Step]:
    """What steps `STREAMS` streams here."""
    import numpy as np

    import edgelstm as el

    keys = tuple(f"stream-{k}" for k in range(STREAMS))
    bank = el.StreamBank(case.model, STREAMS)
    streams = [el.Stream(case.model).step for _ in keys]

    def loop(xs: Any) -> Any:
        return np.array([step(x)[0] for step, x in zip(streams, xs, strict=True)])

    return {"step_many": lambda xs: bank.step_many(keys, xs)[:, 0], "a loop over Stream.step(x)": loop}


def litert(case: Any) -> dict[str, Step]:
    """The cell in elementary operators, its batch resized."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from peers.litert_flatbuffer import Graph
    from peers.litert_peer import cell_file

    interpreter = Interpreter(model_content=cell_file(case, Graph()), num_threads=1)
    given = [(d["index"], d["shape"]) for d in interpreter.get_input_details()]
    for number, shape in given:
        interpreter.resize_tensor_input(number, [STREAMS, *shape[1:]])
    interpreter.allocate_tensors()
    (x_number, _), *old = given
    y_number, *new = (d["index"] for d in interpreter.get_output_details())
    put, invoke, get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
    for number, shape in old:
        put(number, np.zeros((STREAMS, *shape[1:]), np.float32))
    pairs = list(zip([number for number, _ in old], new, strict=True))

    def step(xs: Any) -> Any:
        put(x_number, xs)
        invoke()
        for source, target in pairs:
            put(source, get(target))
        return get(y_number)[:, 0]

    return {"LiteRT cell XNNPACK": step}


def torch_cell(case: Any) -> dict[str, Step]:
    import torch

    torch.set_num_threads(1)
    network, head = torch_network(case)
    (layer,) = case.layers
    cell = torch.nn.LSTMCell(layer.input_size, layer.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in network.state_dict().items()})
    state = [torch.zeros(STREAMS, layer.hidden_size) for _ in range(2)]

    def step(xs: Any) -> Any:
        with torch.inference_mode():
            state[:] = cell(torch.from_numpy(xs), tuple(state))
            return head(state[0])[:, 0].numpy()

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


def recordings(case: Any, xs: Any) -> dict[str, Callable[[], Any]]:
    """What answers all recordings xs (RECORDINGS, STEPS, inputs), from the initial state: (RECORDINGS, STEPS)."""
    import numpy as np

    import edgelstm as el

    keys = tuple(range(RECORDINGS))
    bank, stream = el.StreamBank(case.model, RECORDINGS), el.Stream(case.model)

    def many() -> Any:
        for key in bank:
            bank.reset(key)
        return bank.process_many(keys, xs)[..., 0]

    def loop() -> Any:
        answers = np.empty(xs.shape[:2], np.float32)
        for k, recording in enumerate(xs):
            stream.reset()
            answers[k] = stream.process(recording)[:, 0]
        return answers

    found = {"process_many": many, "a loop over reset() and process()": loop}
    try:
        import torch

        torch.set_num_threads(1)
        network, head = torch_network(case)
        given = torch.from_numpy(xs.transpose(1, 0, 2).copy())

        def batched() -> Any:
            with torch.inference_mode():
                return head(network(given)[0])[..., 0].T.numpy()

        found["PyTorch nn.LSTM"] = batched
    except ImportError:
        print("PyTorch is not installed.")
    return found


def windows(case: Any, xs: Any) -> dict[str, Callable[[], Any]]:
    """What a step of windows costs beside a step of a stream; xs (time, inputs)."""
    import edgelstm as el

    windowed, again = (el.Windowed(case.model, length=LENGTH, hop=HOP) for _ in range(2))
    stream = el.Stream(case.model)

    def each(step: Callable[[Any], Any]) -> Callable[[], Any]:
        return lambda: [step(x) for x in xs] and None

    return {
        "Windowed.step(x)": each(windowed.step),
        "Windowed.process": lambda: again.process(xs),
        "Stream.step(x)": each(stream.step),
        "Stream.process": lambda: stream.process(xs),
    }


def fastest(found: dict[str, Callable[[], Any]], rounds: int, share: int) -> dict[str, float]:
    """ns of each contender's fastest chunk, by so many shares."""
    best = dict.fromkeys(found, float("inf"))
    for _ in range(rounds):
        for name, chunk in found.items():
            chunk()
            began = perf_counter()
            chunk()
            best[name] = min(best[name], (perf_counter() - began) * 1e9 / share)
    return best


def check(name: str, answers: Any, expected: Any) -> None:
    import numpy as np

    if not (error := np.abs(answers - expected).max()) <= TOLERANCE:
        raise SystemExit(f"{name} is off by {error:.1e} from the reference; allowed is {TOLERANCE:.0e}.")


def measured(text: str, rounds: int) -> dict[str, dict[str, float]]:
    """ns a stream-step of every contender of a row, by what is measured."""
    import numpy as np
    from grid import Row, make_case

    from edgelstm import reference

    case = make_case(Row.parse(text))
    rng = np.random.default_rng(0)
    xs = rng.uniform(-1, 1, (20, STREAMS, case.row.input_size)).astype(np.float32)
    expected = np.stack([reference.run(case.model, xs[:CHECKED, k])[:, 0] for k in range(STREAMS)], axis=1)
    steps = banks(case)
    for peer in (litert, torch_cell):
        try:
            steps |= peer(case)
        except ImportError as problem:
            print(f"{problem.name} is not installed.")
    for name, step in steps.items():
        check(name, [step(x) for x in xs[:CHECKED]], expected)
    chunks = {name: (lambda step=step: [step(x) for x in xs] and None) for name, step in steps.items()}
    offline_xs = rng.uniform(-1, 1, (RECORDINGS, STEPS, case.row.input_size)).astype(np.float32)
    offline = recordings(case, offline_xs)
    for name, answer in offline.items():
        check(name, answer()[:4], [reference.run(case.model, part)[:, 0] for part in offline_xs[:4]])
    return {
        f"{STREAMS} streams": fastest(chunks, rounds, 20 * STREAMS),
        f"{RECORDINGS} recordings of {STEPS} steps": fastest(offline, max(2, rounds // 10), RECORDINGS * STEPS),
        f"windows of {LENGTH} every {HOP}": fastest(windows(case, case.inputs), rounds, len(case.inputs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--rows", nargs="+", default=ROWS)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    machine.take_core(asked.core)
    results = {}
    for text in asked.rows:
        results[text] = measured(text, asked.rounds)
        for what, times in results[text].items():
            print(f"\n({text.removesuffix(',1')}), {what}: ns a step, and times the first")
            first = next(iter(times.values()))
            for name, time in times.items():
                print(f"  {name:36}{time:12.1f}{time / first:8.2f}")
    if asked.json:
        asked.json.write_text(json.dumps({**machine.describe(), "rows": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
