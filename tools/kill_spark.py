"""Kill Spark with SIGKILL while it steps keyed streams, start it again, and look at what was written: `python tools/kill_spark.py`.

The source is a folder of Parquet files, one a micro-batch; the sink one of Parquet files, of which only those count that its log names.
Each run is started again, from Spark's checkpoint, until all is read. Rows that were lost, that are there twice, or whose answers
are not to the last bit those of one process end the script with 1. Needs pyspark, pandas, pyarrow and Java 17.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Devices, files, and samples of a device in a file; shards, of which several go into a lot.
DEVICES, FILES, SAMPLES, SHARDS = 512, 24, 5, 64

_FEATURES = ("a", "b", "c")

MASTER = "local[2,4]"

#: What makes a JVM that is killed after seconds start soon: it compiles once and quickly, and Spark compiles nothing at all.
SETTINGS = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.memory": "1g",
    "spark.log.level": "OFF",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


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
    began = time.time() - files
    for number in range(files):
        device = np.repeat(np.arange(devices), SAMPLES)
        seq = np.tile(np.arange(SAMPLES) + number * SAMPLES, devices)
        values = {name: rng.normal(size=len(seq)).astype(np.float32) for name in _FEATURES}
        table = pa.table({"device": [f"pump-{k}" for k in device.tolist()], "seq": seq, **values})
        path = folder / "logs" / f"{number:03}.parquet"
        pq.write_table(table, path, compression="zstd")
        os.utime(path, (began + number, began + number))  # Spark takes files by their time, in milliseconds; of one time in any order


def drive(folder: Path, whole: bool) -> None:
    """Step what has not been stepped yet, in this process and a JVM that it starts. whole: Spark hands over files, and sees no rows."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master(MASTER).config(map=SETTINGS).getOrCreate()
    trigger = (_of_files if whole else _of_rows)(session, folder).option("checkpointLocation", str(folder / "checkpoint"))
    print("started", flush=True)
    trigger.trigger(availableNow=True).start(*([] if whole else [str(folder / "out")])).awaitTermination()


def _of_rows(session: Any, folder: Path) -> Any:
    """Streams of rows, written by Spark."""
    from edgelstm.adapters import spark

    schema = "device string, seq long, " + ", ".join(f"{name} float" for name in _FEATURES)
    source = session.readStream.schema(schema).option("maxFilesPerTrigger", 1).parquet(str(folder / "logs"))
    answers = spark.stream(source, folder / "m.elstm", key="device", order="seq", shards=SHARDS)
    return answers.writeStream.format("parquet").outputMode("append")


def _of_files(session: Any, folder: Path) -> Any:
    """Streams of whole files, written by workers."""
    from edgelstm.adapters import spark_whole

    source = session.readStream.schema(spark_whole.FILES).option("maxFilesPerTrigger", 1).format("binaryFile")
    job = spark_whole.job_for(folder / "m.elstm", folder / "out", key="device", order="seq", shards=SHARDS)
    return spark_whole.stream(source.load(str(folder / "logs")).select("path"), job)


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


#: What Spark says of a checkpoint where it was killed as it wrote its first batch down. Nothing has been stepped; it wants a new one.
HALF_BEGUN = "STATE_STORE_CHECKPOINT_LOCATION_NOT_EMPTY"


def batches(folder: Path, log: str = "commits") -> int:
    """Micro-batches that Spark has finished; of the log "offsets", begun."""
    try:
        return sum(name.isdecimal() for name in os.listdir(folder / "checkpoint" / log))
    except OSError:
        return 0


def run(folder: Path, victim: str, dice: random.Random, kills: int, whole: bool) -> tuple[list[dict[str, Any]], bool]:
    """Start a driver, and kill some batches later: the JVM once, workers so often; where it was hit, and whether it came to the end."""
    command = [sys.executable, __file__, "--drive", "--folder", str(folder), *["--whole"] * whole]
    with (folder / "driver.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    hits: list[dict[str, Any]] = []
    while len(hits) < (min(kills, 1) if victim == "jvm" else kills) and process.poll() is None:
        due, after = batches(folder) + dice.randint(0, 2), dice.uniform(0, 1.5)
        while batches(folder) < due and process.poll() is None:
            time.sleep(0.02)
        time.sleep(after)
        finished, begun = batches(folder), batches(folder, "offsets")
        if process.poll() is None and (found := victims(process.pid, victim)):
            os.kill(dice.choice(found), signal.SIGKILL)
            hits.append({"batches_finished": finished, "within_a_batch": begun > finished})
            print(".", end="", flush=True)
    ended = process.wait() == 0
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what a dead driver leaves behind
    if not ended and not hits:
        said = (folder / "driver.log").read_text(errors="replace")
        if HALF_BEGUN not in said or batches(folder, "offsets"):
            sys.exit(f"Spark has failed by itself:\n{said[-4000:]}")
        shutil.rmtree(folder / "checkpoint")
    return hits, ended


def written(folder: Path) -> Any:
    """The rows of the sink: those of the files that its log names, or of all where workers write them."""
    import pandas as pd

    if not (folder / "out" / "_spark_metadata").exists():
        return pd.concat([pd.read_parquet(path) for path in (folder / "out").glob("*.parquet")], ignore_index=True)
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


def one_folder(folder: Path, victim: str, dice: random.Random, kills: int, files: int, whole: bool) -> dict[str, Any]:
    """Step all files of a folder, whatever is killed meanwhile; what came of it."""
    write_inputs(folder, DEVICES, files)
    hits: list[dict[str, Any]] = []
    starts, ended = 0, False
    while not ended:
        more, ended = run(folder, victim, dice, kills - len(hits), whole)
        hits, starts = hits + more, starts + 1
    rows, lost, twice, worst = compare(folder)
    return {"starts": starts, "rows": rows, "lost": lost, "twice": twice, "largest_difference": worst, "kills": hits}


def environment() -> dict[str, str]:
    """What it ran on."""
    import pyspark

    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.splitlines()[0]
    return {"spark": pyspark.__version__, "java": java, "python": platform.python_version(), "master": MASTER}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--victim", choices=("jvm", "worker"), default="jvm")
    parser.add_argument("--files", type=int, default=FILES, help="micro-batches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--whole", action="store_true", help="hand over whole files, whose rows Spark does not see")
    parser.add_argument("--json", type=Path, help="where to write what came of it")
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.drive:
        drive(asked.folder, asked.whole)
        return
    dice, killed, runs = random.Random(asked.seed), 0, list[dict[str, Any]]()
    while killed < asked.kills:
        with tempfile.TemporaryDirectory(dir=asked.folder) as name:
            done = one_folder(Path(name), asked.victim, dice, asked.kills - killed, asked.files, asked.whole)
        killed, runs = killed + len(done["kills"]), [*runs, done]
        told = f"{killed} kills of a {asked.victim} in {sum(one['starts'] for one in runs)} starts: {done['rows']} rows"
        print(f"{told}, {done['lost']} lost, {done['twice']} twice, largest difference {done['largest_difference']:g}", flush=True)
        if asked.json is not None:
            sizes = {
                "devices": DEVICES,
                "samples": SAMPLES,
                "micro_batches": asked.files,
                "shards": SHARDS,
                "seed": asked.seed,
                "whole": asked.whole,
            }
            told_all = {"fleet": "kills", "victim": asked.victim, **environment(), **sizes, "kills": killed, "runs": runs}
            asked.json.write_text(json.dumps(told_all, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(one["lost"] or one["twice"] or one["largest_difference"] for one in runs))


if __name__ == "__main__":
    main()
