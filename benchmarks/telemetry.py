"""What telemetry costs a step: the same samples through the same stream, observed and not, in turns: ``python benchmarks/telemetry.py``.

The difference is that of the fastest passes; what a run makes once, before its first sample, is not in it. Blocks of one sample are lines
that come one by one; files and banks give larger ones. The last line is of ``el.Observed.step`` beside ``stream.step``.
"""

import argparse
import time
from collections.abc import Iterable
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


def cost_of_step(row: Row) -> tuple[float, float]:
    """Nanoseconds of ``stream.step(x)``, and what ``observed.step(x)`` adds."""
    case = make_case(row)
    stream = el.Stream(case.model)
    observed, x = el.Observed(stream, deadline=0.02), np.ascontiguousarray(case.inputs[0], np.float32)
    plain, timed = [], []
    for _ in range(PASSES):
        for step, found in ((stream.step, plain), (observed.step, timed)):
            begin = time.perf_counter()
            for _ in range(STEPS):
                step(x)
            found.append(time.perf_counter() - begin)
    return 1e9 * min(plain) / STEPS, 1e9 * (min(timed) - min(plain)) / STEPS


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", default="6,32,1", help="inputs, hidden size, layers")
    row = Row.parse(parser.parse_args().row)
    print(f"{'samples a block':>15} {'step, ns':>9} {'telemetry adds':>15} {'with sensors':>13}")
    for size in (1, 4, 16, 64, 256):
        plain, added = cost(row, size, looked_at=False)
        _, more = cost(row, size, looked_at=True)
        print(f"{size:>15} {plain:>9.0f} {added:>12.1f} ns {more:>10.1f} ns")
    plain, added = cost_of_step(row)
    print(f"{'step(x)':>15} {plain:>9.0f} {added:>12.1f} ns")


if __name__ == "__main__":
    main()
