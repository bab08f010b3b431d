"""The seam to engines: a step over many streams by key as a function of bytes, which any worker can make for itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ModelFileError, UsageError, printable
from ..runtime.keyed import Key
from ..runtime.library_file import is_library
from ..runtime.samples import NanPolicyName
from ..runtime.states import Floats
from .lot import Lot
from .owners import shard_of
from .shard import Shard

if TYPE_CHECKING:
    from ..model import Model


__all__ = ["KeyedStep", "digest_of", "shard_of"]


class KeyedStep:
    """A model at work on keyed rows whose state an engine keeps as bytes.

    It is pickled by the path and the digest alone: whoever unpickles it loads the model from the path, verifies it and compiles it (or
    finds it compiled in its cache) with the first step. Weights and code never travel. It belongs to one thread at a time.

    Parameters
    ----------
    model_path : str or os.PathLike
        A model file or a built library, at the same path wherever steps are taken.
    digest : str, optional
        The model's digest, 64 hexadecimal digits. By default that of the file as it is now.
    nan_policy : {"raise", "hold", "reset", "propagate"}
        As `StreamBank`.
    reset_after : int, optional
        A stream begins anew where a sample's time is further than this behind that of the one before; `step_many` needs `t` then.
    follows : str or os.PathLike, optional
        The file of a model whose states are taken over: one of the same layers and sizes, with other weights.

    Attributes
    ----------
    model_path, digest : str
    options : dict
        `nan_policy`, `reset_after`, and the digests of the model that is followed and of this one.

    Raises
    ------
    UsageError
        If the model that is to be followed has other layers or sizes.
    ModelFileError
        If the file holds another model than the digest says; where no digest is given, as `edgelstm.load`.

    Examples
    --------
    >>> step = KeyedStep("pump.elstm")
    >>> blob, answers = step.step_many(None, ["pump-1", "pump-2"], [0, 0], samples)
    >>> blob, answers = step.step_many(blob, ["pump-1", "pump-2"], [1, 1], samples)
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str],
        digest: str | None = None,
        *,
        nan_policy: NanPolicyName = "raise",
        reset_after: int | None = None,
        follows: str | os.PathLike[str] | None = None,
    ) -> None:
        self.model_path = os.path.abspath(os.fspath(model_path))
        self.digest = digest if digest is not None else digest_of(self.model_path)
        succession = None if follows is None else (_followed(os.fspath(follows), self.model()), self.digest)
        self.options: dict[str, Any] = {"nan_policy": nan_policy, "reset_after": reset_after, "succession": succession}

    def __getstate__(self) -> dict[str, Any]:
        return {"model_path": self.model_path, "digest": self.digest, "options": self.options}

    def model(self) -> Model | str:
        """The model, or of a built library its path, loaded once in a process.

        Raises
        ------
        ModelFileError
            If the file holds another model than the digest says.
        """
        return _opened(self.model_path, self.digest)

    @cached_property
    def shard(self) -> Shard:
        """What steps in this process; made when first asked for.

        Raises
        ------
        ModelFileError
            If the file holds another model than the digest says.
        """
        return self.begun()

    def begun(self) -> Shard:
        """A new shard without streams, for a thread of its own."""
        return Shard(self.model(), **self.options)

    def lot(self, shards: int) -> Lot:
        """What steps several of so many shards together."""
        return Lot(self.model(), shards, **self.options)

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """Which rows of the last call were steps: (rows,)."""
        return self.shard.fresh

    @property
    def repeats(self) -> int:
        """Rows that were no steps since the state that the last call was given was the first one."""
        return self.shard.repeats

    def step_many(
        self, blob: bytes | None, keys: Sequence[Key] | NDArray[Any], seq: ArrayLike, xs: ArrayLike, t: ArrayLike | None = None
    ) -> tuple[bytes, Floats]:
        """Step every row from a state to the next one.

        Parameters
        ----------
        blob : bytes, optional
            The state of all streams of a shard as the last call gave it; None where there are none.
        keys, seq, xs, t
            As `Shard.step_many`.

        Returns
        -------
        blob : bytes
            The state after these rows.
        answers : (rows, output_size) float32
            The answer of each row; NaN where none is due, and where the row was no step: see `fresh`.

        Raises
        ------
        StateError
            If the state is damaged or of another model.
        InputError, UsageError
            As `Shard.step_many`.
        """
        self.shard.restore(blob)
        answers = self.shard.step_many(keys, seq, xs, t)
        return self.shard.snapshot(), answers

    def warmup(self) -> None:
        """Load, verify and compile now rather than with the first step."""
        assert self.shard is not None

    def __repr__(self) -> str:
        return printable(f"KeyedStep({self.model_path!r}, {self.digest[:12]}…)")


def digest_of(path: str) -> str:
    """The digest of the model in a file or a built library, as snapshots of its streams bear it.

    Raises
    ------
    EdgeLSTMError
        As `edgelstm.load`, or of a library as `Stream`.
    """
    if is_library(path):
        from ..runtime.program import open_library

        return open_library(path).sizes.digest.hex()
    from ..files.elstm import model_digest
    from ..loading import load

    return model_digest(load(path))


def _followed(path: str, model: Model | str) -> str:
    """The digest of the model in a file, if `model` can take over its states.

    Raises
    ------
    UsageError
    """
    from ..loading import load
    from ..runners.followers import same_architecture
    from ..stream import Stream

    if isinstance(model, str) or is_library(path) or not same_architecture(Stream(load(path)), Stream(model)):
        raise UsageError(f"{path}: is no model of the same layers and sizes, so that its states mean nothing here; begin anew.")
    return digest_of(path)


@lru_cache(maxsize=4)
def _opened(path: str, digest: str) -> Model | str:
    """The model at a path, or of a library the path, if it has this digest.

    Raises
    ------
    ModelFileError
    """
    from ..files.elstm import model_digest
    from ..loading import load

    library = is_library(path)
    found: Model | str = path if library else load(path)
    own = digest_of(path) if isinstance(found, str) else model_digest(found)
    if own != digest:
        raise ModelFileError(
            f"{path}: holds another model (digest {own[:12]}) than the one asked for ({printable(digest[:12])}); "
            "put that file there, or begin anew with this one."
        )
    return found
