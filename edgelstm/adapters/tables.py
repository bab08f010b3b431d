"""Rows of Parquet and CSV files as keys, numbers and samples, and files of answers that are whole or not there. Needs pyarrow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelFileError, printable
from ..runtime.keyed import Integers, Key
from ..runtime.states import Floats
from .columns import Columns, check_there

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows that are taken at a time.
BATCH_ROWS = 1 << 19

#: Bytes of a CSV file that are parsed at a time.
_BLOCK_BYTES = 1 << 25

#: Bytes of a column of a Parquet file that are read at a time: whole columns would go through memory that is new to the processor's caches.
_READ_BYTES = 1 << 18

#: Endings of files that can be read.
ENDINGS = (".parquet", ".csv")


class Batch(NamedTuple):
    """Some rows of a table.

    Parameters
    ----------
    table : pyarrow.RecordBatch
    names : list
        Keys, each once; the same list as of the rows before where they are the same.
    codes : (rows,) int64
        Which of them each row has.
    share : float
        How much of the file it is.
    """

    table: pa.RecordBatch
    names: list[Key]
    codes: Integers
    share: float


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Errors of pyarrow as sentences that name the file."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowException as problem:
        reason = printable(str(problem).splitlines()[0] if str(problem) else type(problem).__name__, 200)
        raise ModelFileError(f"{path}: cannot be read as a table ({reason}); leave the file out, or write it again.") from None


def batches(path: str, columns: Columns, content: bytes | None = None) -> Iterator[Batch]:
    """The rows of a file, in its order. content: its bytes, where they are here already; the path says what it is in any case.

    Raises
    ------
    ModelFileError, InputError, UsageError
        If it is no table, lacks a column, or a row has no key.
    """
    import pyarrow as pa

    opened = _csv if path.endswith(".csv") else _parquet
    source = opened(path, columns, content)
    row, known, names = 0, None, list[Key]()
    while True:
        with _readable(path):
            table, share = next(source, (None, 0.0))
            if table is None:
                return
            column = table.column(columns.key)
            again = pa.types.is_dictionary(column.type) and known is not None and column.dictionary.equals(known)
            names, codes = keys_of(column, path, row, names if again else None)
            known = column.dictionary if pa.types.is_dictionary(column.type) else None
        yield Batch(table, names, codes, share)
        row += len(codes)


def _parquet(path: str, columns: Columns, content: bytes | None) -> Iterator[tuple[Any, float]]:
    import pyarrow.parquet as pq

    source = path if content is None else BytesIO(content)
    with pq.ParquetFile(source, read_dictionary=[columns.key], pre_buffer=False, buffer_size=_READ_BYTES) as file:
        check_there(columns, file.schema_arrow.names, path)
        rows = max(file.metadata.num_rows, 1)
        for table in file.iter_batches(BATCH_ROWS, columns=columns.read, use_threads=False):
            yield table, table.num_rows / rows


def _csv(path: str, columns: Columns, content: bytes | None) -> Iterator[tuple[Any, float]]:
    from csv import reader as rows_of

    import pyarrow as pa
    from pyarrow import csv

    if content is None:
        with open(path, encoding="utf-8", errors="replace") as file:
            heading = file.readline()
    else:
        heading = content.partition(b"\n")[0].decode(errors="replace")
    check_there(columns, next(rows_of([heading.lstrip("\ufeff")]), []), path)
    types = {columns.key: pa.string(), **dict.fromkeys(columns.features, pa.float32())}
    size = max(os.path.getsize(path) if content is None else len(content), 1)
    reading = csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
    converting = csv.ConvertOptions(column_types=types, include_columns=columns.read)
    with csv.open_csv(path if content is None else BytesIO(content), read_options=reading, convert_options=converting) as reader:
        for table in reader:
            yield table, min(1.0, _BLOCK_BYTES / size)


def keys_of(column: Any, path: str, row: int = 0, names: list[Key] | None = None) -> tuple[list[Key], Integers]:
    """Keys, each once, and which of them each row has: (rows,).

    Parameters
    ----------
    column : pyarrow.Array
    path : str
    row : int
        Which of the file the first one is.
    names : list, optional
        The keys, where they are known.

    Raises
    ------
    InputError
    """
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    kind = column.type.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)):
        raise InputError(f"{path}: a key is text, a whole number or bytes; this column holds {printable(kind, 60)}.")
    if column.null_count or column.dictionary.null_count:
        at = int(np.argmin(column.is_valid().to_numpy(zero_copy_only=False)))
        raise InputError(f"{path}: row {row + at} has no key; leave such rows out.")
    names, codes = column.dictionary.to_pylist() if names is None else names, column.indices.to_numpy().astype(np.int64)
    if "" in names and len(empty := np.flatnonzero(codes == names.index(""))):
        raise InputError(f"{path}: row {row + int(empty[0])} has no key; leave such rows out.")
    return names, codes


def numbers_of(table: Any, name: str, path: str) -> Integers:
    """The places of rows in their streams, (rows,): whole numbers, or times in nanoseconds, whatever the unit of a file.

    Raises
    ------
    InputError
    """
    import pyarrow as pa

    column = table.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_timestamp(column.type)):
        raise InputError(f"{path}: rows are ordered by whole numbers or times; column {printable(name, 60)} holds {column.type}.")
    if column.null_count:
        raise InputError(f"{path}: a row has no {printable(name, 60)}; leave such rows out.")
    with _readable(path):
        if pa.types.is_timestamp(column.type):  # files differ: a CSV's unit is seconds where no time in it has a fraction
            column = column.cast(pa.timestamp("ns", column.type.tz))
        numbers: Integers = column.cast(pa.int64()).to_numpy()
    return numbers


def samples_of(table: Any, features: Sequence[str], path: str, places: Integers | None = None) -> Floats:
    """Samples (rows, inputs) of all rows of a table, or of those at `places`; what is absent is NaN.

    Raises
    ------
    InputError
    """
    import pyarrow as pa

    xs = np.empty((table.num_rows if places is None else len(places), len(features)), np.float32)
    for j, name in enumerate(features):
        column = table.column(name)
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
            raise InputError(f"{path}: inputs are numbers; column {printable(name, 60)} holds {printable(column.type, 60)}.")
        values = column.to_numpy(zero_copy_only=False)  # (rows of the table,)
        xs[:, j] = values if places is None else values[places]
    return xs


class Part:
    """A file of answers: it has its name when it is whole and on the disk, and not before.

    Parameters
    ----------
    path : str
        What ends in ``.csv`` is a CSV file, all else a Parquet file.
    columns : Columns
    """

    def __init__(self, path: str, columns: Columns) -> None:
        self._path, self._columns = path, columns
        folder, name = os.path.split(path)
        self._temporary = os.path.join(folder, f".{name}.tmp")
        self._writer: Any = None

    def write(self, table: Any, places: Integers | None, answers: NDArray[np.float32]) -> None:
        """Rows of a table beside their answers, (rows, outputs): all, or those at `places`."""
        import pyarrow as pa

        columns = self._columns
        beside = [table.column(name) for name in (columns.key, columns.order, *columns.keep)]
        if places is not None:
            beside = [column.take(pa.array(places)) for column in beside]
        given = [pa.array(np.ascontiguousarray(answers[:, j])) for j in range(answers.shape[1])]
        names = [columns.key, columns.order, *columns.keep, *columns.answers]
        self.add(pa.Table.from_arrays([*beside, *given], names=names))

    def add(self, answered: Any) -> None:
        """Rows beside their answers: a table of the columns key, order, those that are kept, and the answers."""
        if self._writer is None:
            self._writer = self._opened(answered.schema)
        self._writer.write_table(answered)

    def _opened(self, schema: Any) -> Any:
        if self._path.endswith(".csv"):
            from pyarrow import csv

            return csv.CSVWriter(self._temporary, schema)
        import pyarrow.parquet as pq

        return pq.ParquetWriter(self._temporary, schema, use_dictionary=[self._columns.key], write_statistics=[self._columns.order])

    def finish(self) -> None:
        """Give the file its name. Where nothing was written there is none."""
        if self._writer is None:
            return
        self._writer.close()
        descriptor = os.open(self._temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(self._temporary, self._path)
