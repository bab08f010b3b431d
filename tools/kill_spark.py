"""Kill Spark with SIGKILL while it steps keyed streams, start it again, and look at what was written: `python tools/kill_spark.py`.

The source is a folder of Parquet files, one a micro-batch; the sink one of Parquet files, of which only those count that its log names.
Each run is started again until all is read. Rows that were lost, that are there twice, or whose answers are not to the last bit those of
one process end the script with 1. Needs pyspark, pandas, pyarrow and Java 17.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Devices, files, and samples of a device in a file; shards.
DEVICES, FILES, SAMPLES, SHARDS = 512, 24, 5, 4

_FEATURES = ("a", "b", "c")


def write_inputs(folder: Path, devices: int, files: int) -> None:
    """A model, and logs of many devices."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    import edgelstm as el

    rng = np.random.default_rng(7)
    lstm = el.LSTM(*(rng.uniform(-0.3, 0.3, shape) for shape in ((64, 3), (64, 16), (64,))))
    el.save(el.Model((lstm, el.Dense(rng.uniform(-0.3, 0.3, (1, 16)), np.zeros(1))), input_names=_FEATURES), folder / "m.elstm")
    (folder / "logs").mkdir()
    for number in range(files):
        device = np.repeat(np.arange(devices), SAMPLES)
        seq = np.tile(np.arange(SAMPLES) + number * SAMPLES, devices)
        values = {name: rng.normal(size=len(seq)).astype(np.float32) for name in _FEATURES}
        table = pa.table({"device": [f"pump-{k}" for k in device.tolist()], "seq": seq, **values})
        pq.write_table(table, folder / "logs" / f"{number:03}.parquet", compression="zstd")


def drive(folder: Path) -> None:
    """Step what has not been stepped yet, in this process and a JVM that it starts."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    from edgelstm.adapters import spark

    builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "2")
    builder = builder.config("spark.sql.parquet.compression.codec", "zstd").config("spark.driver.memory", "1g")
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    schema = "device string, seq long, " + ", ".join(f"{name} float" for name in _FEATURES)
    source = session.readStream.schema(schema).option("maxFilesPerTrigger", 1).parquet(str(folder / "logs"))
    answers = spark.stream(source, folder / "m.elstm", key="device", order="seq", shards=SHARDS)
    writer = answers.writeStream.format("parquet").outputMode("append").option("checkpointLocation", str(folder / "checkpoint"))
    print("started", flush=True)
    writer.trigger(availableNow=True).start(str(folder / "out")).awaitTermination()


def victims(root: int, victim: str) -> list[int]:
    """Processes below `root`: the JVM, or Python workers of Spark."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1]), (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
    below, wanted = {root}, "pyspark.daemon" if victim == "worker" else "org.apache.spark.deploy.SparkSubmit"
    while more := {pid for pid, (parent, _) in parents.items() if parent in below} - below:
        below |= more
    found = [pid for pid in below if wanted in parents.get(pid, (0, ""))[1]]
    daemons = {pid for pid in found if parents[pid][0] not in found}
    return [pid for pid in found if victim == "jvm" or pid not in daemons]


def batches(folder: Path) -> int:
    """Micro-batches that Spark has finished."""
    try:
        return sum(name.isdecimal() for name in os.listdir(folder / "checkpoint" / "commits"))
    except OSError:
        return 0


def run(folder: Path, victim: str, dice: random.Random, kills: int) -> tuple[int, bool]:
    """Start a driver, and kill some batches later: the JVM once, workers so often; how often it was, and whether it came to the end."""
    command = [sys.executable, __file__, "--drive", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    killed = 0
    while killed < (min(kills, 1) if victim == "jvm" else kills) and process.poll() is None:
        due, after = batches(folder) + dice.randint(0, 2), dice.uniform(0, 1.5)
        while batches(folder) < due and process.poll() is None:
            time.sleep(0.02)
        time.sleep(after)
        if process.poll() is None and (found := victims(process.pid, victim)):
            os.kill(dice.choice(found), signal.SIGKILL)
            killed += 1
    ended = process.wait() == 0
    if process.poll() is not None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what a dead driver leaves behind
    return killed, ended


def written(folder: Path) -> Any:
    """The rows of the sink: those of the files that its log names."""
    import pandas as pd

    names: dict[str, None] = {}
    for log in sorted((folder / "out" / "_spark_metadata").iterdir(), key=lambda path: int(path.name.split(".")[0] or -1)):
        if log.name.startswith("."):
            continue
        for line in log.read_text().splitlines()[1:]:
            names[json.loads(line)["path"].removeprefix("file://")] = None
    return pd.concat([pd.read_parquet(name) for name in names], ignore_index=True)


def compare(folder: Path) -> tuple[int, int, int, float]:
    """Rows expected, lost, and twice, and the largest difference to one process."""
    import numpy as np
    import pandas as pd

    import edgelstm as el

    rows = pd.concat([pd.read_parquet(path) for path in sorted((folder / "logs").iterdir())], ignore_index=True)
    found = written(folder)
    twice = int(found.duplicated(["device", "seq"]).sum())
    lost = len(rows) - len(found.drop_duplicates(["device", "seq"]))
    answers = dict(iter(found.sort_values("seq").groupby("device")["y0"]))
    worst, stream = 0.0, el.Stream(el.load(folder / "m.elstm"))
    for device, of in rows.sort_values("seq").groupby("device"):
        stream.reset()
        expected = stream.process(of[list(_FEATURES)].to_numpy(np.float32))[:, 0]
        if not lost and not twice:
            worst = max(worst, float(np.abs(answers[device].to_numpy() - expected).max()))
    return len(rows), lost, twice, worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--victim", choices=("jvm", "worker"), default="jvm")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.drive:
        drive(asked.folder)
        return
    dice, killed, runs, bad = random.Random(asked.seed), 0, 0, False
    while killed < asked.kills:
        with tempfile.TemporaryDirectory(dir=asked.folder) as name:
            folder = Path(name)
            write_inputs(folder, DEVICES, FILES)
            ended = False
            while not ended:
                done, ended = run(folder, asked.victim, dice, asked.kills - killed)
                killed, runs = killed + done, runs + 1
            rows, lost, twice, worst = compare(folder)
            told = f"{killed} kills of a {asked.victim} in {runs} starts: {rows} rows"
            print(f"{told}, {lost} lost, {twice} twice, largest difference {worst:g}", flush=True)
            bad |= bool(lost or twice or worst)
    sys.exit(bad)


if __name__ == "__main__":
    main()
