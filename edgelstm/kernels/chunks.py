"""Rows in chunks of as many lanes as LLVM unrolls well, and a rest: what kernels share that treat every value of a row alike."""

from numba import njit

from .simd.vectors import Lanes, offset

inlined = njit(inline="always")

#: Most values that are taken at once.
LONGEST = 64


def chunks(size):
    """Lanes of the full chunks of a row and of the rest, with the number of values in full chunks."""
    width = min(size, LONGEST)
    full = size // width * width
    return Lanes(width), width, full, Lanes(size - full or 1), size - full


def chunkwise(size, x_stride, y_stride, apply, start=0):
    """A kernel that makes rows of `size` values, chunk by chunk.

    Parameters
    ----------
    size, x_stride, y_stride : int
    apply : inlined function (lanes, w, x, y, k)
        Writes the values of a row's chunk from k on to y.
    start : int
        Where in a row of inputs x begins.
    """
    lanes, width, full, rest_lanes, rest = chunks(size)

    def kernel(w, x, y, s, z, n):
        """w: as `apply` reads it; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride + start)
            yt = offset(y, t * y_stride)
            for k in range(0, full, width):
                apply(lanes, w, xt, yt, k)
            if rest:
                apply(rest_lanes, w, xt, yt, full)

    return kernel
