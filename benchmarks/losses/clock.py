"""Clocks that are set back: that of the computer between one process and the next, and that of the samples on their way."""

import os
import random
import signal
import time
from pathlib import Path

import numpy as np

import edgelstm as el

from .runs import Runs, end, samples

#: Seconds between samples, and how many lie between two times that their clock is set back.
PERIOD, SET = 0.02, 40


def set_back(folder: Path, times: int) -> dict[str, int]:
    """Kill a run so often; the next one sees a clock an hour earlier, and the dates of its files are of 1970. All samples come again."""
    text = folder / "samples.csv"
    told = ("--time", "t", "--keep", "n", "--state-every", "0", "--max-gap", "1", "--bad-lines", "skip", "--nan-policy", "hold")
    runs, draw = Runs(folder, "-i", text, "--sequence", "n", *told), random.Random(10)
    rows = next(iter(samples(1, SET * max(4, times // 5)).values()))
    moments = [i * PERIOD - 3600 * (i // SET) for i in range(len(rows))]
    lines = [f"{i},{t:.6f},{','.join(map(repr, row))}\n" for i, (t, row) in enumerate(zip(moments, rows.tolist(), strict=True))]
    for kill in range(times + 1):
        text.write_text("n,t,ax,ay,az\n" + "".join(lines[: len(lines) * kill // times]))
        for file in runs.kept.glob("state/*.state"):
            os.utime(file, (0, 0))
        child = runs.start(lambda hours=kill: _set_back(hours))
        if kill < times:
            time.sleep(draw.uniform(0, 0.12))
            end(child, signal.SIGKILL)
        else:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, runs.said.read_text()[-500:]
    timed = el.Timed(el.Stream(runs.model), PERIOD, max_gap=1.0)
    expected = [answer for x, t in zip(rows, moments, strict=True) for answer in timed.step(x, round(t, 6))]
    got = [cells[1:] for cells in runs.lines()]
    assert np.array_equal(np.array(got, np.float32), np.array(expected)), "other answers than one stream gives"
    return {"clock set back": times, "that of the samples": timed.counts.clock_jumps, "samples": len(rows), "lost": 0, "counted twice": 0}


def _set_back(hours: int) -> None:
    """Let this process see an earlier clock."""
    now = time.time
    time.time = lambda: now() - 3600 * hours
