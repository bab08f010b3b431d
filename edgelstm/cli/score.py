"""`edgelstm score`: a model over the logs of many devices."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import show
from .log import say

if TYPE_CHECKING:
    from ..adapters.scoring import Done, Job, Watch

#: Groups of devices on Spark, unless told otherwise.
_SPARK_SHARDS = 64

_NAN_POLICIES = ("raise", "hold", "reset", "propagate")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--input", "-i", "given", required=True, multiple=True, metavar="FILES",
              help="Parquet or CSV files: a pattern in quotes, a folder, or a file. Repeat it for several.")  # fmt: skip
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), metavar="FOLDER",
              help="Folder of answers. Finished parts that are there are not done again.")  # fmt: skip
@click.option("--key", required=True, metavar="COLUMN", help="Step a stream for each value of this column.")
@click.option("--order", required=True, metavar="COLUMN", help="Place of a row in its stream: a whole number, or a time.")
@click.option("--columns", metavar="A,B,…", help="Columns that hold the model's inputs, in its order.  [default: its own names]")
@click.option("--keep", metavar="A,B,…", help="Columns to write beside the answers.")
@click.option("--nan-policy", type=click.Choice(_NAN_POLICIES), default="raise", show_default=True,
              help="For values that are absent or no numbers: end; repeat the last; begin anew; let them in.")  # fmt: skip
@click.option("--workers", "-w", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that share the devices.")
@click.option("--spark", "master", metavar="MASTER", help="Score on Spark instead: local[4], spark://host:7077, yarn, sc://host.")
@click.option("--shards", type=click.IntRange(min=1), metavar="N", help="Groups of devices.  [default: --workers; on Spark 64]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def score(
    *,
    model: Path,
    given: tuple[str, ...],
    output: Path,
    key: str,
    order: str,
    columns: str | None,
    keep: str | None,
    nan_policy: Any,
    workers: int,
    master: str | None,
    shards: int | None,
    as_json: bool,
) -> None:
    """Step MODEL through the logs of many devices, one stream a device, and write its answers.

    MODEL is a .elstm file or a library that `edgelstm build` made. A stream goes on from file to file; files are read in the order of
    their names, in which numbers count as numbers. A row whose place its stream has behind it already is counted and left out. Run the
    same command again to go on where it was ended, or with more files behind those that were there.

    \b
    Examples:
      edgelstm score pump.elstm --input 'logs/*.parquet' --output scored/ --key device --order seq --workers 2
      edgelstm score pump.elstm -i logs/ -o scored/ --key device --order time --columns flow,pressure --keep site
    """  # noqa: D301
    from ..sources.extras import extra

    extra("pyarrow", "pyarrow", "score", "score")
    shards = shards or (workers if master is None else _SPARK_SHARDS)
    job = _job(model, given, output, (key, order), _listed(columns), _listed(keep) or [], nan_policy, shards)
    begin = time.perf_counter()
    job, done = _here(job, workers) if master is None else _on_spark(job, master)
    summary = _summary(job, done, time.perf_counter() - begin)
    if as_json:
        show.emit_json(summary)
    else:
        _print(summary)
    if done.repeats:
        say(
            f"{done.repeats:,} rows were left out: their streams had that place in --order, or a later one, behind them. They came twice, "
            "or the files are not in the order of their names."
        )


def _here(job: "Job", workers: int) -> "tuple[Job, Done]":
    from ..adapters.scoring import settle
    from ..adapters.workers import score as scored

    job = settle(job)
    with _bar(job) as watch:
        return job, scored(job, workers, watch)


def _on_spark(job: "Job", master: str) -> "tuple[Job, Done]":
    from ..adapters.spark_files import score as scored

    return job, scored(job, master)


def _listed(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def _job(
    model: Path,
    given: tuple[str, ...],
    output: Path,
    places: tuple[str, str],
    features: list[str] | None,
    keep: list[str],
    nan_policy: Any,
    shards: int,
) -> "Job":
    from ..adapters.columns import columns_of
    from ..adapters.keyed import KeyedStep
    from ..adapters.scoring import Job, inputs
    from ..adapters.tables import ENDINGS

    files = inputs(given, ENDINGS)
    endings = {Path(path).suffix for path in files}
    if len(endings) > 1:
        raise UsageError("--input names Parquet and CSV files; score them one after the other, into two folders.")
    step = KeyedStep(model, nan_policy=nan_policy)
    chosen = columns_of(step.shard.bank, *places, features, keep)
    return Job(step, chosen, files, str(output), shards, endings.pop())


def _summary(job: "Job", done: "Done", seconds: float) -> dict[str, Any]:
    return {
        "output": job.output,
        "files": len(job.files),
        "shards": job.shards,
        "seconds": round(seconds, 3),
        "steps_per_second": round(done.rows / seconds),
        **done._asdict(),
    }


def _print(told: dict[str, Any]) -> None:
    rows = [
        ("devices", f"{told['streams']:,}"),
        ("steps", f"{told['rows']:,} in {told['seconds']:,.3g} s: {told['steps_per_second']:,} a second"),
        ("parts", f"{told['parts']:,} written, {told['skipped']:,} finished before"),
    ]
    if told["repeats"]:
        rows.append(("left out", f"{told['repeats']:,} rows"))
    if told["bad_inputs"]:
        rows.append(("bad samples", f"{told['bad_inputs']:,}"))
    show.table(f"{told['output']}: {told['files']:,} file{'s' * (told['files'] != 1)} scored", (), rows)


@contextmanager
def _bar(job: "Job") -> "Iterator[Watch]":
    """A progress bar on a terminal's stderr, by bytes read."""
    from os.path import getsize

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    total, rows, begin = job.shards * sum(map(getsize, job.files)), 0, time.perf_counter()
    parts = (
        TextColumn("score"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    bar = Progress(*parts, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("", total=total)

    def watch(more: int, read: float) -> None:
        nonlocal rows
        rows += more
        bar.update(task, advance=read, description=f"{rows / (time.perf_counter() - begin) / 1e6:.2f} million steps/s")

    try:
        bar.start()
        yield watch
    finally:
        show.stop(bar)
