"""A fleet of pumps scored on this machine and on Spark, from one command: `python examples/fleet/fleet.py`.

It writes the logs of many pumps, a Parquet file a day; scores them with `edgelstm score` by one worker and by two, and on Spark where
pyspark and Java are installed; compares all answers bit for bit; and shows how fast each was, and which faults the network found.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pumps import DAY, FAULTS, FEATURES, log

MODEL = Path(__file__).parent / "data" / "pump.elstm"

#: A fault is found where the network says so this surely, for so many samples in a row.
SURE, IN_A_ROW = 0.5, 3


def write_logs(folder: Path, pumps: int, days: int) -> list[np.ndarray]:
    """A file a day, rows in order of time; the faults of each pump, (time,)."""
    folder.mkdir()
    logs = [log(pump, days) for pump in range(pumps)]
    names = pa.array([f"pump-{pump:05}" for pump in range(pumps)]).dictionary_encode()
    for day in range(days):
        part = slice(day * DAY, (day + 1) * DAY)
        rows = np.stack([one.samples[part] for one in logs], axis=1).reshape(-1, len(FEATURES))  # by time, then by pump
        device = pa.DictionaryArray.from_arrays(pa.array(np.tile(np.arange(pumps, dtype=np.int32), DAY)), names.dictionary)
        seq = pa.array(np.arange(part.start, part.stop).repeat(pumps))
        columns = {name: pa.array(np.ascontiguousarray(rows[:, j])) for j, name in enumerate(FEATURES)}
        pq.write_table(pa.table({"device": device, "seq": seq, **columns}), folder / f"day-{day:03}.parquet", compression="zstd")
    return [one.fault for one in logs]


def scored(folder: Path, output: Path, *how: str) -> dict[str, Any]:
    """What `edgelstm score` says of itself."""
    command = [sys.executable, "-m", "edgelstm", "score", str(MODEL), "--input", str(folder), "--output", str(output)]
    done = subprocess.run([*command, "--key", "device", "--order", "seq", "--json", *how], check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def answers(folder: Path, pumps: int) -> np.ndarray:
    """The answers of all pumps, (pumps, time)."""
    parts = sorted(path for path in folder.iterdir() if path.suffix == ".parquet")
    table = pa.concat_tables([pq.read_table(path).cast(SCHEMA) for path in parts]).sort_by([("device", "ascending"), ("seq", "ascending")])
    return table["fault"].to_numpy().reshape(pumps, -1)


SCHEMA = pa.schema([("device", pa.string()), ("seq", pa.int64()), ("fault", pa.float32())])


def has_spark() -> bool:
    """Whether Spark is here whole: its client alone has no Java programs."""
    spec = importlib.util.find_spec("pyspark")
    folders = (spec and spec.submodule_search_locations) or []
    return shutil.which("java") is not None and any(Path(folder, "jars").is_dir() for folder in folders)


def alarms(likely: np.ndarray) -> np.ndarray:
    """Where the network is sure, and has been for some samples: (pumps, time)."""
    sure = likely > SURE
    for _ in range(IN_A_ROW - 1):
        sure[:, 1:] &= sure[:, :-1]
    return sure


def found(faults: list[np.ndarray], raised: np.ndarray) -> dict[str, tuple[int, int, list[int]]]:
    """By fault: how many there were, how many an alarm met, and after how many samples; what is no fault is called "false alarms"."""
    told: dict[str, tuple[int, int, list[int]]] = {name: (0, 0, []) for name in FAULTS}
    false = 0
    for fault, alarm in zip(faults, raised, strict=True):
        edges = np.flatnonzero(fault[1:] != fault[:-1]) + 1
        for begin, end in zip([0, *edges], [*edges, len(fault)], strict=True):
            name = str(fault[begin])
            if name:
                at = np.flatnonzero(alarm[begin:end])
                many, met, after = told[name]
                told[name] = many + 1, met + bool(len(at)), after + at[:1].tolist()
            else:
                sound = alarm[begin + DAY // 2 * (begin > 0) : end]  # an alarm may outlast its fault
                false += int((np.diff(sound.astype(int)) == 1).sum())
    return {**told, "false alarms": (0, false, [])}


def show(speeds: dict[str, float], told: dict[str, tuple[int, int, list[int]]], picture: Path | None) -> None:
    """Speeds and faults on the terminal; drawn too where matplotlib is installed."""
    most = max(speeds.values())
    print("\nsteps a second")
    for name, speed in speeds.items():
        print(f"  {name:12} {speed:12,.0f}  {'█' * max(round(40 * speed / most), 1)}")
    print("\nfaults                there  found  median delay")
    for name, (many, met, after) in told.items():
        delay = f"{np.median(after) / 6:8.1f} h" if after else ""
        print(f"  {name:16} {many if many else '':>8} {met:>6}  {delay}")
    if picture is None or importlib.util.find_spec("matplotlib") is None:
        return
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
    left.bar(list(speeds), [speed / 1e6 for speed in speeds.values()], color="#2a6f97")
    left.set_ylabel("million steps a second")
    names = list(FAULTS)
    right.barh(names, [told[name][0] for name in names], color="#cccccc", label="there")
    right.barh(names, [told[name][1] for name in names], color="#c1440e", label="found", height=0.5)
    right.legend()
    figure.savefig(picture)
    print(f"\n{picture}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pumps", type=int, default=60)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--picture", type=Path, help="where to draw what is shown (needs matplotlib)")
    parser.add_argument("--folder", type=Path, help="keep logs and answers there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        faults = write_logs(folder / "logs", asked.pumps, asked.days)
        print(f"{asked.pumps:,} pumps, {asked.days} days: {asked.pumps * asked.days * DAY:,} samples")
        ways = {"1 worker": ("--workers", "1"), "2 workers": ("--workers", "2")}
        if has_spark():
            ways["Spark"] = ("--spark", f"local[{min(2, os.cpu_count() or 1)}]")
        speeds, first = {}, None
        for way, how in ways.items():
            output = folder / way.replace(" ", "-")
            speeds[way] = scored(folder / "logs", output, *how)["steps_per_second"]
            given = answers(output, asked.pumps)
            first = given if first is None else first
            if not np.array_equal(given, first):
                sys.exit(f"{way} gives other answers than 1 worker: they differ by up to {np.abs(given - first).max()}.")
        print(f"the same answers to the last bit: {', '.join(speeds)}")
        show(speeds, found(faults, alarms(first)), asked.picture)


if __name__ == "__main__":
    main()
