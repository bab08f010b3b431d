"""Writes what was measured of keyed streams, and the arithmetic on it, into docs/clusters.md: ``python tools/cluster_figures.py``.

Takes the JSON files of ``benchmarks/results/fleet/``: ``seam.py``, ``score.py`` and ``clusters.py`` of benchmarks, and
``tools/kill_spark.py``. It measures nothing, and replaces what stands between the comments.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "clusters.md", ROOT / "benchmarks" / "results" / "fleet"

#: Of the arithmetic: devices, nodes, seconds from one sample of a device to the next, and samples of a device in a micro-batch.
DEVICES, NODES, PERIOD, BATCH = 10**8, 1000, 60, 10

#: Spark keeps states as text in base 64.
TEXT = 4 / 3

#: Bytes of a row's values.
VALUES = 24

YEAR = 365 * 86400

Record = dict[str, Any]


def result(name: str) -> Record:
    """What a measurement has written."""
    told: Record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return told


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """In Markdown; the last column is aligned right."""
    headings = list(headings)
    lines = [headings, [*["---"] * (len(headings) - 1), "---:"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


Rows = list[tuple[str, ...]]

#: What was killed, by the name of the measurement.
VICTIMS = {
    "jvm": "the JVM",
    "worker": "a Python worker",
    "jvm-whole": "the JVM, whole files",
    "worker-whole": "a Python worker, whole files",
}

#: What Spark was handed, by the name of the measurement.
WAYS = {"whole_files": "as whole files", "spark": "as rows"}


def measured() -> str:
    """Every figure that the arithmetic begins from, and those that stand beside it."""
    parts = (("seam", _steps), ("clusters", _through_spark), ("clusters", _shares), ("score", _scored), ("score-groups", _by_groups))
    rows = [(what, _cpu(name), figure) for name, part in parts for what, figure in part()]
    return table(("what", "on", "figure"), rows)


def _cpu(name: str) -> str:
    """What a measurement ran on."""
    told: str = result(name)["machine"]["cpu"]
    return told.partition(" (x86")[0].replace("(R)", "").replace(" Processor", "")


def _steps() -> Rows:
    """The seam in one process."""
    seam = result("seam")
    rows = seam["rows"]
    samples = ", ".join(rows)
    return [
        ("state of a device in memory, and in the bytes of a shard", f"{seam['state_bytes']} B, {seam['shard_bytes'] / 128:.0f} B"),
        ("a step of `StreamBank.step_many`", f"{seam['bank_step_ns']:.0f} ns"),
        (f"a row of `KeyedStep.step_many`, bytes to bytes, with {samples} samples a device in a call", _each(rows, "step_many_ns")),
        ("of a step of the bank", ", ".join(f"{row['of_a_bank']:.1f} ×" for row in rows.values())),
        ("of which the state: restored and taken, a device", f"{seam['restore_and_snapshot_ns']:,.0f} ns"),
        (f"a row on its way to Spark's state, with {samples} samples a device: packed", _each(rows, "pack_ns")),
        ("unpacked, stepped, and its answer packed", _each(rows, "unpack_and_step_ns")),
        (f"the same row between processes, with {BATCH} samples a device", f"{rows[str(BATCH)]['packed_bytes']:.0f} B"),
        (
            "a row of `edgelstm score`, Parquet to Parquet, by one worker; by each of two",
            "; ".join(f"{ns:.0f} ns" for ns in seam["score_ns"].values()),
        ),
    ]


def _through_spark() -> Rows:
    """Streams through Spark, and the same without it."""
    clusters = result("clusters")
    streams = clusters["streams"]
    run = f"{streams['rows']:,} rows of {clusters['devices']:,} devices in {clusters['files']} files"
    bare, files = streams["bank"], streams["of_a_batch"]
    return [
        (f"{run}, Parquet to Parquet by one process with a bank", _spent(bare, streams["rows"])),
        *(
            line
            for way, name in WAYS.items()
            if way in streams
            for line in (
                (
                    f"the same through Spark {name}, {streams['shards']} shards, files a micro-batch: {files}",
                    _spent(streams[way], streams["rows"]),
                ),
                ("of the one process", _times(streams[f"{way}_of_a_bank"])),
                (
                    f"a micro-batch of {streams['rows'] // clusters['files'] * files:,} rows by the clock, median",
                    f"{_median(streams[way]):.1f} s",
                ),
            )
        ),
        *(
            (
                f"processor time of the first {streams[f'{way}_starting']['rows']:,} rows through Spark {name}, which starts its workers",
                _starting(streams, way),
            )
            for way, name in WAYS.items()
            if f"{way}_starting" in streams
        ),
    ]


def _spent(of: Record, rows: int) -> str:
    """By the clock, and of all processors, a row."""
    return f"{1e9 * of['seconds'] / rows:,.0f} ns a row; {1e9 * of['processor_seconds'] / rows:,.0f} ns of processors"


def _times(of: Record) -> str:
    return f"{of['seconds']:.1f} ×; {of['processor_seconds']:.1f} × of processors"


def _median(way: Record) -> float:
    """Seconds of a micro-batch, behind the first if there are more."""
    return float(median(way["micro_batches"][1:] or way["micro_batches"]))


def _starting(streams: Record, way: str) -> str:
    """What was spent on files that are not counted."""
    return f"{streams[f'{way}_starting']['processor_seconds']:.1f} s"


def _shares() -> Rows:
    """Whole commands beside two bare processes."""
    scoring = result("clusters")["scoring"]
    shares, steady = scoring["of_two_bare_processes"].items(), scoring["of_two_bare_processes_without_starts"].items()
    return [
        *(
            (f"`edgelstm {way}` on {scoring['rows']:,} rows: of the throughput of two bare processes", f"{100 * share['seconds']:.0f} %")
            for way, share in shares
        ),
        *((f"`edgelstm {way}`, starts taken off", f"{100 * of:.0f} %") for way, of in steady),
    ]


def _scored(name: str = "score") -> Rows:
    """The same logs by this package and by others."""
    score = result(name)
    rows = score["devices"] * score["files"] * score["samples"]
    return [
        (f"{one} on {rows:,} rows, {score['workers']} workers or threads", f"{found['steps_per_second'] / 1e6:.2f} million rows/s")
        for one, found in score["contenders"].items()
    ]


def _by_groups() -> Rows:
    """The same beside PyTorch as it is mostly written."""
    found = {one: told["steps_per_second"] for one, told in result("score-groups")["contenders"].items()}
    ours = found["edgelstm score"]
    return [*_scored("score-groups"), *((f"edgelstm score, of {one}", f"{ours / of:.1f} ×") for one, of in found.items() if of != ours)]


def _each(rows: Record, name: str) -> str:
    return ", ".join(f"{row[name]:,.0f} ns" for row in rows.values())


def killed() -> str:
    """What came of killing Spark."""
    told = []
    for victim, name in VICTIMS.items():
        if not (RESULTS / f"kills-{victim}.json").exists():
            continue
        found = result(f"kills-{victim}")
        runs, hits = found["runs"], [hit for run in found["runs"] for hit in run["kills"]]
        within = sum(hit["within_a_batch"] for hit in hits)
        lost, twice = (sum(run[name] for run in runs) for name in ("lost", "twice"))
        worst = max(run["largest_difference"] for run in runs)
        told.append((name, str(found["kills"]), str(within), str(sum(run["starts"] for run in runs)), f"{lost}, {twice}, {worst:g}"))
    headings = ("killed by SIGKILL", "times", "within a micro-batch", "starts", "rows lost, rows twice, largest difference to one process")
    return table(headings, told)


def arithmetic() -> str:
    """What a fleet would take, from the figures above."""
    return table(("", "how it is counted", "result"), [*_volumes(), *_work()])


def _volumes() -> Rows:
    """What is held and moved."""
    seam = result("seam")
    each, state, every = DEVICES / PERIOD, seam["shard_bytes"] / 128 * TEXT, BATCH * PERIOD
    row_bytes, shards = seam["rows"][str(BATCH)]["packed_bytes"], DEVICES / 128
    return [
        ("rows", f"10⁸ / {PERIOD} s", f"{each / 1e6:.2f} million/s"),
        (
            "states",
            f"10⁸ × {seam['shard_bytes'] / 128:.0f} B × 4/3, as text",
            f"{DEVICES * state / 1e9:.0f} GB; {DEVICES * state / NODES / 1e6:.0f} MB a node of a thousand",
        ),
        ("shards", "10⁸ / 128", f"{shards:,.0f}; {shards / NODES:.0f} a node"),
        (
            "state in a checkpoint",
            f"every shard changes in every micro-batch: {DEVICES * state / 1e9:.0f} GB / {every} s",
            f"{DEVICES * state / every / 1e6:.0f} MB/s; {DEVICES * state / every / NODES / 1e3:.0f} kB/s a node",
        ),
        (
            "rows between workers",
            f"{each / 1e6:.2f} million/s × {row_bytes:.0f} B ({BATCH} samples a device)",
            f"{each * row_bytes / 1e6:.0f} MB/s; {each * row_bytes / NODES / 1e3:.0f} kB/s a node",
        ),
    ]


def _work() -> Rows:
    """What is computed."""
    seam = result("seam")
    each, rate = DEVICES / PERIOD, f"{DEVICES / PERIOD / 1e6:.2f} million/s"
    told: Rows = []
    for samples, name in ((BATCH, "stepping, in Python"), (1, "the same with one sample a device in a micro-batch")):
        row, kept = seam["rows"][str(samples)], seam["restore_and_snapshot_ns"] / samples
        terms = f"{row['pack_ns']:.0f} ns + {row['unpack_and_step_ns']:,.0f} ns + {kept:,.0f} ns of state"
        told.append((name, f"{rate} × ({terms})", f"{each * _python_ns(samples) / 1e9:.1f} processors"))
    year, score_ns, shards = DEVICES * YEAR / PERIOD, seam["score_ns"]["1"], DEVICES / 128 / NODES
    call = 128 * BATCH * (_python_ns(BATCH) - seam["rows"][str(BATCH)]["pack_ns"]) / 1e6
    return [
        *told,
        ("all of Spark, its JVM too", f"{rate} × {_spark_ns():,.0f} ns", f"{each * _spark_ns() / 1e9:.0f} processors"),
        (
            "a million samples: in Python; all of Spark",
            f"{_python_ns(BATCH):,.0f} ns; {_spark_ns():,.0f} ns each",
            f"{_python_ns(BATCH) / 1e3:.2f}; {_spark_ns() / 1e3:.1f} processor seconds",
        ),
        (
            "a year of such logs, scored again by `edgelstm score` on each node for itself",
            f"{year / 1e13:.1f} × 10¹³ rows × {score_ns:.0f} ns and {VALUES} B of values",
            f"{year * score_ns / 1e9 / 3600:,.0f} processor hours; {year * VALUES / 1e15:.1f} PB read, uncompressed",
        ),
        ("a node's shards, one call each", f"{shards:.0f} × {call:.2f} ms", f"{shards * call / 1e3:.1f} s of each micro-batch"),
    ]


def _python_ns(samples: int) -> float:
    """A row in Spark's Python workers, where a micro-batch brings so many samples a device."""
    seam = result("seam")
    row = seam["rows"][str(samples)]
    return float(row["pack_ns"] + row["unpack_and_step_ns"] + seam["restore_and_snapshot_ns"] / samples)


def _spark_ns(way: str = "") -> float:
    """A row through Spark, its JVM too, of the measured run; by default where it is handed files, if that was measured."""
    streams = result("clusters")["streams"]
    way = way or next(one for one in WAYS if one in streams)
    return float(1e9 * streams[way]["processor_seconds"] / streams["rows"])


def filled(text: str) -> str:
    """A page with its tables as the results have them."""
    for name, told in (("measured", measured()), ("killed", killed()), ("arithmetic", arithmetic())):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{told}\n{end}{rest.split(end)[1]}"
    return text


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
