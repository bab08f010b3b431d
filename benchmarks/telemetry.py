"""What telemetry costs a step: the same samples through the same stream, observed and not, in turns: ``python benchmarks/telemetry.py``.

The difference is that of the fastest passes; what a run makes once, before its first sample, is not in it. Blocks of one sample are lines
that come one by one; files and banks give larger ones. Steps vary by more than telemetry takes, so that a line is of blocks with which
nothing is done. The last line is of ``el.Observed.step`` beside ``stream.step``.
"""

import argparse
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from grid import Row, make_case

import edgelstm as el
from edgelstm.field.sensors import SensorChecks
from edgelstm.field.telemetry import About, Telemetry
from edgelstm.runners import Samples

#: Samples of a pass, and how many passes of each kind are made.
STEPS, PASSES = 8192, 40


def blocks_of(rows: np.ndarray, size: int) -> list[Samples]:
    """The rows as runners hand them on."""
    return [Samples(rows[start : start + size], range(start, start + size)) for start in range(0, len(rows), size)]


def seconds(stream: el.Stream, blocks: Iterable[Any]) -> float:
    """How long it takes to answer all blocks."""
    begin = time.perf_counter()
    for block in blocks:
        stream.process(block.values)
    return time.perf_counter() - begin


def cost(row: Row, size: int, *, looked_at: bool) -> tuple[float, float]:
    """Nanoseconds a step without telemetry, and what it adds."""
    case = make_case(row)
    stream = el.Stream(case.model)
    rows = np.ascontiguousarray(np.resize(case.inputs, (STEPS, stream.input_size)))
    blocks = blocks_of(rows, size)
    sensors = SensorChecks(el.InputStatistics.of(rows)) if looked_at else None
    telemetry = Telemetry(About(stream.digest, el.__version__), deadline=0.02, sensors=sensors)
    plain, observed = [], []
    for _ in range(PASSES):
        plain.append(seconds(stream, blocks))
        observed.append(seconds(stream, telemetry.observe(blocks)))
    return 1e9 * min(plain) / STEPS, 1e9 * (min(observed) - min(plain)) / STEPS


def waiting(row: Row, *, looked_at: bool) -> tuple[float, float]:
    """Nanoseconds of a loop that does nothing with blocks of one sample, and what telemetry adds: no step's time is in it to vary."""
    rows = np.ascontiguousarray(np.resize(make_case(row).inputs, (STEPS, row.input_size)))
    blocks, sensors = blocks_of(rows, 1), SensorChecks(el.InputStatistics.of(rows)) if looked_at else None
    telemetry = Telemetry(About("", el.__version__), deadline=0.02, sensors=sensors)
    found: list[list[float]] = [[], []]
    for _ in range(PASSES):
        for passing, times in ((blocks, found[0]), (telemetry.observe(blocks), found[1])):
            begin = time.perf_counter()
            for _ in passing:
                pass
            times.append(time.perf_counter() - begin)
    plain, observed = (1e9 * min(times) / STEPS for times in found)
    return plain, observed - plain


def cost_of_step(row: Row, *, looked_at: bool) -> tuple[float, float]:
    """Nanoseconds of ``stream.step(x)``, and what ``observed.step(x)`` adds."""
    case = make_case(row)
    model = replace(case.model, statistics=el.InputStatistics.of(case.inputs) if looked_at else None)
    stream = el.Stream(model)
    observed, x = el.Observed(stream, deadline=0.02), np.ascontiguousarray(case.inputs[0], np.float32)
    plain, timed = [], []
    for _ in range(PASSES):
        for step, found in ((stream.step, plain), (observed.step, timed)):
            begin = time.perf_counter()
            for _ in range(STEPS):
                step(x)
            found.append(time.perf_counter() - begin)
    return 1e9 * min(plain) / STEPS, 1e9 * (min(timed) - min(plain)) / STEPS


def told(name: str, plain: tuple[float, float], looked_at: tuple[float, float]) -> str:
    """A line of the table."""
    return f"{name:>15} {plain[0]:>9.0f} {plain[1]:>12.1f} ns {looked_at[1]:>10.1f} ns"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", default="6,32,1", help="inputs, hidden size, layers")
    row = Row.parse(parser.parse_args().row)
    print(f"{'samples a block':>15} {'step, ns':>9} {'telemetry adds':>15} {'with sensors':>13}")
    for size in (1, 4, 16, 64, 256):
        print(told(str(size), cost(row, size, looked_at=False), cost(row, size, looked_at=True)))
    print(told("nothing done, 1", waiting(row, looked_at=False), waiting(row, looked_at=True)))
    print(told("step(x)", cost_of_step(row, looked_at=False), cost_of_step(row, looked_at=True)))


if __name__ == "__main__":
    main()
