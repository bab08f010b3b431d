"""Files scored on Spark: a session of a master, its tables, and what it says of an error. Needs pyspark."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import EdgeLSTMError, UsageError, printable
from ..sources.extras import extra
from . import spark
from .scoring import Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: An error of ours in the text of one of Spark's.
_OURS = re.compile(r"edgelstm\.errors\.(\w+): (.+)")


def score(job: Job, master: str) -> int:
    """Score the files of a job, and write Parquet or CSV files into its folder; how many rows there are.

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
    with _said(), _session(master) as session:
        reader = session.read.option("header", "true").option("inferSchema", "true")
        reading = {".parquet": reader.parquet, ".csv": lambda *files: reader.csv(list(files))}[job.ending]
        columns = job.columns
        answers = spark.score(
            reading(*(os.path.abspath(path) for path in job.files)),
            job.step,
            key=columns.key,
            order=columns.order,
            features=columns.features,
            keep=columns.keep,
            shards=job.shards,
        )
        writer = answers.write.option("header", "true")
        target = os.path.abspath(job.output)
        if job.ending == ".csv":
            writer.csv(target)
            return int(session.read.option("header", "true").csv(target).count())
        writer.option("compression", "zstd").parquet(target)
        return int(session.read.parquet(target).count())


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
        cause = next((line for line in reversed(lines) if line.startswith("Caused by: ")), lines[0])
        raise EdgeLSTMError(f"Spark ended with an error: {printable(cause, 500)}") from None
