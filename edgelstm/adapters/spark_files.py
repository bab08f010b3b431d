"""Files scored on Spark: a session of a master, its tables, and what it says of an error. Needs pyspark."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import EdgeLSTMError, UsageError, printable
from ..sources.extras import extra
from .scoring import Done, Job

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

#: Tasks that read files, at most; a task reads several where there are more.
_MOST_TASKS = 10_000

#: So many workers each read all files, if files have their rows in order.
_FEW = 4

#: An error of ours in the text of one of Spark's.
_OURS = re.compile(r"edgelstm\.errors\.(\w+): (.+)")

#: The last line of what Python says of an error in a worker.
_PYTHONS = re.compile(r"[\w.]*(Error|Exception): .")


def score(job: Job, master: str) -> Done:
    """Score the files of a job, and write Parquet or CSV files into its folder; workers read and write under the same paths.

    Parameters
    ----------
    job : Job
    master : str
        As Spark has it: ``local[4]``, ``spark://host:7077``, ``yarn``; ``sc://host`` is Spark Connect.

    Raises
    ------
    UsageError
        If pyspark is not installed, or the folder is there.
    EdgeLSTMError
        What a worker met, or Spark's own error as a sentence.
    """
    extra("pyspark.sql", "pyspark", "--spark", "spark")
    if os.path.exists(job.output):
        raise UsageError(f"{job.output}: is there already, and Spark begins anew; name a new folder.")
    paths = [os.path.abspath(path) for path in job.files]
    with _said(), _session(master) as session:
        from . import spark_shared
        from .spark_whole import score as scored

        job = job._replace(files=tuple(paths), output=os.path.abspath(job.output))
        workers = _workers(session)
        if 0 < workers <= _FEW and (done := spark_shared.score(session, job, workers)) is not None:
            return done
        numbers = session.range(0, len(paths), 1, min(len(paths), _MOST_TASKS))
        files = numbers.mapInArrow(_paths(paths), "path string, place string")
        return scored(files, job)


def _workers(session: SparkSession) -> int:
    """Tasks that run at a time; 0 where it is not told, as by Spark Connect."""
    from pyspark.errors import PySparkException

    try:
        return int(session.sparkContext.defaultParallelism)
    except (PySparkException, AttributeError, NotImplementedError):
        return 0


def _paths(paths: list[str]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What turns the numbers of files into their paths, each with its place among them."""

    def named(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            numbers = batch.column(0).to_pylist()
            arrays = [pa.array([paths[number] for number in numbers]), pa.array([f"{number:09}" for number in numbers])]
            yield pa.RecordBatch.from_arrays(arrays, names=["path", "place"])

    return named


@contextmanager
def _session(master: str) -> Iterator[SparkSession]:
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else Spark takes the python3 that it finds first
    builder: Any = SparkSession.builder.appName("edgelstm score")
    builder = builder.remote(master) if master.startswith("sc://") else builder.master(master).config("spark.log.level", "OFF")
    session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def _said() -> Iterator[None]:
    """Spark's errors as sentences: ours, where one is in them."""
    from pyspark.errors import PySparkException

    kinds: list[type[Exception]] = [PySparkException]
    with suppress(ImportError):  # Spark Connect's client does without
        kinds.append(import_module("py4j.protocol").Py4JError)
    try:
        yield
    except tuple(kinds) as problem:
        text = str(problem)
        if ours := _OURS.search(text):
            raise getattr(errors, ours[1], EdgeLSTMError)(ours[2]) from None
        lines = [line for line in text.splitlines() if line.strip()] or [type(problem).__name__]
        cause = next((line for line in reversed(lines) if line.startswith("Caused by: ") or _PYTHONS.match(line)), lines[0])
        raise EdgeLSTMError(f"Spark ended with an error: {printable(cause, 500)}") from None
