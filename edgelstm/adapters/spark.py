"""Keyed streams and the scoring of logs on Apache Spark 4: the state of many devices is one value, and one call steps them all.

A device belongs to a shard by the CRC-32 of its key; rows are grouped by shard, never by device. Needs pyspark, pandas and pyarrow, and
this package and the model's file on every worker.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UsageError, printable
from ..runtime.samples import NanPolicyName
from ..sources.extras import extra
from .columns import Columns, check_there, columns_of
from .keyed import KeyedStep
from .shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame

#: Names of columns between Spark and the step; a table of the user has none that begin so.
_SHARD, _NUMBER, _INPUT = "__edgelstm_shard", "__edgelstm_number", "__edgelstm_x"

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
    step, columns, given, schema = _prepared(df, model, key, order, features, keep, shards, nan_policy)

    def scored(rows: pd.DataFrame) -> pd.DataFrame:
        return stepped(step.begun(), columns, rows)  # groups may be scored in threads of one process

    return given.groupBy(_SHARD).applyInPandas(scored, schema)


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
    step, columns, given, schema = _prepared(df, model, key, order, features, keep, shards, nan_policy)
    from .spark_state import PACKED, KeyedProcessor, pack

    for name, value in _STATE_STORE.items():
        df.sparkSession.conf.set(name, value)

    def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return pack(batches, _SHARD)

    processor = KeyedProcessor(step, columns)
    return given.mapInArrow(packed, PACKED).groupBy("shard").transformWithStateInPandas(processor, schema, "Append", "None")


def stepped(shard: Shard, columns: Columns, rows: pd.DataFrame) -> pd.DataFrame:
    """The answers to rows as `_prepared` selects them, each beside its key; rows that were no steps are left out.

    Raises
    ------
    InputError
        If a row has no key or no place, or a value must not enter a state.
    """
    import pandas as pd

    codes, names = pd.factorize(rows[columns.key])
    if (codes < 0).any() or rows[_NUMBER].isna().any():
        raise InputError(f"a row has no {columns.key} or no {columns.order}; leave such rows out.")
    xs = rows[[f"{_INPUT}{j}" for j in range(len(columns.features))]].to_numpy(np.float32)
    answers = shard.step_coded(names.tolist(), codes.astype(np.int64), rows[_NUMBER].to_numpy(np.int64), xs)
    chosen = shard.fresh
    if shard.bank.every * shard.bank.first > 1:
        chosen = chosen & ~np.isnan(answers).all(axis=1)
    made = rows.loc[chosen, [columns.key, columns.order, *columns.keep]].reset_index(drop=True)
    for j, name in enumerate(columns.answers):
        made[name] = answers[chosen, j]
    return made


def _prepared(
    df: DataFrame,
    model: str | os.PathLike[str] | KeyedStep,
    key: str,
    order: str,
    features: Sequence[str] | None,
    keep: Sequence[str],
    shards: int,
    nan_policy: NanPolicyName,
) -> tuple[KeyedStep, Columns, DataFrame, Any]:
    """What steps, which columns, the table with a column for each thing that the step reads, and the schema of answers."""
    functions, types = (extra(f"pyspark.sql.{name}", "pyspark", "this", "spark") for name in ("functions", "types"))
    if isinstance(shards, bool) or not isinstance(shards, int) or shards < 1:
        raise UsageError(f"shards is a whole number, 1 or more; got {printable(repr(shards), 60)}.")
    step = model if isinstance(model, KeyedStep) else KeyedStep(model, nan_policy=nan_policy)
    columns = columns_of(step.shard.bank, key, order, features, keep)
    check_there(columns, df.columns, "the table")
    fields = {field.name: field.dataType for field in df.schema.fields}
    column = _column(functions)
    number = column(order)
    if isinstance(fields[order], types.TimestampType):
        number = functions.unix_micros(number)
    elif not isinstance(fields[order], types.IntegralType):
        raise UsageError(f"rows are ordered by whole numbers or timestamps; {printable(order, 60)} is {fields[order].simpleString()}.")
    if not isinstance(fields[key], types.IntegralType | types.StringType):
        raise UsageError(f"a key is text or a whole number; {printable(key, 60)} is {fields[key].simpleString()}.")
    shard = functions.crc32(column(key).cast("string").cast("binary")) % shards
    given = df.select(
        shard.cast("int").alias(_SHARD),
        *(column(name) for name in (key, order, *columns.keep)),
        number.cast("long").alias(_NUMBER),
        *(column(name).cast("float").alias(f"{_INPUT}{j}") for j, name in enumerate(columns.features)),
    )
    beside = [types.StructField(name, fields[name]) for name in (key, order, *columns.keep)]
    answers = [types.StructField(name, types.FloatType()) for name in columns.answers]
    return step, columns, given, types.StructType([*beside, *answers])


def _column(functions: Any) -> Callable[[str], Any]:
    """Columns by name, to the letter."""

    def named(name: str) -> Any:
        return functions.col("`" + name.replace("`", "``") + "`")

    return named
