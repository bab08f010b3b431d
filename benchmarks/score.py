"""Logs of many devices scored by `edgelstm score`, and by PyTorch's batched LSTM from pandas, on the same files, in one run.

The model has 6 inputs, 32 units and one output. Every device has as many rows in each file, so that a file is one batch (devices, time, 6)
for PyTorch, with states carried from file to file; reading and writing is pandas'. PyTorch's batch is made in two ways: by one reshape,
which suits it best and asks for rows without a gap, and by a frame a device, padded, as it is mostly written. All use the cores named.

    python benchmarks/score.py [--devices N] [--files N] [--samples N] [--workers N] [--rounds N] [--json FILE]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import machine

FEATURES = ("a", "b", "c", "d", "e", "f")


def make(folder: Path, devices: int, files: int, samples: int, first: int = 0, name: str = "") -> Any:
    """A model and the logs: rows by time, then by device, as a collector writes them. first: of the devices; name: how files begin."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    import edgelstm as el

    rng = np.random.default_rng(1)
    bound = 32**-0.5
    lstm = el.LSTM(*(rng.uniform(-bound, bound, shape).astype(np.float32) for shape in ((128, 6), (128, 32), (128,))))
    model = el.Model([lstm, el.Dense(rng.uniform(-bound, bound, (1, 32)), rng.uniform(-bound, bound, 1))], input_names=FEATURES)
    el.save(model, folder / "m.elstm")
    (folder / "logs").mkdir()
    names = pa.array([f"device-{k:06}" for k in range(first, first + devices)])
    for number in range(files):
        codes = pa.array(np.tile(np.arange(devices, dtype=np.int32), samples))
        seq = pa.array(np.arange(samples).repeat(devices) + number * samples)
        values = {feature: pa.array(rng.normal(size=len(codes)).astype(np.float32)) for feature in FEATURES}
        table = pa.table({"device": pa.DictionaryArray.from_arrays(codes, names), "seq": seq, **values})
        pq.write_table(table, folder / "logs" / f"{name}{number:03}.parquet", compression="zstd")
    return model


def ours(folder: Path, output: Path, workers: int) -> tuple[float, float]:
    """Seconds of the command from its start to its end, and processor seconds."""
    command = [sys.executable, "-m", "edgelstm", "score", str(folder / "m.elstm"), "-i", str(folder / "logs"), "-o", str(output)]
    begin, spent = perf_counter(), _spent()
    subprocess.run([*command, "--key", "device", "--order", "seq", "-w", str(workers), "--json"], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - begin, _spent() - spent


def _spent() -> float:
    """Processor seconds of programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def modules(model: Any) -> Any:
    """The model's layers in PyTorch."""
    import torch

    layer, head = model.layers
    network, linear = torch.nn.LSTM(6, 32, batch_first=True), torch.nn.Linear(32, 1)
    held = {"weight_ih": layer.weight_ih, "weight_hh": layer.weight_hh, "bias_ih": layer.bias, "bias_hh": 0 * layer.bias}
    network.load_state_dict({f"{name}_l0": torch.tensor(array) for name, array in held.items()})
    linear.load_state_dict({"weight": torch.tensor(head.weight), "bias": torch.tensor(head.bias)})
    return network, linear


def one_batch(network: Any, linear: Any, rows: Any, state: Any) -> tuple[Any, Any]:
    """A file's answers by one reshape, which wants as many rows of every device; and the states."""
    import torch

    count = rows["device"].nunique()
    xs = torch.from_numpy(rows[list(FEATURES)].to_numpy().reshape(count, -1, 6).copy())
    with torch.inference_mode():
        hidden, state = network(xs, state)
        answers = linear(hidden).reshape(-1).numpy()
    return rows[["device", "seq"]].assign(y0=answers), state


def by_groups(network: Any, linear: Any, rows: Any, state: Any) -> tuple[Any, Any]:
    """A file's answers as they are mostly written: a frame a device, padded into a batch; and the states."""
    import pandas as pd
    import torch

    frames = [frame for _, frame in rows.groupby("device", observed=True)]
    xs = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(frame[list(FEATURES)].to_numpy()) for frame in frames], batch_first=True)
    with torch.inference_mode():
        hidden, state = network(xs, state)
        answers = linear(hidden)[..., 0].numpy()
    made = [frame[["device", "seq"]].assign(y0=given[: len(frame)]) for frame, given in zip(frames, answers, strict=True)]
    return pd.concat(made), state


def pytorch(model: Any, folder: Path, output: Path, threads: int, step: Any) -> tuple[float, float]:
    """Seconds of a loop over the files, packages loaded before, and processor seconds."""
    import pandas as pd
    import torch

    torch.set_num_threads(threads)
    network, linear = modules(model)
    output.mkdir()
    state = None
    begin, spent = perf_counter(), process_time()
    for path in sorted((folder / "logs").iterdir()):
        answers, state = step(network, linear, pd.read_parquet(path).sort_values(["device", "seq"], kind="stable"), state)
        answers.to_parquet(output / path.name)
    return perf_counter() - begin, process_time() - spent


def difference(one: Path, other: Path) -> float:
    """The largest between the answers of two folders."""
    import numpy as np
    import pandas as pd

    tables = []
    for folder in (one, other):
        table = pd.concat([pd.read_parquet(path) for path in folder.glob("*.parquet")])
        tables.append(table.sort_values(["device", "seq"])["y0"].to_numpy())
    return float(np.abs(tables[0] - tables[1]).max())


def figures(steps: int, runs: list[tuple[float, float]]) -> dict[str, float]:
    """The best of runs, by the clock and by processor time: the latter is the same on a busy machine."""
    seconds, spent = (min(column) for column in zip(*runs, strict=True))
    return {"seconds": seconds, "steps_per_second": steps / seconds, "processor_seconds": spent, "a_processor": steps / spent}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("devices", 2000), ("files", 10), ("samples", 500), ("workers", 2), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    steps = asked.devices * asked.files * asked.samples
    peers = {"PyTorch, one reshape": one_batch, "PyTorch, by groups": by_groups}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ("edgelstm score", *peers)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make(folder, asked.devices, asked.files, asked.samples)
        ours(folder, folder / "warm", asked.workers)
        for round_ in range(asked.rounds):
            runs["edgelstm score"].append(ours(folder, folder / f"ours-{round_}", asked.workers))
            for number, (peer, step) in enumerate(peers.items()):
                runs[peer].append(pytorch(model, folder, folder / f"theirs-{round_}-{number}", asked.workers, step))
        worst = max(difference(folder / "ours-0", folder / f"theirs-0-{number}") for number in range(len(peers)))
    told = {contender: figures(steps, of) for contender, of in runs.items()}
    for contender, found in told.items():
        speeds = f"{found['steps_per_second']:12,.0f} steps/s, of a processor {found['a_processor']:12,.0f}"
        print(f"{contender:22} {found['seconds']:7.2f} s {speeds}")
    for peer in peers:
        clock, processor = (told["edgelstm score"][name] / told[peer][name] for name in ("steps_per_second", "a_processor"))
        print(f"{clock:.1f} times as fast as {peer}, by processor time {processor:.1f} times; largest difference {worst:.1g}")
    if asked.json is not None:
        sizes = {name: getattr(asked, name) for name in ("devices", "files", "samples", "workers")}
        asked.json.write_text(
            json.dumps({"fleet": "score", "machine": machine.describe(), **sizes, "difference": worst, "contenders": told}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
