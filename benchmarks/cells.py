"""GRU and Elman layers beside the LSTM of the same size, and the GRU beside the C panel kernel: ``python benchmarks/cells.py --help``."""

import argparse
from random import Random

from machine import describe, take_core

#: What is timed of each cell.
ROUNDS, QUICK_ROUNDS = 60, 10


def main() -> None:
    parser = argparse.ArgumentParser(description="Time GRU and Elman layers and the LSTM of the same size, interleaved, on one core.")
    parser.add_argument("--rows", nargs="+", metavar="I,H,L", help="inputs,hidden,layers, any sizes (default: the grid)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} chunks instead of {ROUNDS}: a first look, not a result")
    parser.add_argument("--core", type=int, default=1, metavar="N", help="the core to run on (default: %(default)s)")
    options = parser.parse_args()
    pinned = take_core(options.core)
    from grid import GRID, Row

    rows = [Row.parse(text) for text in options.rows] if options.rows else list(GRID)
    print(" · ".join([describe()["cpu"], pinned, describe()["date"]]))
    print("Best chunk, ns a step. Ratios: process() and step(x) of the LSTM of the row are 1.")
    for row in rows:
        print(row_of(row, QUICK_ROUNDS if options.quick else ROUNDS), flush=True)


def row_of(row, rounds):  # type: ignore[no-untyped-def]
    """One line: every cell of a row, timed interleaved."""
    from grid import CELLS, make_case
    from measure import _Lane, checked
    from peers import edgelstm_peer, panel_peer

    lanes = {}
    for cell in CELLS:
        case = make_case(row, cell)
        for contender in [*edgelstm_peer.contenders(case)[:2], *(panel_peer.contenders(case) if cell in panel_peer.KERNELS else [])]:
            checked(contender, case)
            lanes[cell, contender.name] = _Lane(contender.chunk)
    everyone, order = list(lanes.values()), Random(0)
    for lane in everyone:
        lane.calibrate()
    for _ in range(rounds):
        order.shuffle(everyone)
        for lane in everyone:
            lane.run()
    best = {key: min(lane.times) for key, lane in lanes.items()}
    found = [f"{row!s:>9}"]
    for (cell, name), ns in best.items():
        found.append(f"{cell} {name.removeprefix('edgelstm ')} {ns:.0f} ({ns / best['lstm', name]:.2f})")
    return "  ".join(found)


if __name__ == "__main__":
    main()
