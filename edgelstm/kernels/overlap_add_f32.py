"""Sums of blocks that overlap, in float32."""

from numba import njit

from .chunks import chunks
from .simd.vectors import add, load, offset, store
from .sliding_f32 import rows_copier

inlined = njit(inline="always")


def _adder(size):
    """An inlined function (a, b, y): y = a + b, forwards; y may lie before b."""
    lanes, width, full, rest_lanes, rest = chunks(size or 1)

    @inlined
    def added(a, b, y):
        for k in range(0, full, width):
            store(y, k, add(load(lanes, a, k), load(lanes, b, k)))
        if rest:
            store(y, full, add(load(rest_lanes, a, full), load(rest_lanes, b, full)))

    return added


def overlap_add_f32(size, hop, x_stride, y_stride):
    """Kernel of blocks of `size` values, each `hop` behind the one before. Without weights."""
    kept = size - hop
    ready, moved, fresh = min(hop, kept), max(0, kept - hop), min(hop, kept)
    add_ready, add_moved = _adder(ready), _adder(moved)
    copy_ready, copy_fresh = rows_copier(hop - ready), rows_copier(fresh)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); s: what earlier blocks still give, (size - hop,); w, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            if ready:
                add_ready(s, xt, yt)
            if hop > ready:
                copy_ready(offset(yt, ready), offset(xt, ready))
            if moved:
                add_moved(offset(s, hop), offset(xt, hop), s)
            if fresh:
                copy_fresh(offset(s, moved), offset(xt, size - fresh))

    return kernel
