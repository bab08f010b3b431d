"""Keyed streams and the scoring of logs on Apache Spark 4: the state of many devices is one value, and one call steps them all.

A device belongs to a shard by the CRC-32 of its key; rows are grouped by shard, never by device. Needs pyspark, pandas and pyarrow, and
this package and the model's file on every worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import UsageError, printable
from ..runtime.keyed import Key
from ..runtime.samples import NanPolicyName
from ..sources.extras import extra
from .columns import Columns, check_there, columns_of
from .keyed import KeyedStep
from .packing import ANSWERS, INPUT, PACKED, lots_of, pack, packed_table, plain, unpack
from .shard import Shard

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

#: The column of a row's group; a table of the user has none that is called so.
_GROUP = "__edgelstm_group"

#: What errors of rows call what they come from.
_TABLE = "the table"


class Ends(NamedTuple):
    """What stands in front of the states, and behind them.

    Parameters
    ----------
    read : callable
        The place and the packed rows that a row of Spark's stands for.
    finish : callable
        A row of Spark's for the number of a lot and the answers to its rows; None: no row.
    schema : str
        Of that row.
    """

    read: Callable[[Any], tuple[str, Any]]
    finish: Callable[[int, Any], dict[str, Any] | None]
    schema: str


#: Settings that a state of shards needs, and what they are set to.
_STATE_STORE = {
    "spark.sql.streaming.stateStore.providerClass": "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider",
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
}


def score(
    df: DataFrame,
    model: str | os.PathLike[str] | KeyedStep,
    *,
    key: str,
    order: str,
    features: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    shards: int = 64,
    nan_policy: NanPolicyName = "raise",
) -> DataFrame:
    """Step a model through the rows of a table, one stream a key, each from the initial state.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        Of a session of its own or of Spark Connect. All rows of a shard are in the memory of a worker at once.
    model : str, os.PathLike or KeyedStep
        A model file or a built library, at the same path on every worker.
    key, order : str
        Columns: a row's stream (text or whole numbers), and its place in it (whole numbers or timestamps).
    features : sequence of str, optional
        Columns that hold the model's inputs, in its order; by default its own names.
    keep : sequence of str
        Columns to hand on beside the answers.
    shards : int
        Groups of devices; 64 to 256 devices in each are a good number.
    nan_policy : {"raise", "hold", "reset", "propagate"}
        As `StreamBank`; a null is no number.

    Returns
    -------
    pyspark.sql.DataFrame
        key, order, keep, and a float column for each value of an answer: the model's labels, or ``y0``, ``y1``, …. Rows come in no
        order; one whose key has another row of the same place is left out.

    Raises
    ------
    UsageError
        If columns do not fit the model.
    EdgeLSTMError
        As `KeyedStep`. What a worker meets comes as Spark's own error, with the sentence in it.
    """
    shards = checked_shards(shards)
    step, columns, given, schema = _prepared(df, model, key, order, features, keep, (shards, shards), nan_policy)

    def scored(rows: pa.Table) -> pa.Table:
        table = unpack(zip(rows["place"].to_pylist(), rows["rows"].to_pylist(), strict=True))
        return plain(stepped(step.begun(), columns, table))  # groups may be scored in threads of one process

    return _packed(given, columns.key).groupBy("group").applyInArrow(scored, schema)


def stream(
    df: DataFrame,
    model: str | os.PathLike[str] | KeyedStep,
    *,
    key: str,
    order: str,
    features: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    shards: int = 64,
    nan_policy: NanPolicyName = "raise",
) -> DataFrame:
    """Step a model through an endless table, one stream a key, whose states Spark keeps from micro-batch to micro-batch.

    Spark's checkpoint holds what was read, what was written and the states together: after a crash no row is lost, and none is stepped
    twice. A row whose place its stream has behind it already is left out. The session is set to keep states in RocksDB, with a log of
    changes, as `transformWithStateInPandas` needs it. Choose the number of shards for good: the checkpoint is bound to it.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        A streaming one.
    model, key, order, features, keep, shards, nan_policy
        As `score`.

    Returns
    -------
    pyspark.sql.DataFrame
        As `score`; write it with output mode ``append``.

    Raises
    ------
    UsageError
        If it is no streaming table, or columns do not fit the model.
    EdgeLSTMError
        As `KeyedStep`.
    """
    if not df.isStreaming:
        raise UsageError("stream takes a streaming DataFrame (spark.readStream); score takes this one.")
    shards = checked_shards(shards)
    step, columns, given, schema = _prepared(df, model, key, order, features, keep, (shards, lots_of(shards)), nan_policy)
    prepare(df.sparkSession)

    ends = Ends(lambda row: (row["place"], row["rows"]), lambda lot, answers: {"rows": packed_table(answers)}, ANSWERS)

    def unpacked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from plain(unpack(("", one) for one in batch.column(0).to_pylist())).to_batches()

    return kept(_packed(given, columns.key), step, columns, shards, ends).mapInArrow(unpacked, schema)


def checked_shards(shards: object) -> int:
    """A number of shards.

    Raises
    ------
    UsageError
        If it is none.
    """
    if isinstance(shards, bool) or not isinstance(shards, int) or shards < 1:
        raise UsageError(f"shards is a whole number, 1 or more; got {printable(repr(shards), 60)}.")
    return shards


def prepare(session: SparkSession) -> None:
    """Let a session keep states as the state of shards needs it."""
    for name, value in _STATE_STORE.items():
        session.conf.set(name, value)


def kept(packed: DataFrame, step: KeyedStep, columns: Columns, shards: int, ends: Ends) -> DataFrame:
    """What becomes of the answers to rows that are packed by lot, stepped by states that Spark keeps."""
    from .spark_state import FramesProcessor, KeyedProcessor

    grouped, given = packed.groupBy("group"), (step, columns, shards, ends)
    if hasattr(grouped, "transformWithState"):
        return grouped.transformWithState(KeyedProcessor(*given), ends.schema, "Append", "None")
    return grouped.transformWithStateInPandas(FramesProcessor(*given), ends.schema, "Append", "None")


def _packed(given: DataFrame, key: str) -> DataFrame:
    """Rows as `_prepared` selects them, packed by group before Spark moves them."""

    def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return pack(batches, _GROUP, key)

    return given.mapInArrow(packed, PACKED)


def stepped(shard: Shard, columns: Columns, table: pa.Table, restore: Callable[[list[Key]], None] | None = None) -> pa.Table:
    """The answers to rows as `packing` has them, each beside its key; rows that were no steps are left out.

    restore: is told of the keys before their streams are stepped.

    Raises
    ------
    InputError
        If a row has no key or no place, or a value must not enter a state.
    """
    import pyarrow as pa

    from .tables import keys_of, numbers_of, samples_of

    names, codes = keys_of(table.column(columns.key).combine_chunks(), _TABLE)
    if restore is not None:
        restore(names)
    xs = samples_of(table, [f"{INPUT}{j}" for j in range(len(columns.features))], _TABLE)
    answers = shard.step_coded(names, codes, numbers_of(table, columns.order, _TABLE), xs)
    chosen = shard.fresh
    if shard.bank.every * shard.bank.first > 1:
        chosen = chosen & ~np.isnan(answers).all(axis=1)
    made = table.select([columns.key, columns.order, *columns.keep])
    if not chosen.all():
        made, answers = made.filter(pa.array(chosen)), answers[chosen]
    for j, name in enumerate(columns.answers):
        made = made.append_column(name, pa.array(np.ascontiguousarray(answers[:, j])))
    return made.cast(pa.schema([field.with_type(_in_utc(field.type)) for field in made.schema]))


def _in_utc(kind: pa.DataType) -> pa.DataType:
    """A type of Arrow as Spark takes it: an instant goes out in the zone of the session, and is to come back in UTC."""
    import pyarrow as pa

    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz is not None else kind


def _prepared(
    df: DataFrame,
    model: str | os.PathLike[str] | KeyedStep,
    key: str,
    order: str,
    features: Sequence[str] | None,
    keep: Sequence[str],
    groups: tuple[int, int],
    nan_policy: NanPolicyName,
) -> tuple[KeyedStep, Columns, DataFrame, Any]:
    """What steps, which columns, the table with a column for each thing that the step reads, and the schema of answers.

    groups: shards, and the lots into which they go.
    """
    functions, types = (extra(f"pyspark.sql.{name}", "pyspark", "this", "spark") for name in ("functions", "types"))
    step = model if isinstance(model, KeyedStep) else KeyedStep(model, nan_policy=nan_policy)
    columns = columns_of(step.shard.bank, key, order, features, keep)
    check_there(columns, df.columns, "the table")
    fields = {field.name: field.dataType for field in df.schema.fields}
    column = _column(functions)
    if not isinstance(fields[order], types.IntegralType | types.TimestampType):
        raise UsageError(f"rows are ordered by whole numbers or timestamps; {printable(order, 60)} is {fields[order].simpleString()}.")
    if not isinstance(fields[key], types.IntegralType | types.StringType):
        raise UsageError(f"a key is text or a whole number; {printable(key, 60)} is {fields[key].simpleString()}.")
    shard = functions.crc32(column(key).cast("string").cast("binary")) % groups[0]
    given = df.select(
        (shard % groups[1]).cast("int").alias(_GROUP),
        *(column(name) for name in (key, order, *columns.keep)),
        *(column(name).cast("float").alias(f"{INPUT}{j}") for j, name in enumerate(columns.features)),
    )
    beside = [types.StructField(name, fields[name]) for name in (key, order, *columns.keep)]
    answers = [types.StructField(name, types.FloatType()) for name in columns.answers]
    return step, columns, given, types.StructType([*beside, *answers])


def _column(functions: Any) -> Callable[[str], Any]:
    """Columns by name, to the letter."""

    def named(name: str) -> Any:
        return functions.col("`" + name.replace("`", "``") + "`")

    return named
