"""A model over the logs of many devices, on one machine: worker processes share the devices, and a finished part is not done again.

A shard is the devices whose keys have one CRC-32 modulo the number of shards. It reads the files in order, keeps only its own rows, and
writes a part for each file; behind each part its streams' states go to the disk, with how many files they have seen.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, StateError, UsageError, printable
from ..field.store import StateStore
from ..runtime.keyed import Key
from ..runtime.writing import write_atomic
from .columns import Columns
from .keyed import KeyedStep
from .owners import shards_of
from .shard import Shard
from .tables import Batch, Part, batches, numbers_of, samples_of

#: Where in the folder of answers the states are; readers of tables pass over names that begin so.
STATES = ".states"

_SETTLED = "score.json"


class Job(NamedTuple):
    """What all workers do.

    Parameters
    ----------
    step : KeyedStep
    columns : Columns
    files : tuple of str
        In the order in which they are read.
    output : str
        The folder of answers.
    shards : int
    ending : str
        Of the parts: ``".parquet"`` or ``".csv"``.
    """

    step: KeyedStep
    columns: Columns
    files: tuple[str, ...]
    output: str
    shards: int
    ending: str


class Done(NamedTuple):
    """What a worker has done.

    Parameters
    ----------
    rows, repeats : int
        Rows that were steps, and rows that were none, since their stream had taken a sample of that number or of a later one.
    parts, skipped : int
        Parts written, and parts that were there already.
    streams : int
        Devices there are.
    bad_inputs : int
        Samples that the NaN policy acted upon.
    """

    rows: int = 0
    repeats: int = 0
    parts: int = 0
    skipped: int = 0
    streams: int = 0
    bad_inputs: int = 0

    def plus(self, other: Done) -> Done:
        """Both together."""
        return Done(*(one + more for one, more in zip(self, other, strict=True)))


#: Is told of rows that were stepped, and of bytes of files that were read.
Watch = Callable[[int, float], None]


def settle(job: Job) -> Job:
    """Make the folder of answers, or take it up where another run has left it; the shards are those of the first run.

    Raises
    ------
    UsageError
        If what is there was made otherwise.
    """
    folder = Path(job.output, STATES)
    wanted = {
        "version": 1,
        "digest": job.step.digest,
        "ending": job.ending,
        "options": job.step.options,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in job.columns._asdict().items()},
    }
    path = folder / _SETTLED
    with _alone(job.output, folder):
        if not path.exists():
            if any(name != STATES for name in os.listdir(job.output)):
                raise UsageError(f"{job.output}: holds something else already; name a new folder.")
            write_atomic(str(path), json.dumps({**wanted, "shards": job.shards}, indent=1).encode())
            return job
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        shards = int(found.pop("shards"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StateError(f"{path}: is damaged; name a new folder.") from None
    for name, value in wanted.items():
        if found.get(name) != value:
            raise UsageError(f"{job.output}: was made with another {name} ({printable(found.get(name), 60)}); name a new folder.")
    return job._replace(shards=shards)


@contextmanager
def _alone(output: str, folder: Path) -> Iterator[None]:
    """Make a folder, and be alone in it when others begin there now, who may settle otherwise."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "score.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as problem:
        raise UsageError(f"{output}: no answers can be kept there ({problem.strerror}); name another folder.") from None
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def work(job: Job, shard: int, watch: Watch) -> Done:
    """All files of one shard, from where its state on the disk says.

    Raises
    ------
    EdgeLSTMError
        Parts that were finished before stay.
    """
    own = job.step.begun()
    store = StateStore(Path(job.output, STATES), f"shard-{shard}")
    try:
        begin, done = _take_up(job, store, own)
        for path in job.files[:begin]:
            watch(0, _bytes(path))
        for index in range(begin, len(job.files)):
            done = done.plus(_part(job, shard, index, own, watch))
            marks = {"files": index + 1, "names": _names_digest(job.files[: index + 1])}
            store.write(own.snapshot(), marks)
        return done._replace(streams=len(own), bad_inputs=own.bad_inputs)
    finally:
        store.close()


