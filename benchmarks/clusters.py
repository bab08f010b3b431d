"""Keyed streams and scoring on Spark beside the same work without an engine, on the same files, in one run; Spark has two cores.

The model has 6 inputs, 32 units and one output, a shard 128 devices. Streams: Spark takes some files a micro-batch, as whole files, keeps
the states and writes the answers; the bare process reads the same files, steps one `StreamBank.step_many` over all devices a sample, and
writes. The first files (--before) are told by themselves: what a JVM and its workers take to start and compile, once.
With --rows Spark reads and writes every row itself, too. Scoring: two bare processes that each have half of the devices in files of their
own; `edgelstm score --workers 2` and `--spark` on the files of both; what each takes for a hundred rows is its start. All answers are
compared to the last bit. Processor time counts the JVM and its Python workers. Needs pyspark and Java 17.

    python benchmarks/clusters.py [--devices N] [--files N] [--samples N] [--of-a-batch N] [--before N] [--rows] [--json FILE]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import machine
import score

DEVICES_OF_A_SHARD, MASTER = 128, "local[2]"

#: A JVM that moves bytes and starts often gains nothing from its second compiler, which takes more than the work.
_SETTINGS = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.memory": "3g",
    "spark.log.level": "OFF",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def processor_seconds() -> float:
    """Of this process and of all below it, alive or ended."""
    found: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(entry.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    below = {os.getpid()}
    while more := {pid for pid, (parent, _) in found.items() if parent in below} - below:
        below |= more
    return sum(found[pid][1] for pid in below) / os.sysconf("SC_CLK_TCK")


def timed(call: Callable[[], Any]) -> dict[str, float]:
    """Seconds of a call, and processor seconds."""
    begin, spent = perf_counter(), processor_seconds()
    call()
    return {"seconds": perf_counter() - begin, "processor_seconds": processor_seconds() - spent}


class Bare:
    """One bank in this process, which steps files one after the other: in each a sample of all devices at a time."""

    def __init__(self, folder: Path, output: Path, devices: int) -> None:
        import edgelstm as el

        self._bank, self._keys, self._output = el.StreamBank(el.load(folder / "m.elstm"), devices), tuple[str, ...](), output
        output.mkdir()

    def step(self, paths: list[Path]) -> None:
        """Read, step and write."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        devices = self._bank.capacity
        for path in paths:
            table = pq.read_table(path, use_threads=False)
            self._keys = self._keys or tuple(table["device"].slice(0, devices).to_pylist())
            xs = np.stack([table[name].to_numpy() for name in score.FEATURES], axis=1)  # (samples * devices, 6)
            answers = np.concatenate([self._bank.step_many(self._keys, xs[at : at + devices]) for at in range(0, len(xs), devices)])
            made = table.select(["device", "seq"]).append_column("y0", pa.array(answers[:, 0]))
            pq.write_table(made, self._output / path.name, compression="zstd")


class Spark:
    """A session on this machine."""

    def __init__(self) -> None:
        os.environ["PYSPARK_PYTHON"] = sys.executable
        from pyspark.sql import SparkSession

        self.session = SparkSession.builder.master(MASTER).config(map=_SETTINGS).getOrCreate()

    def stream(self, folder: Path, shards: int, of_a_batch: int) -> list[float]:
        """Step the logs that are there and were not stepped yet; seconds of each micro-batch."""
        from edgelstm.adapters import spark

        schema = "device string, seq long, " + ", ".join(f"{name} float" for name in score.FEATURES)
        source = self.session.readStream.schema(schema).option("maxFilesPerTrigger", of_a_batch).parquet(str(folder / "given"))
        answers = spark.stream(source, folder / "m.elstm", key="device", order="seq", shards=shards)
        writer = answers.writeStream.format("parquet").option("checkpointLocation", str(folder / "checkpoint"))
        return self._to_the_end(writer.trigger(availableNow=True).start(str(folder / "out")))

    def stream_whole(self, folder: Path, shards: int, of_a_batch: int) -> list[float]:
        """The same, where Spark hands over whole files and sees no row of theirs."""
        from edgelstm.adapters import spark_whole

        source = self.session.readStream.schema(spark_whole.FILES).option("maxFilesPerTrigger", of_a_batch).format("binaryFile")
        job = spark_whole.job_for(folder / "m.elstm", folder / "whole", key="device", order="seq", shards=shards)
        writer = spark_whole.stream(source.load(str(folder / "given")).select("path"), job)
        return self._to_the_end(writer.option("checkpointLocation", str(folder / "checkpoint-whole")).trigger(availableNow=True).start())

    @staticmethod
    def _to_the_end(query: Any) -> list[float]:
        query.awaitTermination()
        return [progress.durationMs["triggerExecution"] / 1000 for progress in query.recentProgress]


