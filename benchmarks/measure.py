"""Builds, checks and times all contenders of a row, interleaved, so that what disturbs the machine disturbs all alike.

It prints nothing: `report` does, and `compare` is the command.
"""

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median
from types import ModuleType
from typing import Any

import limits
import numpy as np
from grid import BLOCK, CHECKED, TWIN_TOLERANCE, Row, Workload, make_case
from peers import Chunk, Contender, empty_loop

#: Length of a chunk, ns, within `FEWEST` to `BLOCK` steps.
SPAN = 1e6
FEWEST = 50

#: A chunk during which the system gave the core to another process says nothing of the step; it is taken again, this often at the most.
RETRIES = 5


class WrongAnswerError(Exception):
    """A contender disagrees with the float64 reference, so its time means nothing."""


@dataclass
class _Lane:
    """One contender and its times."""

    chunk: Chunk
    steps: int = 0
    interrupted: int = 0
    times: list[float] = field(default_factory=list)  # ns per step, one a round

    def calibrate(self) -> None:
        cost = min(self.chunk(FEWEST) for _ in range(3)) / FEWEST
        self.steps = int(np.clip(SPAN / cost, FEWEST, BLOCK))

    def run(self) -> None:
        """Time one chunk, right after the same chunk untimed: it brings weights, inputs and code back into the caches."""
        for _ in range(RETRIES):
            self.chunk(self.steps)
            before = _switches()
            spent = self.chunk(self.steps)
            if _switches() == before:
                break
            self.interrupted += 1
        self.times.append(spent / self.steps)

    def figures(self) -> dict[str, Any]:
        counts = {"steps": self.steps, "chunks": len(self.times), "interrupted": self.interrupted}
        return {"median_ns": median(self.times), "min_ns": min(self.times), **counts}


def _switches() -> int:
    """How often the system has taken the core from this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def checked(contender: Contender, case: Workload) -> float:
    """Largest difference from the reference over the first steps.

    Raises
    ------
    WrongAnswerError
        If it is beyond the contender's tolerance or not a number, or if the contender does not follow its exact twin.
    """
    answers = contender.answer(case.inputs[:CHECKED])
    error = float(np.abs(answers - case.answers).max())
    if not error <= contender.tolerance:
        allowed = f"allowed is {contender.tolerance:.0e}"
        raise WrongAnswerError(f"{contender.name} on row {case.row} is off by {error:.1e} from the reference; {allowed}.")
    if contender.twin is not None and not (apart := median(np.abs(answers - contender.twin))) <= TWIN_TOLERANCE:
        raise WrongAnswerError(f"{contender.name} on row {case.row} is {apart:.1e} from its exact twin; allowed is {TWIN_TOLERANCE:.0e}.")
    return error


def _limit(row: Row, best: limits.Limits, int8: bool) -> dict[str, float]:
    """What the row's step needs at the least, as it stands in the JSON result. In int8: to read the weights; products are not counted."""
    weights = row.int8_bytes if int8 else row.weight_bytes
    rates = {"clock_ghz": best.clock_ghz, "bandwidth_gbs": best.bandwidth[limits.buffer_size(weights)], "weight_bytes": weights}
    if int8:
        return {"ns": best.reading_ns(weights), **rates}
    limit = best.of(row)
    return {"ns": limit.ns, "flop_ns": limit.flop_ns, "bytes_ns": limit.bytes_ns, "gflops": best.gflops, **rates}


def measure_row(row: Row, peers: Sequence[ModuleType], rounds: int, tick: Callable[[], None], *, int8: bool = False) -> dict[str, Any]:
    """Times of one row, as they stand in the JSON result.

    Parameters
    ----------
    peers : modules of the folder ``peers``
    rounds : chunks of each contender
    tick : called after every round
    int8 : whether the limit is that of int8 weights
    """
    case = make_case(row)
    contenders: list[Contender] = [contender for peer in peers for contender in peer.contenders(case)]
    errors = {contender.name: checked(contender, case) for contender in contenders}
    weights = [row.int8_bytes if int8 else row.weight_bytes]
    before = limits.measure(weights)
    figures = interleaved([*(contender.chunk for contender in contenders), empty_loop], rounds, tick)
    return {
        "limit": _limit(row, before.best(limits.measure(weights)), int8),
        "empty_loop": figures.pop(),
        "contenders": {
            c.name: {"native": c.native, "max_error": errors[c.name], **told} for c, told in zip(contenders, figures, strict=True)
        },
    }


def interleaved(chunks: Sequence[Chunk], rounds: int, tick: Callable[[], None] = lambda: None) -> list[dict[str, Any]]:
    """Times of chunks that take turns, in their order.

    Parameters
    ----------
    rounds : how often each is timed
    tick : called after every round
    """
    lanes = [_Lane(chunk) for chunk in chunks]
    for lane in lanes:
        lane.calibrate()
    order, turns = Random(0), list(lanes)
    for _ in range(rounds):
        order.shuffle(turns)  # no contender always follows the same one
        for lane in turns:
            lane.run()
        tick()
    return [lane.figures() for lane in lanes]
