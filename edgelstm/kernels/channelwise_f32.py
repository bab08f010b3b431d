"""Layers with numbers of their own for each channel, in float32."""

from numba import njit

from .elementwise_f32 import chunks
from .simd.vectors import elementwise, fma, load, offset, store

inlined = njit(inline="always")

#: x and slope -> x where it is above zero, else slope x.
sloped = elementwise(lambda x, slope: x.below(0.0).fma(slope, x.above(0.0)))


def _channelwise(size, x_stride, y_stride, apply):
    """A kernel of `apply` (lanes, w, x, y, k), which writes the values of a chunk of channels from k on."""
    lanes, width, full, rest_lanes, rest = chunks(size)

    def kernel(w, x, y, s, z, n):
        """w: as `apply` reads it; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(0, full, width):
                apply(lanes, w, xt, yt, k)
            if rest:
                apply(rest_lanes, w, xt, yt, full)

    return kernel


def batch_norm_f32(size, x_stride, y_stride):
    """Kernel of scale x + offset. Weights: scale (size,), offset (size,)."""

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, fma(load(lanes, x, k), load(lanes, w, k), load(lanes, w, size + k)))

    return _channelwise(size, x_stride, y_stride, apply)


def prelu_f32(size, x_stride, y_stride):
    """Kernel of x where it is above zero, else slope x. Weights: slope (size,)."""

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, sloped(load(lanes, x, k), load(lanes, w, k)))

    return _channelwise(size, x_stride, y_stride, apply)
