"""What Spark calls with the rows and the state of a shard. Needs pyspark; `spark.stream` imports it.

Spark's stateful operator hands every row to Python by itself. So rows are packed before: all that a task has of a shard become one row,
which holds them as an Arrow stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql.streaming import StatefulProcessor

from .columns import Columns
from .keyed import KeyedStep
from .spark import stepped

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: The schema of packed rows.
PACKED = "shard int, rows binary"


def pack(batches: Iterator[pa.RecordBatch], shard: str) -> Iterator[pa.RecordBatch]:
    """All rows of a task as one a shard. shard: the column that holds the number of a row's shard."""
    import pyarrow as pa

    given = list(batches)
    if not any(batch.num_rows for batch in given):
        return
    table = pa.Table.from_batches(given)
    numbers = table.column(shard).to_numpy()
    order = np.argsort(numbers, kind="stable")
    table = table.drop_columns([shard]).take(pa.array(order))
    found, begins, counts = np.unique(numbers[order], return_index=True, return_counts=True)
    rows = [_bytes(table.slice(begin, count)) for begin, count in zip(begins.tolist(), counts.tolist(), strict=True)]
    yield pa.RecordBatch.from_arrays([pa.array(found, pa.int32()), pa.array(rows, pa.binary())], names=["shard", "rows"])


def _bytes(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def unpack(rows: Iterator[Any]) -> pd.DataFrame:
    """Rows that `pack` has packed."""
    import pyarrow as pa

    return pa.concat_tables([pa.ipc.open_stream(one).read_all() for one in rows]).to_pandas()


class KeyedProcessor(StatefulProcessor):  # type: ignore[misc]
    """Steps the streams of a shard, whose state is one value: the bytes of `Shard.snapshot`.

    Parameters
    ----------
    step : KeyedStep
    columns : Columns
    """

    def __init__(self, step: KeyedStep, columns: Columns) -> None:
        self._step, self._columns = step, columns

    def init(self, handle: Any) -> None:
        self._state = handle.getValueState("shard", "blob BINARY")

    def handleInputRows(self, key: Any, rows: Iterator[pd.DataFrame], timerValues: Any) -> Iterator[pd.DataFrame]:
        kept = self._state.get()
        shard = self._step.shard
        shard.restore(None if kept is None else bytes(kept[0]))
        answers = stepped(shard, self._columns, unpack(one for frame in rows for one in frame["rows"]))
        self._state.update((shard.snapshot(),))
        yield answers

    def close(self) -> None:
        """Nothing is open."""
