"""A slow twin of streams on a grid of time, and moments to step it at."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from cli_calls import make_model
from hypothesis import strategies as st

import edgelstm as el
from edgelstm.field.grid import TimeCounts

NAN = float("nan")
MODEL = replace(make_model(), window=None)


class Twin:
    """The rules of docs/gateway.md, read out slowly: instants are found by counting, and answers by stepping all rows once more."""

    def __init__(self, nan_policy, on_gap, max_gap, jitter, late):
        self.nan_policy, self.on_gap, self.max_gap, self.jitter, self.late = nan_policy, on_gap, Fraction(max_gap), Fraction(jitter), late
        self.rows, self.instant, self.last, self.astray = [], None, None, None
        self.stream, self.resets, self.bad = el.Stream(MODEL), 0, 0
        self.counts = dict.fromkeys(TimeCounts().record(), 0)

    def step(self, x, t):
        """The answers, or None for a sample that is refused."""
        t = Fraction(t)
        event, missing = self.event(t)
        if event in ("duplicates", "extra", "late"):
            self.counts["samples"] += 1
            self.counts[event] += 1
            if event == "late":
                self.astray = t if self.last - t > self.max_gap else None
            return None if event == "late" and self.late == "error" else []
        if self.nan_policy == "raise" and not np.isfinite(x).all():
            return None
        anew = event in ("first", "long_gaps", "clock_jumps") or (missing and self.on_gap == "reset") or not self.rows
        answers = self.anew(x) if anew else [answer for row in self.filled(x, missing) for answer in self.enter(row)]
        self.move(t, event, missing, anew)
        return answers

    def event(self, t):
        if self.instant is None:
            return "first", 0
        if t == self.last:
            return "duplicates", 0
        if t < self.last:
            back = self.last - t > self.max_gap and self.astray is not None and self.astray < t <= self.astray + self.max_gap
            return ("clock_jumps" if back else "late"), 0
        if t - self.last > self.max_gap:
            return "long_gaps", 0
        nearest = 0
        while abs(self.instant + nearest + 1 - t) <= abs(self.instant + nearest - t):
            nearest += 1
        return ("due", nearest - 1) if nearest else ("extra", 0)

    def anew(self, x):
        if self.rows:
            self.resets += 1
        self.rows = []
        return self.enter(x)

    def filled(self, x, missing):
        last = self.rows[-1]
        for number in range(1, missing + 1):
            if self.on_gap == "hold":
                yield last
            elif self.on_gap == "interpolate":
                there = np.isfinite(x)
                part = number / (missing + 1)
                line = [float(a) + (float(b) - float(a)) * part if ok else a for a, b, ok in zip(last, x, there, strict=True)]
                yield np.array(line, np.float32)
        yield x

    def enter(self, row):
        bad = ~np.isfinite(row)
        self.bad += bad.any()
        if bad.any() and self.nan_policy == "reset":
            self.rows = []
            return [np.full(2, NAN, np.float32)]
        self.rows.append(np.where(bad, self.rows[-1] if self.rows else np.float32(0), row))
        self.stream.reset()
        return [self.stream.process(np.array(self.rows))[-1]]

    def move(self, t, event, missing, anew):
        self.counts["samples"] += 1
        if event in self.counts:
            self.counts[event] += 1
        self.counts["gaps"] += missing > 0
        self.counts["missing"] += missing
        if anew:
            self.instant = t
        else:
            due = self.instant + missing + 1
            off = t - due
            self.counts["jitter"] += abs(off) > self.jitter
            self.instant = due + max(min(off, self.jitter), -self.jitter) / 8
        self.last, self.astray = t, None


def moments():
    """Steps of time in eighths of a period: on time, jittered, twice, late, over gaps, and clocks that are set."""
    usual = st.sampled_from([8, 8, 8, 8, 7, 9, 11, 5, 0, 3, -8, 16, 24, 37, 48, 49, 80, -60, -4000, 4000])
    values = st.sampled_from([0.5, -1.0, 0.25, NAN])
    return st.lists(st.tuples(usual, st.tuples(values, values, st.just(1.0))), min_size=1, max_size=14)