def answers(*folders: Path) -> Any:
    """Devices, places and answers, in order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pq.read_table(path, columns=["device", "seq", "y0"]) for folder in folders for path in folder.glob("*.parquet")]
    schema = pa.schema([("device", pa.string()), ("seq", pa.int64()), ("y0", pa.float32())])
    return pa.concat_tables([table.cast(schema) for table in tables]).sort_by([("device", "ascending"), ("seq", "ascending")])


def streams(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The logs stepped by one bank, and through Spark: first some files that are not counted, then the others."""
    devices, files, samples = asked.devices, asked.files, asked.samples
    score.make(folder, devices, asked.before + files, samples)
    paths, shards = sorted((folder / "logs").iterdir()), -(-devices // asked.of_a_shard)
    told: dict[str, Any] = {"rows": devices * files * samples, "shards": shards, "of_a_batch": asked.of_a_batch, "same_bits": True}
    bank, made = Bare(folder, folder / "bare", devices), list[Spark]()
    bank.step(paths[: asked.before])
    told["bank"] = timed(lambda: bank.step(paths[asked.before :]))
    told["spark_starts"] = timed(lambda: made.append(Spark()))
    ways = {"whole_files": (made[0].stream_whole, "whole"), **({"spark": (made[0].stream, "out")} if asked.rows else {})}
    truth = answers(folder / "bare")
    (folder / "given").mkdir()
    for way, (call, output) in ways.items():
        for part, given in ((f"{way}_starting", paths[: asked.before]), (way, paths[asked.before :])):
            if not given:
                continue
            for path in given:
                os.link(path, folder / "given" / path.name)
            batches: list[float] = []
            spent = timed(lambda: batches.extend(call(folder, shards, asked.of_a_batch)))  # noqa: B023  called at once
            told[part] = {"rows": devices * samples * len(given), **spent, "micro_batches": batches}
        told["same_bits"] &= bool(truth.equals(answers(folder / output)))
        for path in paths:
            os.remove(folder / "given" / path.name)
    made[0].session.stop()
    for way in ways:
        told[f"{way}_of_a_bank"] = {name: told[way][name] / told["bank"][name] for name in ("seconds", "processor_seconds")}
    return told


def started(model: Path, logs: list[Path], output: Path, *how: str) -> subprocess.Popen[bytes]:
    """`edgelstm score`, begun."""
    command = [
        sys.executable,
        "-m",
        "edgelstm",
        "score",
        str(model),
        "-o",
        str(output),
        "--key",
        "device",
        "--order",
        "seq",
        "--json",
        *how,
    ]
    return subprocess.Popen([*command, *(word for folder in logs for word in ("-i", str(folder)))], stdout=subprocess.DEVNULL)


def ended(*running: subprocess.Popen[bytes]) -> None:
    if any(process.wait() for process in running):
        sys.exit("edgelstm score has failed.")


def scoring(folder: Path, devices: int, files: int, samples: int, rounds: int) -> dict[str, Any]:
    """Two halves of the devices scored by two bare processes, by one command with two workers, and on Spark."""
    halves = [folder / "half-0", folder / "half-1"]
    for number, half in enumerate(halves):
        half.mkdir()
        score.make(half, devices // 2, files, samples, first=number * (devices // 2), name=f"{number}-")
    model, logs = halves[0] / "m.elstm", [half / "logs" for half in halves]
    ways: dict[str, Callable[[str], Any]] = {
        "two bare processes": lambda at: ended(
            *(started(model, [one], folder / f"bare-{at}-{k}", "-w", "1") for k, one in enumerate(logs))
        ),
        "score --workers 2": lambda at: ended(started(model, logs, folder / f"workers-{at}", "-w", "2")),
        "score --spark": lambda at: ended(
            started(model, logs, folder / f"spark-{at}", "--spark", MASTER, "--shards", str(-(-devices // DEVICES_OF_A_SHARD)))
        ),
    }
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    little = folder / "little"
    little.mkdir()
    score.make(little, 10, 1, 10)
    ended(started(model, [little / "logs"], folder / "warm", "-w", "1"))
    all_logs, logs = logs, [little / "logs"] * 2
    starts = {way: timed(lambda: call("start"))["seconds"] for way, call in ways.items()}  # noqa: B023  called at once
    logs = all_logs
    for number in range(rounds):
        for way, call in ways.items():
            runs[way].append(timed(lambda: call(str(number))))  # noqa: B023  called at once
    told: dict[str, Any] = {way: {name: min(run[name] for run in of) for name in of[0]} for way, of in runs.items()}
    del told["score --spark"]["processor_seconds"]  # nobody waits for its JVM, so that the system does not hand its time on
    truth = answers(folder / "bare-0-0", folder / "bare-0-1")
    told["same_bits"] = all(truth.equals(answers(folder / f"{way}-0")) for way in ("workers", "spark"))
    told["of_two_bare_processes"] = {
        way: {name: told["two bare processes"][name] / spent for name, spent in told[way].items()} for way in list(ways)[1:]
    }
    bare = told["two bare processes"]["seconds"] - starts["two bare processes"]
    told["starts"] = starts
    told["of_two_bare_processes_without_starts"] = {way: bare / (told[way]["seconds"] - starts[way]) for way in list(ways)[1:]}
    return {"rows": devices * files * samples, **told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("devices", 100_000),
        ("files", 10),
        ("samples", 10),
        ("rounds", 2),
        ("of-a-shard", DEVICES_OF_A_SHARD),
        ("of-a-batch", 10),
        ("before", 10),
        ("score-samples", 500),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rows", action="store_true", help="through Spark as rows, too")
    parser.add_argument("--skip-score", action="store_true", help="streams alone")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    sizes = {name: getattr(asked, name) for name in ("devices", "files", "samples")}
    told: dict[str, Any] = {"fleet": "clusters", "machine": machine.describe(), "master": MASTER, **sizes}
    with tempfile.TemporaryDirectory() as name:
        told["streams"] = streams(Path(name), asked)
    if not asked.skip_score:
        with tempfile.TemporaryDirectory() as name:
            told["scoring"] = scoring(Path(name), 2000, asked.files, asked.score_samples, asked.rounds)
    text = json.dumps(told, indent=1)
    print(text)
    if asked.json is not None:
        asked.json.write_text(text + "\n", encoding="utf-8")
    if not all(told[part]["same_bits"] for part in ("streams", "scoring") if part in told):
        sys.exit("the answers differ.")


if __name__ == "__main__":
    main()
