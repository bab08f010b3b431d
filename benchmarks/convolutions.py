"""How much of the multiply-add peak of one core convolutions along time keep: ``python benchmarks/convolutions.py``.

Each size is stepped by ``process()`` over blocks of 200 rows, checks and the output array included, in turns with the others; the best of
many blocks counts, beside the peak that `limits` measures on the same core. A C compiler is needed for it.
"""

import argparse
from time import perf_counter
from typing import Any, NamedTuple

from machine import describe, take_core

#: Rows of a block, and blocks of each size.
ROWS, ROUNDS = 200, 200

#: Share of the peak that is asked for, from so many channels up.
ASKED, CHANNELS = 0.5, 32


class Size(NamedTuple):
    """Channels read and given, taps, and the options of a `Conv1D`."""

    inputs: int
    outputs: int
    taps: int
    stride: int = 1
    dilation: int = 1

    def __str__(self) -> str:
        options = [f"{name} {value}" for name, value in (("stride", self.stride), ("dilation", self.dilation)) if value > 1]
        return ", ".join([f"{self.inputs} -> {self.outputs}", f"{self.taps} taps", *options])

    @property
    def flops(self) -> float:
        """Of a row."""
        return 2 * self.inputs * self.outputs * self.taps / self.stride


SIZES = (
    *(Size(32, 32, 3), Size(32, 32, 5), Size(40, 32, 3), Size(48, 48, 3), Size(64, 64, 3), Size(64, 64, 1), Size(80, 64, 3)),
    *(Size(128, 128, 3), Size(256, 256, 3), Size(32, 32, 3, dilation=2), Size(64, 64, 3, dilation=4)),
    *(Size(32, 32, 4, stride=2), Size(64, 64, 4, stride=2), Size(64, 64, 8, stride=4)),
)


def block(size: Size) -> Any:
    """A call that takes a block."""
    import numpy as np

    import edgelstm as el

    rng = np.random.default_rng(0)
    weight, bias = rng.uniform(-0.1, 0.1, (size.outputs, size.inputs, size.taps)), rng.uniform(-1, 1, size.outputs)
    stream = el.Stream(el.Model([el.Conv1D(weight, bias, stride=size.stride, dilation=size.dilation)]))
    xs = rng.uniform(-1, 1, (ROWS, size.inputs)).astype(np.float32)
    return lambda: stream.process(xs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, default=0, help="the core to take (default: 0)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"blocks of each (default: {ROUNDS})")
    options = parser.parse_args()
    print("; ".join((*(describe()[key] for key in ("cpu", "system", "python", "date")), take_core(options.core))))
    import limits

    calls = {size: block(size) for size in SIZES}
    best, peak = dict.fromkeys(calls, float("inf")), 0.0
    for turn in range(options.rounds):
        if turn % 50 == 0:
            peak = max(peak, limits.measure([limits.SMALLEST]).gflops)
        for size, call in calls.items():
            call()
            begun = perf_counter()
            call()
            best[size] = min(best[size], (perf_counter() - begun) / ROWS)
    print(f"\nmultiply-add peak {peak:.0f} GFLOP/s\n\n| Conv1D | ns a row | of the peak | asked |\n| --- | ---: | ---: | ---: |")
    for size, spent in best.items():
        asked = f"{ASKED:.0%}" if min(size[:2]) >= CHANNELS else ""
        print(f"| {size} | {spent * 1e9:.0f} | {size.flops / spent / 1e9 / peak:.0%} | {asked} |")


if __name__ == "__main__":
    main()
