"""What Spark calls with the packed rows and the states of a lot. Needs pyspark; `spark.kept` imports it.

Spark's stateful operator takes milliseconds for a key, and hands every row to Python by itself. So its key is a lot of many shards, whose
rows are packed before it and answered in it; the states are one value a shard, of which those that are stepped are read and written.
Values are text, in base 64: Spark hands over bytes as text too, but one by one, which takes it longer than all else.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator
from typing import Any

from pyspark.sql import Row
from pyspark.sql.streaming import StatefulProcessor

from ..errors import StateError
from ..runtime.keyed import Key
from .columns import Columns
from .keyed import KeyedStep
from .lot import Lot
from .packing import unpack
from .spark import Ends, stepped

#: The state that tells how many shards there are, among those of shards.
_NUMBER = (-1,)


class KeyedProcessor(StatefulProcessor):  # type: ignore[misc]
    """Steps the streams of a lot, whose states are values by shard: `Shard.snapshot` as text.

    Parameters
    ----------
    step : KeyedStep
    columns : Columns
    shards : int
        All that there are.
    ends : Ends
        Where rows come from, and what becomes of the answers.
    """

    def __init__(self, step: KeyedStep, columns: Columns, shards: int, ends: Ends) -> None:
        self._step, self._columns, self._shards, self._ends = step, columns, shards, ends

    def init(self, handle: Any) -> None:
        self._states = handle.getMapState("shards", "shard INT", "blob STRING")

    def handleInputRows(self, key: Any, rows: Iterator[Any], timerValues: Any) -> Iterator[Any]:
        if (made := self.answers(key[0], map(self._ends.read, rows))) is not None:
            yield Row(**made)

    def answers(self, number: int, packed: Iterable[tuple[str, Any]]) -> dict[str, Any] | None:
        """What becomes of the answers to packed rows of a lot; the states go on."""
        lot = self._step.lot(self._shards)
        answers = stepped(lot, self._columns, unpack(packed), lambda names: self._restore(lot, names))
        for shard, blob in lot.snapshot_each().items():
            self._states.updateValue((shard,), (b2a_base64(blob, newline=False).decode(),))
        return self._ends.finish(number, answers)

    def _restore(self, lot: Lot, names: list[Key]) -> None:
        """Take up the states of these streams.

        Raises
        ------
        StateError
            If they were kept in another number of shards, or as `Lot.restore_each`.
        """
        own = str(self._shards)
        if (kept := self._states.getValue(_NUMBER)) is None:
            self._states.updateValue(_NUMBER, (own,))
        elif kept[0] != own:
            raise StateError(f"the checkpoint keeps {kept[0]} shards, not {own}; give that number, or begin anew.")
        found = ((shard, self._states.getValue((shard,))) for shard in sorted({*lot.owners(names).tolist()}))
        lot.restore_each({shard: a2b_base64(value[0]) for shard, value in found if value is not None})

    def close(self) -> None:
        """Nothing is open."""


class FramesProcessor(KeyedProcessor):
    """The same for `transformWithStateInPandas`, which Spark 4.0 has alone; frames cost it milliseconds."""

    def handleInputRows(self, key: Any, rows: Iterator[Any], timerValues: Any) -> Iterator[Any]:
        import pandas as pd

        packed = (row for frame in rows for row in frame.to_dict("records"))
        if (made := self.answers(int(key[0]), map(self._ends.read, packed))) is not None:
            yield pd.DataFrame({name: [value] for name, value in made.items()})
