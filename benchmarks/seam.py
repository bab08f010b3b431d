"""What an engine pays for keyed streams: a step of a shard as a function of bytes beside a step of a bank, in processor time.

The model has 6 inputs, 32 units and one output; a shard has 128 devices. Processor time is much the same on a busy machine.

    python benchmarks/seam.py [--rounds N] [--json FILE]
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time_ns
from typing import Any

import machine
import numpy as np
import score

import edgelstm as el
from edgelstm.adapters.keyed import KeyedStep
from edgelstm.adapters.shard import Shard

DEVICES = 128

#: Samples of a device in a call: one, and what micro-batches of some seconds or minutes bring.
SAMPLES = (1, 10, 100)


def least(call: Callable[[], Any], rounds: int) -> float:
    """Processor nanoseconds of a call, the least of many."""
    best = float("inf")
    for _ in range(rounds):
        begin = process_time_ns()
        call()
        best = min(best, process_time_ns() - begin)
    return best


def figures(folder: Path, rounds: int) -> dict[str, Any]:
    """All that is measured; times are of a row."""
    step, keys = KeyedStep(folder / "m.elstm"), [f"device-{k:06}" for k in range(DEVICES)]
    rng = np.random.default_rng(1)
    bank, tuple_ = el.StreamBank(el.load(folder / "m.elstm"), DEVICES), tuple(keys)
    one = rng.normal(size=(DEVICES, 6)).astype(np.float32)
    blob, _ = step.step_many(None, keys, np.full(DEVICES, -1), one)
    told: dict[str, Any] = {
        "state_bytes": bank.program.sizes.state_bytes,
        "shard_bytes": len(blob),
        "bank_step_ns": least(lambda: [bank.step_many(tuple_, one) for _ in range(20)], rounds) / 20 / DEVICES,
        "restore_and_snapshot_ns": least(lambda: (step.shard.restore(blob), step.shard.snapshot()), rounds) / DEVICES,
        "rows": {},
    }
    for samples in SAMPLES:
        xs = rng.normal(size=(DEVICES * samples, 6)).astype(np.float32)
        names, numbers = keys * samples, np.arange(samples).repeat(DEVICES)
        codes = np.tile(np.arange(DEVICES), samples)
        ns = least(lambda: step.step_many(blob, names, numbers, xs), rounds) / len(xs)  # noqa: B023  called at once
        told["rows"][str(samples)] = {
            "step_many_ns": ns,
            "of_a_bank": ns / told["bank_step_ns"],
            **_spark(step.begun(), codes, keys, numbers, xs, rounds),
        }
    return told


def scored(folder: Path, shards: int, rounds: int) -> float:
    """A row of `edgelstm score`, from Parquet to Parquet, by one of so many workers that share the files: processor nanoseconds."""
    from edgelstm.adapters.columns import columns_of
    from edgelstm.adapters.scoring import Job, inputs, settle, work

    step, best = KeyedStep(folder / "m.elstm"), float("inf")
    columns = columns_of(step.shard.bank, "device", "seq", None)
    for number in range(rounds):
        output = str(folder / f"scored-{shards}-{number}")
        job = settle(Job(step, columns, inputs([str(folder / "logs")], (".parquet",)), output, shards, ".parquet"))
        begin = process_time_ns()
        rows = work(job, 0, lambda more, read: None).rows
        best = min(best, (process_time_ns() - begin) / rows)
    return best


def _spark(shard: Shard, codes: Any, keys: list[str], numbers: Any, xs: Any, rounds: int) -> dict[str, float]:
    """What the way through Spark adds in Python: rows packed, unpacked, stepped and made a table; empty where its packages are absent."""
    try:
        import pandas as pd
        import pyarrow as pa

        from edgelstm.adapters import spark
        from edgelstm.adapters.columns import columns_of
        from edgelstm.adapters.packing import INPUT, pack, packed_table, unpack
    except ImportError:
        return {}
    columns = columns_of(shard.bank, "device", "seq", None)
    inputs = {f"{INPUT}{j}": xs[:, j] for j in range(6)}
    table = pd.DataFrame({"shard": 0, "device": [keys[k] for k in codes.tolist()], "seq": numbers, **inputs})
    batch = pa.RecordBatch.from_pandas(table, preserve_index=False)
    (packed,) = pack(iter([batch]), "shard", "device")
    (data,) = packed.column("rows").to_pylist()

    def stepped() -> Any:
        shard.restore(None)
        return packed_table(spark.stepped(shard, columns, unpack([("", data)])))

    return {
        "packed_bytes": len(data) / len(xs),
        "pack_ns": least(lambda: list(pack(iter([batch]), "shard", "device")), rounds) / len(xs),
        "unpack_and_step_ns": least(stepped, rounds) / len(xs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        score.make(Path(name), 2000, 2, 500)
        told = figures(Path(name), asked.rounds)
        told["score_ns"] = {str(shards): scored(Path(name), shards, 4) for shards in (1, 2)}
    print(json.dumps(told, indent=1))
    if asked.json is not None:
        asked.json.write_text(json.dumps({"fleet": "seam", "machine": machine.describe(), **told}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
