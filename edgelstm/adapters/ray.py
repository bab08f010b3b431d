"""Keyed streams on Ray: actors that each hold a shard, restarted by Ray, put right by checkpoints and by what came since.

Needs ray; `ScoreSequences` for Ray Data stands here too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import EdgeLSTMError, UsageError, printable
from ..field.many import whole
from ..field.store import StateStore
from ..runtime.keyed import Integers, Key, sequence
from ..runtime.samples import NanPolicyName
from ..runtime.states import Floats
from ..runtime.writing import write_atomic
from ..sources.extras import extra
from .keyed import KeyedStep, shard_of
from .sequences import ScoreSequences as ScoreSequences  # noqa: PLC0414  users of Ray find it here

#: How often in a row an actor may be lost over the same rows before the error is the caller's.
_MOST_LOSSES = 8

#: Seconds that a process which was killed may take to end.
_DYING = 60.0


class _Rows(NamedTuple):
    """Part of a call that one shard takes."""

    keys: list[Any]
    seq: Integers
    xs: NDArray[Any]
    t: Integers | None


class _BegunAnew(Exception):
    """An actor was asked in the belief that it is the one it was before."""


class _Actor:
    """A shard in a process of its own.

    Ray may have restarted it unseen between two calls, so each call names the life that it means: an actor that has begun anew from the
    last checkpoint takes none for that of before. An empty life means any.
    """

    def __init__(self, step: KeyedStep, store: str, number: int) -> None:
        self._shard, self._life = step.begun(), uuid4().hex
        self._store = _store_of(Path(store), number)
        kept = self._store.newest()
        if kept is not None:
            self._shard.restore(kept.state)

    def _meant(self, life: str) -> None:
        if life not in {"", self._life}:
            raise _BegunAnew

    def step_many(self, life: str, rows: _Rows) -> tuple[str, Floats, NDArray[np.bool_]]:
        self._meant(life)
        answers = self._shard.step_many(*rows)
        return self._life, answers, self._shard.fresh

    def checkpoint(self, life: str) -> int:
        self._meant(life)
        self._store.write(self._shard.snapshot(), {})
        return self._store.generation

    def numbers(self, life: str) -> dict[Key, int]:
        self._meant(life)
        return self._shard.numbers()

    def facts(self) -> tuple[int, int, str]:
        return self._shard.bank.output_size, os.getpid(), self._life


class RayStreams:
    """Streams of one model by key, shared by actors; an actor that is lost comes back with its streams as they were.

    A key belongs to an actor by its CRC-32. Each actor keeps its state in `store`; rows since then are kept here and stepped again when
    it comes back, so that answers are those of one process to the last bit. If this process is lost too, make another with the same
    store, and let the source begin behind `numbers()`: rows that were stepped are no steps again.

    Parameters
    ----------
    model_path : str, os.PathLike or KeyedStep
        A model file or a built library, at the same path on every node.
    store : str or os.PathLike
        Folder of the states, one that every node sees.
    shards : int
        Actors. A store belongs to one number of them.
    every : int
        Rows of a shard from one checkpoint to the next.
    nan_policy : {"raise", "hold", "reset", "propagate"}
        As `StreamBank`.
    resources : dict, optional
        Options of the actors, as ``num_cpus``; 1 processor each by default.

    Attributes
    ----------
    fresh : (rows,) bool
        Which rows of the last call were steps.
    losses : int
        Actors that were lost and came back.

    Raises
    ------
    UsageError
        If ray is not installed or not started (``ray.init()``), or the store was made by another number of shards.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | KeyedStep,
        store: str | os.PathLike[str],
        *,
        shards: int = 2,
        every: int = 1000,
        nan_policy: NanPolicyName = "raise",
        resources: dict[str, Any] | None = None,
    ) -> None:
        self._ray = extra("ray", "ray", "RayStreams", "ray")
        if not self._ray.is_initialized():
            raise UsageError("Ray is not started; call ray.init() first, with the cluster's address where there is one.")
        self._count, self._every = whole("shards", shards), whole("every", every)
        step = model_path if isinstance(model_path, KeyedStep) else KeyedStep(model_path, nan_policy=nan_policy)
        folder = os.path.abspath(os.fspath(store))
        _settle(folder, self._count)
        made = self._ray.remote(max_restarts=-1, **{"num_cpus": 1, **(resources or {})})(_Actor)
        self._actors = [made.remote(step, folder, number) for number in range(self._count)]
        self._since: list[list[_Rows]] = [[] for _ in self._actors]  # rows since the checkpoint, by shard
        self._lives = [""] * self._count
        self._lost = (self._ray.exceptions.RayActorError, _BegunAnew)
        self.fresh, self.losses = np.zeros(0, np.bool_), 0
        self.output_size = self._ray.get(self._actors[0].facts.remote())[0]

    def step_many(self, keys: Sequence[Key] | NDArray[Any], seq: ArrayLike, xs: ArrayLike, t: ArrayLike | None = None) -> Floats:
        """As `Shard.step_many`; all shards at once.

        Returns
        -------
        (rows, output_size) float32

        Raises
        ------
        InputError, UsageError
            If a shard refuses its rows: none of them was stepped. Those of other shards were.
        """
        keys, numbers, samples = sequence(keys), np.asarray(seq), np.asarray(xs)
        times = None if t is None else np.asarray(t)
        if not len(keys) == len(numbers) == len(samples):
            raise UsageError(f"step_many takes a number and a sample a key; got {len(keys)} keys, {len(numbers)} and {len(samples)}.")
        owner = np.fromiter((shard_of(key, self._count) for key in keys), np.int64, len(keys))
        parts = {int(shard): np.flatnonzero(owner == shard) for shard in np.unique(owner)}
        rows = {
            shard: _Rows([keys[i] for i in at.tolist()], numbers[at], samples[at], None if times is None else times[at])
            for shard, at in parts.items()
        }
        calls = {shard: self._actors[shard].step_many.remote(self._lives[shard], given) for shard, given in rows.items()}
        answers = np.full((len(keys), self.output_size), np.nan, np.float32)
        self.fresh = np.zeros(len(keys), np.bool_)
        refused: list[EdgeLSTMError] = []
        for shard, call in calls.items():
            try:
                answers[parts[shard]], self.fresh[parts[shard]] = self._stepped(shard, call, rows[shard])
            except EdgeLSTMError as problem:
                refused.append(problem)
        if refused:
            raise refused[0]
        return answers

    def _stepped(self, shard: int, call: Any, rows: _Rows) -> tuple[Floats, NDArray[np.bool_]]:
        """What an actor answers to rows, which are kept until the next checkpoint."""
        self._lives[shard], answers, fresh = self._answered(shard, "step_many", rows, call=call)
        self._since[shard].append(rows)
        if sum(len(given.keys) for given in self._since[shard]) >= self._every:
            self._checkpoint(shard)
        return answers, fresh

    def _answered(self, shard: int, method: str, *given: Any, call: Any = None) -> Any:
        """What a method of an actor answers, though the actor be lost in between. call: where it was asked already."""
        for _ in range(_MOST_LOSSES):
            try:
                return self._ray.get(getattr(self._actors[shard], method).remote(self._lives[shard], *given) if call is None else call)
            except self._lost:
                call = None
                self._bring_back(shard)
        raise EdgeLSTMError(f"the actor of shard {shard} was lost {_MOST_LOSSES} times over the same rows; look into Ray's logs.")

    def _checkpoint(self, shard: int) -> None:
        """Put the state of a shard on the disk; where its actor is lost meanwhile, its rows are kept for the next time."""
        try:
            self._ray.get(self._actors[shard].checkpoint.remote(self._lives[shard]))
        except self._lost:
            self._bring_back(shard)
            return
        self._since[shard] = []

    def _bring_back(self, shard: int) -> None:
        """Wait until Ray has restarted an actor, and step its rows since the checkpoint again."""
        self.losses += 1
        facts = self._actors[shard].facts.options(max_task_retries=-1)  # a call without retries fails meanwhile
        self._lives[shard] = self._ray.get(facts.remote())[2]
        for before in self._since[shard]:
            self._actors[shard].step_many.remote(self._lives[shard], before)

    def checkpoint(self) -> None:
        """Put the states of all shards on the disk."""
        for shard in range(self._count):
            self._checkpoint(shard)

    def numbers(self) -> dict[Key, int]:
        """The number of the sample that each stream took last: what a source goes on behind."""
        found: dict[Key, int] = {}
        for shard in range(self._count):
            found |= self._answered(shard, "numbers")
        return found

    def close(self) -> None:
        """Checkpoint, and end the actors."""
        self.checkpoint()
        for actor in self._actors:
            self._ray.kill(actor)


def _store_of(folder: Path, shard: int) -> StateStore:
    """The states of a shard, when the process that has them has ended: Ray may start an actor anew before the one it killed is gone.

    Raises
    ------
    UsageError
        As `StateStore`, if it has them for longer.
    """
    end = time.monotonic() + _DYING
    while True:
        try:
            return StateStore(folder, f"shard-{shard}")
        except UsageError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.05)


def _settle(folder: str, shards: int) -> None:
    """Bind a store to its number of shards.

    Raises
    ------
    UsageError
    """
    path = Path(folder, "shards")
    Path(folder).mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomic(str(path), b"%d\n" % shards)
    found = path.read_text(encoding="utf-8", errors="replace").strip()
    if found != str(shards):
        raise UsageError(f"{folder}: holds the states of {printable(found, 20)} shards; ask for as many, or name another folder.")
