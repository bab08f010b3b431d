"""Whole recordings in the batches of a data engine: a callable that Ray Data, Dask or a pool makes once a worker."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, printable
from .keyed import KeyedStep


class ScoreSequences:
    """Answers to recordings, each from the initial state: ``ds.map_batches(ScoreSequences, fn_constructor_args=(path,), concurrency=2)``.

    Parameters
    ----------
    model_path : str or os.PathLike
        A model file or a built library, at the same path on every worker.
    digest : str, optional
        The model's digest; by default that of the file where the callable is made.
    samples, answers : str
        Columns: that of the recordings, each (time, input_size), and the one that is added, each (time, output_size) float32.

    Raises
    ------
    EdgeLSTMError
        As `KeyedStep`.
    """

    def __init__(
        self, model_path: str | os.PathLike[str], digest: str | None = None, *, samples: str = "samples", answers: str = "answers"
    ) -> None:
        from ..stream import Stream

        self._samples, self._answers = samples, answers
        self._stream = Stream(KeyedStep(model_path, digest).model())

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The batch with the answers beside its columns.

        Parameters
        ----------
        batch : dict of str to array
            Recordings are one array (count, time, input_size), or, of several lengths, an array of arrays.

        Raises
        ------
        InputError
            If there are no recordings, or one has a wrong shape or a value that must not enter a state.
        """
        if self._samples not in batch:
            raise InputError(f"the batch has no column {printable(self._samples, 60)}; it has {printable(', '.join(batch), 200)}.")
        made = [self._one(recording) for recording in batch[self._samples]]
        if len({answers.shape for answers in made}) == 1:
            return {**batch, self._answers: np.stack(made)}
        ragged = np.empty(len(made), object)
        ragged[:] = made
        return {**batch, self._answers: ragged}

    def _one(self, recording: Any) -> NDArray[np.float32]:
        """Answers (time, output_size) to a recording from the initial state."""
        self._stream.reset()
        rows = list(recording) if isinstance(recording, np.ndarray) and recording.dtype.hasobject else recording
        return np.array(self._stream.process(np.asarray(rows, np.float32)))
