"""Whole files through Spark: it tells workers what to do, keeps the states, and sees no rows. Needs pyspark and pyarrow.

Workers read the files, write their rows packed by shard or lot into a hidden folder, read those, step them, and write files of answers
there; the driver gives these their names when all tasks have ended well. So the folder of answers must be one that all of them share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from shutil import rmtree
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import UsageError, printable
from ..runtime.samples import NanPolicyName
from .columns import columns_of
from .keyed import KeyedStep
from .packing import lots_of, pack_file, unpack, write_packed
from .scoring import Done, Job
from .spark import Ends, checked_shards, kept, prepare, stepped
from .tables import ENDINGS, Part

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql.streaming.readwriter import DataStreamWriter

#: Tasks that step, at most; a task steps several shards where there are more.
_MOST_TASKS = 10_000

_NOT_SHARED = "a worker has written it, and it is not here; name a folder that all workers and the driver share."

#: Where in the folder of answers parts are that have no name yet.
PARTS = ".parts"

#: What a task tells of packed rows that it has written, and how their files end; place: in which order those of a group are read.
_PACKED, _ROWS = "group int, place string, path string, begin long, size long", ".rows"

#: What a task tells of a part that it has written.
WRITTEN = "path string, name string, rows long, repeats long, streams long, bad_inputs long"
_FIELDS = [field.split()[0] for field in WRITTEN.split(", ")]

_Batches = Iterator["pa.RecordBatch"]


#: What Spark's source ``binaryFile`` must be told where it streams.
FILES = "path string, modificationTime timestamp, length long, content binary"


def job_for(
    model: str | os.PathLike[str] | KeyedStep,
    output: str | os.PathLike[str],
    *,
    key: str,
    order: str,
    features: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    shards: int = 64,
    nan_policy: NanPolicyName = "raise",
    ending: str = ".parquet",
) -> Job:
    """What `score` and `stream` do with files.

    Parameters
    ----------
    model, key, order, features, keep, shards, nan_policy
        As `spark.score`.
    output : str or os.PathLike
        The folder of answers, which all workers and this process see under this path.
    ending : str
        Of the files of answers: ``".parquet"`` or ``".csv"``. Files that end in ``.csv`` are read as such, all others as Parquet.

    Raises
    ------
    UsageError
        If columns do not fit the model.
    EdgeLSTMError
        As `KeyedStep`.
    """
    step = model if isinstance(model, KeyedStep) else KeyedStep(model, nan_policy=nan_policy)
    if ending not in ENDINGS:
        raise UsageError(f"files of answers end in {' or '.join(ENDINGS)}; got {printable(repr(ending), 60)}.")
    return Job(step, columns_of(step.shard.bank, key, order, features, keep), (), os.path.abspath(output), checked_shards(shards), ending)


def score(files: DataFrame, job: Job) -> Done:
    """Step the rows of all files, one stream a key, each from the initial state; a part of answers a shard.

    Parameters
    ----------
    files : pyspark.sql.DataFrame
        With a column ``path``, and ``content`` where workers cannot open the path themselves, as Spark's source ``binaryFile`` gives them.
        Files are taken in the order of the column ``place``, text, or of their paths.
    job : Job
        Its files are not looked at. All rows of a shard are in the memory of a worker at once.

    Raises
    ------
    UsageError
        If the folder of answers is there.
    """
    if os.path.exists(job.output):
        raise UsageError(f"{job.output}: is there already, and Spark begins anew; name a new folder.")
    os.makedirs(os.path.join(job.output, PARTS))
    try:
        given = _packed(files, job, job.shards)
        packed = given.repartition(min(job.shards, _MOST_TASKS), "group").groupBy("group")  # told how many, Spark does not merge tasks
        done = named(packed.applyInArrow(_scoring(job), WRITTEN).collect(), job)
    except BaseException:
        rmtree(job.output, ignore_errors=True)
        raise
    rmtree(os.path.join(job.output, PARTS))
    open(os.path.join(job.output, "_SUCCESS"), "x").close()  # as Spark marks a whole table
    return done


def stream(files: DataFrame, job: Job) -> DataStreamWriter:
    """Step the rows of files as they come, one stream a key, whose states Spark keeps; parts of answers for each micro-batch.

    A part is named by its micro-batch and lot of shards, and written again, with the same rows, where a micro-batch is done again: so
    nothing is lost, and nothing is there twice. Give the writer a ``checkpointLocation`` and start it.

    Parameters
    ----------
    files : pyspark.sql.DataFrame
        A streaming one, as `score` takes it.
    job : Job
        Its files are not looked at. The checkpoint is bound to the number of shards.

    Raises
    ------
    UsageError
        If it is no streaming table.
    """
    if not files.isStreaming:
        raise UsageError("stream takes a streaming DataFrame of files (spark.readStream); score takes this one.")
    prepare(files.sparkSession)
    rmtree(os.path.join(job.output, PARTS), ignore_errors=True)  # of a run that was killed
    os.makedirs(os.path.join(job.output, PARTS))

    def name(written: DataFrame, number: int) -> None:
        named(written.collect(), job, f"{number:08}-")
        for one in os.scandir(os.path.join(job.output, PARTS)):
            if one.name.endswith(_ROWS):
                os.remove(one.path)

    ends = Ends(_read, _writing(job), WRITTEN)
    return kept(_packed(files, job, lots_of(job.shards)), job.step, job.columns, job.shards, ends).writeStream.foreachBatch(name)


def _packed(files: DataFrame, job: Job, lots: int) -> DataFrame:
    """Where the rows of files are, packed by lot."""
    folder = os.path.join(job.output, PARTS)
    names = [name for name in ("path", "place", "content") if name in files.columns]

    def packed(batches: _Batches) -> _Batches:
        import pyarrow as pa

        path, told = os.path.join(folder, uuid4().hex + _ROWS), list[dict[str, Any]]()
        with pa.OSFile(path, "wb") as sink:
            for batch in batches:
                for lot, place, rows in _rows_of(batch.to_pylist(), job, lots):
                    begin = sink.tell()
                    write_packed(sink, rows)
                    told.append({"group": lot, "place": place, "path": path, "begin": begin, "size": sink.tell() - begin})
        if told:
            table = pa.Table.from_pylist(told)
            yield from table.set_column(0, "group", table["group"].cast(pa.int32())).to_batches()

    return files.select(*names).mapInArrow(packed, _PACKED)


def _rows_of(files: list[Any], job: Job, lots: int) -> Iterator[tuple[int, str, pa.Table]]:
    """As `pack_file`, of some files."""
    for file in files:
        path = file["path"].removeprefix("file://").removeprefix("file:")
        yield from pack_file(path, job.columns, job.shards, lots, file.get("place", path), file.get("content"))


def _read(row: Any) -> tuple[str, Any]:
    """The place of packed rows, and these.

    Raises
    ------
    UsageError
        If they are not here.
    """
    import pyarrow as pa

    try:
        with pa.OSFile(row["path"]) as file:
            file.seek(row["begin"])
            return row["place"], file.read_buffer(row["size"])
    except FileNotFoundError:
        raise UsageError(f"{row['path']}: {_NOT_SHARED}") from None


def _scoring(job: Job) -> Callable[[pa.Table], pa.Table]:
    """What steps all rows of a shard and writes their answers."""

    def scored(rows: pa.Table) -> pa.Table:
        own = job.step.begun()  # groups may be scored in threads of one process
        table = stepped(own, job.columns, unpack(map(_read, rows.to_pylist())))
        part = _Written(job, f"part-{rows['group'][0].as_py():05}")
        part.add(table)
        return table_of([tuple(part.finished(own.repeats, len(own), own.bad_inputs).values())])

    return scored


def _writing(job: Job) -> Callable[[int, pa.Table], dict[str, Any] | None]:
    """What writes the answers of a lot in a micro-batch."""

    def written(lot: int, answers: pa.Table) -> dict[str, Any] | None:
        if not answers.num_rows:
            return None
        part = _Written(job, f"{lot:05}")
        part.add(answers)
        return part.finished(0, 0, 0)

    return written


class _Written:
    """A part that has no name yet: a task that is done twice writes two, of which one is named."""

    def __init__(self, job: Job, stem: str) -> None:
        self._name, self._rows = stem + job.ending, 0
        self._path = os.path.join(job.output, PARTS, f"{uuid4().hex}{job.ending}")
        self._part = Part(self._path, job.columns)

    def add(self, answers: pa.Table) -> None:
        self._part.add(answers)
        self._rows += answers.num_rows

    def finished(self, repeats: int, streams: int, bad_inputs: int) -> dict[str, Any]:
        """As a row of `WRITTEN`."""
        self._part.finish()
        return dict(zip(_FIELDS, (self._path, self._name, self._rows, repeats, streams, bad_inputs), strict=True))


def table_of(told: list[tuple[Any, ...]]) -> pa.Table:
    """Rows of `WRITTEN` as a table."""
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), *(pa.int64() for _ in _FIELDS[2:]))
    schema = pa.schema(list(zip(_FIELDS, kinds, strict=True)))
    return pa.Table.from_pylist([dict(zip(_FIELDS, one, strict=True)) for one in told], schema)


def named(told: list[Any], job: Job, before: str = "") -> Done:
    """Give parts their names, now that all are there. before: what names begin with."""
    done = Done()
    absent = [one.path for one in told if not os.path.exists(one.path)]
    if absent:
        raise UsageError(f"{absent[0]}: {_NOT_SHARED}")
    for one in told:
        os.replace(one.path, os.path.join(job.output, before + one.name))
        done = done.plus(Done(one.rows, one.repeats, 1, 0, one.streams, one.bad_inputs))
    return done