def _take_up(job: Job, store: StateStore, own: Shard) -> tuple[int, Done]:
    """Restore the newest state; the first file that it has not seen."""
    kept = store.newest()
    if kept is None:
        return 0, Done()
    count = int(kept.marks.get("files", -1))
    if kept.marks.get("names") != _names_digest(job.files[:count]) or not 0 <= count <= len(job.files):
        raise UsageError(
            f"{job.output}: {count} files are finished, and these are not the first of those given now; files may come behind them, in "
            "the order of their names, not in between. Name a new folder to score all."
        )
    own.restore(kept.state)
    return count, Done(skipped=count)


def _names_digest(files: Sequence[str]) -> str:
    return sha256("\n".join(os.path.basename(path) for path in files).encode("utf-8", "surrogateescape")).hexdigest()


def _bytes(path: str) -> float:
    return float(os.path.getsize(path))


def _part(job: Job, shard: int, index: int, own: Shard, watch: Watch) -> Done:
    """Step a shard's rows of one file, and write their answers."""
    path, size = job.files[index], _bytes(job.files[index])
    stem = f"{index:05}-{Path(path).stem}"
    part = Part(os.path.join(job.output, stem + f".{shard}" * (job.shards > 1) + job.ending), job.columns)
    rows, before, sparse = 0, own.repeats, own.bank.every * own.bank.first > 1
    for batch in batches(path, job.columns):
        places, names, codes = _own(batch, shard, job.shards)
        if len(codes):
            numbers = numbers_of(batch.table, job.columns.order, path)
            xs = samples_of(batch.table, job.columns.features, path, places)
            try:
                answers = own.step_coded(names, codes, numbers if places is None else numbers[places], xs)
            except InputError as problem:
                raise InputError(f"{path}: {problem}") from None
            written = np.flatnonzero(own.fresh & ~np.isnan(answers).all(axis=1) if sparse else own.fresh)
            if len(written) < len(answers):
                answers, places = answers[written], written if places is None else places[written]
            part.write(batch.table, places, answers)
            rows += int(own.fresh.sum())
        watch(len(codes), batch.share * size)
    part.finish()
    return Done(rows=rows, repeats=own.repeats - before, parts=1)


def _own(batch: Batch, shard: int, shards: int) -> tuple[NDArray[np.int64] | None, list[Key], NDArray[np.int64]]:
    """Which rows belong to a shard, None for all; the keys that do; and which of these each of its rows has."""
    if shards == 1:
        return None, batch.names, batch.codes
    mine = shards_of(batch.names, shards) == shard  # (names,)
    places = np.flatnonzero(mine[batch.codes])
    names = [batch.names[i] for i in np.flatnonzero(mine).tolist()]
    return places, names, (np.cumsum(mine) - 1)[batch.codes[places]]


def inputs(given: Sequence[str], endings: Sequence[str]) -> tuple[str, ...]:
    """Files that patterns and folders name, each once, in the order of their names; numbers in names count as numbers.

    Raises
    ------
    UsageError
        If one names no file.
    """
    import glob

    found: dict[str, None] = {}
    for one in given:
        pattern = os.path.join(glob.escape(one), "**", "*") if os.path.isdir(one) else one
        paths = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
        if os.path.isdir(one):
            paths = [path for path in paths if path.endswith(tuple(endings))]
        if not paths:
            raise UsageError(
                f"{printable(one)}: there is no such file; give files, a pattern in quotes such as 'logs/*.parquet', or a folder."
            )
        found |= dict.fromkeys(paths)
    odd = [path for path in found if not path.endswith(tuple(endings))]
    if odd:
        raise UsageError(f"{printable(odd[0])}: files of samples end in {' or '.join(endings)} here.")
    return tuple(sorted(found, key=_natural))


def _natural(path: str) -> list[Any]:
    """A name whose numbers count as numbers: day-9 comes before day-10."""
    import re

    return [(1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in re.split(r"(\d+)", path)]
