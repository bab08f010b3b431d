"""Few workers of Spark that each read all files and step their own devices, as those of `workers` do: no row is moved.

Where workers are few, a file that each reads costs less than rows that are packed, written and read again. Rows must stand in the order of
their places as `scoring` reads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from shutil import rmtree
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .scoring import STATES, Done, Job, work
from .spark_whole import PARTS, WRITTEN, named, table_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession


def score(session: SparkSession, job: Job, workers: int) -> Done | None:
    """Step the rows of a job's files, one stream a key, each from the initial state; the folder of answers must not be there.

    Returns
    -------
    Done or None
        None, and no folder, where a row stood behind a later one of its stream, or twice: that needs all rows of a stream at once.
    """
    os.makedirs(os.path.join(job.output, PARTS))
    try:
        told = session.range(0, workers, 1, workers).mapInArrow(_sharing(job, workers), WRITTEN).collect()
        done = None if any(one.repeats for one in told) else named(told, job)
    except BaseException:
        rmtree(job.output, ignore_errors=True)
        raise
    rmtree(job.output if done is None else os.path.join(job.output, PARTS))
    if done is not None:
        open(os.path.join(job.output, "_SUCCESS"), "x").close()
    return done


def _sharing(job: Job, workers: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What one of so many workers does; it tells of each part, with the first of all that was done."""

    def shared(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from table_of(_done(job, number, workers)).to_batches()

    return shared


def _done(job: Job, number: int, workers: int) -> list[tuple[Any, ...]]:
    """The rows that a worker tells: a task that is done twice has a folder for each time."""
    folder = os.path.join(job.output, PARTS, uuid4().hex)
    os.makedirs(os.path.join(folder, STATES))
    done = work(job._replace(output=folder, shards=workers), number, lambda rows, read: None)
    counts = done.rows, done.repeats, done.streams, done.bad_inputs
    parts = sorted(name for name in os.listdir(folder) if name != STATES)
    return [(os.path.join(folder, name), name, *(counts if k == 0 else (0, 0, 0, 0))) for k, name in enumerate(parts)]
