"""Layers with numbers of their own for each channel, in float32."""

from numba import njit

from .chunks import chunkwise
from .simd.vectors import elementwise, fma, load, store

inlined = njit(inline="always")

#: x and slope -> x where it is above zero, else slope x.
sloped = elementwise(lambda x, slope: x.below(0.0).fma(slope, x.above(0.0)))


def batch_norm_f32(size, x_stride, y_stride):
    """Kernel of scale x + offset. Weights: scale (size,), offset (size,)."""

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, fma(load(lanes, x, k), load(lanes, w, k), load(lanes, w, size + k)))

    return chunkwise(size, x_stride, y_stride, apply)


def prelu_f32(size, x_stride, y_stride):
    """Kernel of x where it is above zero, else slope x. Weights: slope (size,)."""

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, sloped(load(lanes, x, k), load(lanes, w, k)))

    return chunkwise(size, x_stride, y_stride, apply)
