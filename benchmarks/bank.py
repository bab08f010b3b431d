"""Many streams of one model, a step of each in one call; recordings side by side; and windows: here and in other engines, in one run.

All contenders take a step of every stream with the states carried, on one core and one thread, and give the float64 reference's answers.
Chunks of all take turns, and the fastest chunk of each counts.

    python benchmarks/bank.py [--core N] [--rounds N] [--rows I,H,L ...] [--json FILE]
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import machine

#: Streams of a call; recordings, and their steps; samples of a window, and from one to the next.
STREAMS, RECORDINGS, STEPS, LENGTH, HOP = 256, 1024, 250, 100, 10
ROWS = ("1,8,1", "6,32,1", "40,128,1")

#: Steps over which answers are compared with the reference, and the largest difference allowed.
CHECKED, TOLERANCE, INT8_TOLERANCE = 8, 1e-6, 0.2

#: Streams whose memory is looked at.
MANY = 100_000

#: A row has int8 from so many hidden units on.
INT8_FROM = 32


def banks(model: Any, form: str = "") -> dict[str, Callable[[Any], Any]]:
    """What steps `STREAMS` streams here. form: of numbers, beside float32."""
    import numpy as np

    import edgelstm as el

    keys = tuple(f"stream-{k}" for k in range(STREAMS))
    bank = el.StreamBank(model, STREAMS)
    streams = [el.Stream(model).step for _ in keys]

    def loop(xs: Any) -> Any:
        return np.array([step(x)[0] for step, x in zip(streams, xs, strict=True)])[:, None]

    return {f"step_many{form}": lambda xs: bank.step_many(keys, xs), f"a loop over Stream.step(x){form}": loop}


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
        from bank_peers import torch_network

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
    """ns of each contender's fastest chunk, by so many shares. Time of this process's own, whatever others take of the core meanwhile."""
    best = dict.fromkeys(found, float("inf"))
    for _ in range(rounds):
        for name, chunk in found.items():
            chunk()
            began = process_time()
            chunk()
            best[name] = min(best[name], (process_time() - began) * 1e9 / share)
    return best


def check(name: str, answers: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    import numpy as np

    if not (error := np.abs(answers - expected).max()) <= tolerance:
        raise SystemExit(f"{name} is off by {error:.1e} from the reference; allowed is {tolerance:.0e}.")


def stepping(case: Any, xs: Any, expected: Any) -> dict[str, Callable[[Any], Any]]:
    """All contenders that step many streams, each checked. xs: steps of (STREAMS, inputs); expected: (CHECKED, STREAMS, 1)."""
    import bank_peers

    found = banks(case.model)
    exact = _available(bank_peers.EXACT, case)
    for name, step in (found | exact).items():
        check(name, [step(x) for x in xs[:CHECKED]], expected)
    if case.row.hidden_size < INT8_FROM:
        return found | exact
    from quantised import model

    quantised = banks(model(case, "int8-dynamic"), " int8-dynamic") | _available(bank_peers.INT8, case)
    for name, step in quantised.items():
        check(name, [step(x) for x in xs[:CHECKED]], expected, INT8_TOLERANCE)
    return found | exact | quantised


def _available(peers: Any, case: Any) -> dict[str, Callable[[Any], Any]]:
    found: dict[str, Callable[[Any], Any]] = {}
    for peer in peers:
        try:
            found |= peer(case, STREAMS)
        except ImportError as problem:
            print(f"{problem.name} is not installed.")
    return found


def memory(case: Any) -> dict[str, float]:
    """Bytes that a process grows by for each of `MANY` streams, and ns that a new key takes, the step included."""
    import numpy as np

    import edgelstm as el

    bank = el.StreamBank(case.model, MANY)
    keys, xs = [f"stream-{k}" for k in range(MANY)], np.zeros((MANY, case.row.input_size), np.float32)
    bank.step_many(keys[:1], xs[:1])
    before, began = resident(), process_time()
    for start in range(1, MANY, 1000):
        bank.step_many(keys[start : start + 1000], xs[start : start + 1000])
    took = (process_time() - began) * 1e9 / MANY
    return {"bytes a stream": (resident() - before) / MANY, "a new key and its step": took}


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured(text: str, rounds: int) -> dict[str, dict[str, float]]:
    """ns a stream-step of every contender of a row, by what is measured."""
    import numpy as np
    from grid import Row, make_case

    from edgelstm import reference

    case = make_case(Row.parse(text))
    rng = np.random.default_rng(0)
    xs = list(rng.uniform(-1, 1, (20, STREAMS, case.row.input_size)).astype(np.float32))
    expected = np.stack([reference.run(case.model, np.array(xs[:CHECKED])[:, k]) for k in range(STREAMS)], axis=1)
    steps = stepping(case, xs, expected)
    chunks = {name: (lambda step=step: [step(x) for x in xs] and None) for name, step in steps.items()}
    offline_xs = rng.uniform(-1, 1, (RECORDINGS, STEPS, case.row.input_size)).astype(np.float32)
    offline = recordings(case, offline_xs)
    for name, answer in offline.items():
        check(name, answer()[:4], [reference.run(case.model, part)[:, 0] for part in offline_xs[:4]])
    return {
        f"{STREAMS} streams": fastest(chunks, rounds, 20 * STREAMS),
        f"{RECORDINGS} recordings of {STEPS} steps": fastest(offline, max(3, rounds // 10), RECORDINGS * STEPS),
        f"windows of {LENGTH} every {HOP}": fastest(windows(case, case.inputs), rounds, len(case.inputs)),
        f"{MANY} streams": memory(case),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--rows", nargs="+", default=ROWS)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    pinned = machine.take_core(asked.core)
    results = {}
    for text in asked.rows:
        results[text] = measured(text, asked.rounds)
        for what, times in results[text].items():
            print(f"\n({text.removesuffix(',1')}), {what}")
            first = next(iter(times.values()))
            for name, time in times.items():
                print(f"  {name:40}{time:12.1f}{time / first:8.2f}")
    if asked.json:
        told = {"machine": machine.describe(), "pinned": pinned, "rounds": asked.rounds, "banks": results}
        asked.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
