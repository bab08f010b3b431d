"""What all have in common that step many streams of one model by key: which there are, and what runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import UsageError, printable
from ..runtime.facts import Facts
from ..runtime.keyed import Key, Keyed
from ..runtime.program import Program, open_library
from ..runtime.samples import NanPolicyName, check_policy, policy_of
from ..runtime.states import CompiledStepper, LibraryStepper, States, Stepper
from ..runtime.threads import Threads

if TYPE_CHECKING:
    from ..model import Model


class ManyStreams(Facts):
    """Streams of one model, each of which has a key.

    Parameters
    ----------
    model : Model, str or os.PathLike
        A model, or the path of a built library.
    capacity : int
        Most streams at a time.
    nan_policy : {"raise", "hold", "reset", "propagate"}
    windows : int
        States of each stream.
    threads : int
        How many share the streams of a call.
    """

    def __init__(
        self, model: Model | str | os.PathLike[str], capacity: int, nan_policy: NanPolicyName, *, windows: int, threads: int
    ) -> None:
        policy = policy_of(nan_policy)
        self.capacity, self.threads = whole("capacity", capacity), whole("threads", threads)
        self.program, self._digest, steppers = _opened(model, self.threads)
        self._sizes = self.program.sizes
        check_policy(policy, self._sizes)
        stepper = Threads(steppers) if len(steppers) > 1 else steppers[0]
        self._states = States(self.program, policy, stepper, self.capacity * windows)
        self._keyed = Keyed(self.capacity)

    def __len__(self) -> int:
        return len(self._keyed.slots)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str | int | bytes | np.integer) and key in self._keyed.slots

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys())

    def keys(self) -> list[Key]:
        """The keys of all streams, in the order in which they came."""
        return list(self._keyed.slots)

    def drop(self, key: Key) -> None:
        """Forget a stream.

        Raises
        ------
        UsageError
            If there is none of this key.
        """
        self._keyed.drop(key)

    def _told(self) -> dict[str, Any]:
        about = self.program.about()
        return {**about.outline, "target": about.target}

    def _shown(self, more: str) -> str:
        """The object in a line."""
        from ..runtime.outline import line

        return printable(f"{type(self).__name__}({line(self._told())}, {more})")

    def __reduce__(self) -> NoReturn:
        raise UsageError(f"a {type(self).__name__} is neither copied nor pickled; make another, and give it what snapshots hold.")


def whole(name: str, value: Any) -> int:
    """A parameter that is a whole number, 1 or more.

    Raises
    ------
    UsageError
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise UsageError(f"{name} is a whole number, 1 or more; got {printable(repr(value), 60)}.")
    return int(value)


def _opened(model: Model | str | os.PathLike[str], threads: int) -> tuple[Program, str, list[Stepper]]:
    """What runs, the model's digest, and what steps in each thread."""
    if isinstance(model, str | os.PathLike):
        program = open_library(os.fspath(model))
        _check_steps(program.reads_recordings)
        return program, program.sizes.digest.hex(), [LibraryStepper(program) for _ in range(threads)]
    from ..compiler.plan import plan_of
    from ..compiler.streams import streams_of
    from ..files.elstm import model_digest
    from ..model import Model

    if not isinstance(model, Model):
        raise UsageError(f"expected a Model, or the path of a built library; got {printable(type(model).__name__, 60)}.")
    _check_steps(not model.streams)
    plan = plan_of(model)
    streams = streams_of(plan)
    return plan.program, model_digest(model), [CompiledStepper(plan.program, streams) for _ in range(threads)]


def _check_steps(whole_recordings: bool) -> None:
    if whole_recordings:
        raise UsageError(
            "this model reads whole recordings and keeps nothing from one to the next, so that there is nothing to keep by key; "
            "Stream(model).process takes several recordings in one call."
        )
