"""Rows packed by group for the way between processes: all that a task has of a group is one value, an Arrow stream. Needs pyarrow.

A group is a shard, or a lot of several shards where a call of the engine costs more than what it hands over.
An engine in Java takes microseconds for a row, and hardly more for a value of a megabyte. Packed rows have the columns that `spark.stepped`
reads: key, order, what is kept, and one for each input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .owners import shards_of
from .tables import Batch, batches

if TYPE_CHECKING:
    import pyarrow as pa

#: How the columns of inputs begin; a table of the user has none that begin so.
INPUT = "__edgelstm_x"

#: The schemas of packed rows, and of packed answers. place: in which order the values of a group are unpacked.
PACKED, ANSWERS = "group int, place string, rows binary", "rows binary"

#: Shards of a lot, and lots that there are at least where there are as many shards: tasks share them.
_OF_A_LOT, _LEAST_LOTS = 32, 16


def lots_of(shards: int) -> int:
    """Into how many lots so many shards go: shard `s` into lot ``s % lots``. It follows from the shards, to which states are bound."""
    return min(shards, max(_LEAST_LOTS, shards // _OF_A_LOT))


def pack(batches: Iterator[pa.RecordBatch], group: str, key: str) -> Iterator[pa.RecordBatch]:
    """All rows of a task as one a group. group, key: the columns that hold the number of a row's group, and its key."""
    import pyarrow as pa

    given = list(batches)
    if not any(batch.num_rows for batch in given):
        return
    table = pa.Table.from_batches(given)
    numbers = table.column(group).to_numpy()
    order = np.argsort(numbers, kind="stable")
    table = table.drop_columns([group]).take(pa.array(order))
    at = table.schema.get_field_index(key)
    found, begins, counts = np.unique(numbers[order], return_index=True, return_counts=True)
    slices = (table.slice(begin, count) for begin, count in zip(begins.tolist(), counts.tolist(), strict=True))
    rows = [packed_table(one.set_column(at, key, one.column(at).dictionary_encode())) for one in slices]
    arrays = [pa.array(found.astype(np.int32)), pa.array([""] * len(rows)), pa.array(rows, pa.binary())]
    yield pa.RecordBatch.from_arrays(arrays, names=["group", "place", "rows"])


def pack_file(
    path: str, columns: Columns, shards: int, lots: int, place: str, content: bytes | None = None
) -> Iterator[tuple[int, str, pa.Table]]:
    """The rows of a file, by lot: its number, a place, and the rows as they are packed.

    Parameters
    ----------
    path, content
        As `tables.batches` takes them.
    columns : Columns
    shards, lots : int
    place : str
        Of the file among those whose rows come together; its rows keep their order.

    Raises
    ------
    ModelFileError, InputError, UsageError
        As `tables.batches`.
    """
    names, of = list[Any](), np.zeros(0, np.int64)
    for number, batch in enumerate(batches(path, columns, content)):
        if batch.names is not names:
            names = batch.names
            of = shards_of(names, shards) % lots
        if len(batch.codes):
            for lot, rows in _by_group(batch, of, lots, columns):
                yield lot, f"{place}/{number:09}", rows


def _by_group(batch: Batch, of: NDArray[np.int64], groups: int, columns: Columns) -> Iterator[tuple[int, pa.Table]]:
    """of: the group of each name of the batch."""
    import pyarrow as pa

    names = np.argsort(of, kind="stable")
    firsts = np.searchsorted(of[names], np.arange(groups))  # the first name of each group
    places = np.empty_like(names)
    places[names] = np.arange(len(names)) - firsts[of[names]]  # of each name among those of its group
    numbers = of[batch.codes].astype(np.uint16 if groups <= 1 << 16 else np.int64)
    order = np.argsort(numbers, kind="stable")
    rows = pa.array(order)
    beside = [batch.table.column(name).take(rows) for name in (columns.order, *columns.keep)]
    inputs = [batch.table.column(name).take(rows) for name in columns.features]
    codes = pa.array(places[batch.codes[order]].astype(np.int32))
    names_of = pa.array(batch.names, _kind(batch.table.column(columns.key).type)).take(pa.array(names))
    found, begins, counts = np.unique(numbers[order], return_index=True, return_counts=True)
    labels = [columns.key, columns.order, *columns.keep, *(f"{INPUT}{j}" for j in range(len(inputs)))]
    ends = np.append(firsts, len(names))
    for group, begin, count in zip(found.tolist(), begins.tolist(), counts.tolist(), strict=True):
        keys = pa.DictionaryArray.from_arrays(codes.slice(begin, count), names_of[ends[group] : ends[group + 1]])
        arrays = [keys, *(column.slice(begin, count) for column in (*beside, *inputs))]
        yield group, pa.table(arrays, names=labels)


def _kind(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values, whether it is a dictionary or not."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def packed_table(table: pa.Table) -> bytes:
    """A table as bytes, which `unpack` takes."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    write_packed(sink, table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def write_packed(sink: Any, table: pa.Table) -> None:
    """Write a table to what is open in pyarrow, as `unpack` takes it."""
    import pyarrow as pa

    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def unpack(rows: Iterable[tuple[str, Any]]) -> pa.Table:
    """What was packed, with its places, one behind the other."""
    import pyarrow as pa

    given = sorted(rows, key=itemgetter(0))
    return pa.concat_tables([pa.ipc.open_stream(one).read_all() for _, one in given]).combine_chunks()


def plain(table: pa.Table) -> pa.Table:
    """A table without dictionaries, which Java does not read."""
    import pyarrow as pa

    return table.cast(pa.schema([field.with_type(_kind(field.type)) for field in table.schema]))
