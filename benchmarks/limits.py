"""The physical limit of a float32 step: max(flops / peak, weight bytes / read bandwidth), both measured on this core.

``python benchmarks/limits.py`` prints it for the grid, measured on whatever core it runs. The bandwidth is that of a buffer as large as the
row's weights, so it is that of the cache level they live in. Activations, and the waiting of a step for the one before, are not counted:
a step cannot reach the limit of a small row. A block of steps may pass it on a row with many inputs, by reading their weights once for
several steps.
"""

import ctypes
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import native
import numpy as np
from grid import GRID, Row

#: Smallest buffer whose reading is timed, bytes: below it the loop itself would be measured.
SMALLEST = 16 * 1024

#: Time of one measurement, ns: short enough to fall between two disturbances.
SPAN = 1e6

#: Measurements of each figure; the best counts.
REPEATS = 40


@dataclass(frozen=True)
class Limit:
    """Nanoseconds that one step of a row needs at the least."""

    flop_ns: float
    bytes_ns: float

    @property
    def ns(self) -> float:
        """The larger of both."""
        return max(self.flop_ns, self.bytes_ns)


@dataclass(frozen=True)
class Limits:
    """What one core does at best.

    Parameters
    ----------
    clock_ghz : cycles per nanosecond
    gflops : float32 operations per nanosecond, a multiply-add being two
    bandwidth : buffer size in bytes -> bytes per nanosecond (GB/s)
    """

    clock_ghz: float
    gflops: float
    bandwidth: dict[int, float]

    def of(self, row: Row) -> Limit:
        """The limit of one row; its buffer size must have been measured."""
        return Limit(row.flops / self.gflops, self.reading_ns(row.weight_bytes))

    def reading_ns(self, weights: int) -> float:
        """Nanoseconds to read that many bytes once; their buffer size must have been measured."""
        return weights / self.bandwidth[buffer_size(weights)]

    def best(self, other: "Limits") -> "Limits":
        """The better of two measurements, figure by figure."""
        bandwidth = {size: max(rate, other.bandwidth[size]) for size, rate in self.bandwidth.items()}
        return Limits(max(self.clock_ghz, other.clock_ghz), max(self.gflops, other.gflops), bandwidth)


def buffer_size(weights: int) -> int:
    """Bytes of the buffer that stands for that many bytes of weights: whole pages, at least `SMALLEST`."""
    return max(SMALLEST, -(-weights // 4096) * 4096)


def _library() -> ctypes.CDLL:
    library = native.load("limits.c")
    for function in (library.rotations, library.multiply_adds, library.reads):
        function.restype = ctypes.c_double
    library.rotations.argtypes = library.multiply_adds.argtypes = [ctypes.c_long, ctypes.c_void_p]
    library.reads.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_long, ctypes.c_void_p]
    return library


def measure(weights: Iterable[int]) -> Limits:
    """Measure this core for weights of these many bytes; a second or less.

    Raises
    ------
    native.NoCompilerError
        If there is none to compile limits.c with.
    """
    library = _library()
    sizes = sorted({buffer_size(amount) for amount in weights})
    memory = np.ones(sizes[-1] + 64, np.uint8)
    address = memory.ctypes.data + -memory.ctypes.data % 64
    sink = np.zeros(4, np.uint64).ctypes
    factors = np.array([0.5, 0.5, 0], np.float32).ctypes  # the sums stay near one: neither denormal nor infinite

    def best(count: int, run: Callable[..., float], *arguments: int) -> float:
        return count / min(run(*arguments) for _ in range(REPEATS))

    cycles, rounds = int(3 * SPAN) // 8 * 8, int(SPAN / 4)
    bandwidth = {}
    for size in sizes:
        passes = max(1, int(SPAN * 100 / size))
        library.reads(address, size, 1, sink.data)
        bandwidth[size] = best(size * passes, library.reads, address, size, passes, sink.data)
    clock = best(cycles, library.rotations, cycles, sink.data)
    return Limits(clock, best(library.flops_of_round() * rounds, library.multiply_adds, rounds, factors.data), bandwidth)


def main() -> None:
    limits = measure([row.weight_bytes for row in GRID])
    print(f"clock {limits.clock_ghz:.2f} GHz, float32 multiply-add peak {limits.gflops:.0f} GFLOP/s")
    print(f"{'row':>10} {'kFLOP':>8} {'KiB':>8} {'GB/s':>6} {'flop ns':>9} {'bytes ns':>9} {'limit ns':>9}")
    for row in GRID:
        limit, rate = limits.of(row), limits.bandwidth[buffer_size(row.weight_bytes)]
        amounts = f"{row.flops / 1000:8.1f} {row.weight_bytes / 1024:8.1f} {rate:6.0f}"
        print(f"{row!s:>10} {amounts} {limit.flop_ns:9.0f} {limit.bytes_ns:9.0f} {limit.ns:9.0f}")


if __name__ == "__main__":
    main()
