"""Sensors judged by what they gave in training: values out of range, channels that are stuck, means that have drifted."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..runtime import sensor_record as at
from ..statistics import InputStatistics
from .native_clock import counting

#: A value is in range up to this part of the training range beyond its ends.
MARGIN = 0.1

#: A channel is stuck when it has kept one value for more samples than twice its longest run in training, and than this.
SHORTEST_RUN = 16


class SensorChecks:
    """Looks at samples and changes none.

    Parameters
    ----------
    statistics : InputStatistics
        Of training.

    Attributes
    ----------
    record : (FIELDS, input_size) float64
        All that is known, as `runtime.sensor_record` lays it out; compiled code writes into it.

    Missing values, NaN, are in range and end no run.
    """

    def __init__(self, statistics: InputStatistics) -> None:
        self.statistics = statistics
        self.record: NDArray[np.float64] = at.made(statistics.input_size)
        record = self.record
        span = statistics.high - statistics.low  # (input_size,)
        record[at.LOW], record[at.HIGH] = statistics.low - MARGIN * span, statistics.high + MARGIN * span
        record[at.LONGEST] = np.where(span > 0, np.maximum(2 * statistics.longest_run, SHORTEST_RUN), np.inf)
        self._low, self._high, self._longest = record[at.LOW], record[at.HIGH], record[at.LONGEST]
        self._before, self._run, self._recent, self._weight = (record[row] for row in (at.BEFORE, at.RUN, at.RECENT, at.WEIGHT))
        self._shares = np.empty(0)  # what each sample of a block adds to the recent mean

    @property
    def samples(self) -> int:
        """Looked at."""
        return int(self.record[at.SEEN, 0])

    @property
    def out_of_range(self) -> NDArray[np.int64]:
        """How many values of each channel were beyond what training held, by more than a tenth of its range: (input_size,)."""
        counts: NDArray[np.int64] = self.record[at.OUT_OF_RANGE].astype(np.int64)
        return counts

    @property
    def stuck(self) -> NDArray[np.bool_]:
        """Which channels are stuck now: one value for more samples than twice its longest run in training, and than 16: (input_size,).

        A channel that never changed in training is never stuck.
        """
        stuck: NDArray[np.bool_] = self.record[at.STUCK] > 0
        return stuck

    @property
    def stuck_total(self) -> NDArray[np.int64]:
        """How often each became so: (input_size,)."""
        counts: NDArray[np.int64] = self.record[at.STUCK_TOTAL].astype(np.int64)
        return counts

    def look(self, rows: NDArray[np.floating]) -> None:
        """Look at samples in order of time, (count, input_size).

        Raises
        ------
        UsageError
            If they are of another width.
        """
        size = self.statistics.input_size
        if rows.ndim != 2 or rows.shape[1] != size:
            raise UsageError(f"these statistics are of {size} channels; got samples of shape {rows.shape}.")
        if not len(rows):
            return
        if rows.dtype == np.float32 and rows.dtype.isnative and rows.flags.c_contiguous and (handle := counting()) is not None:
            places = (self.record.ctypes.data, self.record.strides[0], rows.ctypes.data, *rows.shape)
            handle.edgelstm_look(*map(ctypes.c_int64, places))
        else:
            self.look_by_numpy(rows)

    def look_by_numpy(self, rows: NDArray[np.floating]) -> None:
        """The same where nothing is compiled, and of values of more digits; (count, input_size), at least one sample."""
        self.record[at.SEEN, 0] += len(rows)
        series = np.ascontiguousarray(rows.T)  # (input_size, count): sums along memory are quick
        low, high = series.min(axis=1), series.max(axis=1)  # (input_size,), NaN where a value is missing
        whole = bool(np.isfinite(low).all() and np.isfinite(high).all())
        if not whole or (low < self._low).any() or (high > self._high).any():
            self.record[at.OUT_OF_RANGE] += ((rows < self._low) | (rows > self._high)).sum(axis=0)
        if whole and not (series[:, 1:] == series[:, :-1]).any() and not (rows[0] == self._before).any():
            self._run[:], self.record[at.STUCK], self._before[:] = 1, 0, rows[-1]
        else:
            self._look_for_runs(rows, ~np.isnan(rows))
        if whole:
            self._follow_whole(series)
        else:
            self._follow_mean(np.where(np.isfinite(rows), rows, 0.0), np.isfinite(rows))

    def _look_for_runs(self, rows: NDArray[np.floating], known: NDArray[np.bool_]) -> None:
        for channel, (values, there) in enumerate(zip(rows.T, known.T, strict=True)):
            series = np.concatenate([self._before[channel : channel + 1], values[there]])
            if len(series) == 1:
                continue
            runs = self._runs(series, int(self._run[channel]))
            stuck = runs > self._longest[channel]
            began = stuck & ~np.append(self.record[at.STUCK, channel] > 0, stuck[:-1])
            self.record[at.STUCK_TOTAL, channel] += np.count_nonzero(began)
            self._before[channel], self._run[channel], self.record[at.STUCK, channel] = series[-1], runs[-1], stuck[-1]

    @staticmethod
    def _runs(series: NDArray[np.floating], before: int) -> NDArray[np.int64]:
        """For each value but the first: how many of the last values equal it, where the first ends a run of `before`."""
        place = np.arange(1, len(series))
        begun = np.maximum.accumulate(np.where(series[1:] != series[:-1], place, 0))  # 0: in the run that was there
        return np.where(begun > 0, place - begun + 1, before + place)

    def _follow_whole(self, series: NDArray[np.floating]) -> None:
        """`_follow_mean` of (input_size, count) where no value is missing."""
        count = series.shape[1]
        if len(self._shares) != count:
            self._shares = (1 - 1 / at.MEMORY) ** np.arange(count - 1, -1, -1) / at.MEMORY  # (count,)
        kept = (1 - 1 / at.MEMORY) ** count
        self._recent[:] = self._recent * kept + series @ self._shares
        self._weight[:] = self._weight * kept + (1 - kept)

    def _follow_mean(self, rows: NDArray[np.floating], known: NDArray[np.bool_]) -> None:
        kept = (1 - 1 / at.MEMORY) ** known[::-1].cumsum(axis=0)[::-1]  # (count, input_size) what is left of each value and those before
        share = np.where(known, kept / (1 - 1 / at.MEMORY) / at.MEMORY, 0.0)
        self._recent[:] = self._recent * kept[0] + (rows * share).sum(axis=0)
        self._weight[:] = self._weight * kept[0] + share.sum(axis=0)

    @property
    def drift(self) -> NDArray[np.float64]:
        """How far the mean of about the last 1,024 samples is from training's, in standard deviations of training: (input_size,).

        NaN where nothing came yet; infinite where training knew one value and another came.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            off = self._recent / self._weight - self.statistics.mean
            constant = (self.statistics.std == 0) & (np.abs(off) <= 1e-9 * np.abs(self.statistics.mean))
            found = np.where(constant, 0.0, off / self.statistics.std)
        return np.where(self._weight > 0, found, np.nan)
