"""A value of the step before, in float32: given at its place among the layers, and kept behind the last one. One timestep at a time."""

from numba import njit

from .chunks import chunkwise
from .gru_cell import cut
from .simd.vectors import elementwise, load, store

inlined = njit(inline="always")


def recalled_f32(size, most, x_stride, y_stride):
    """Kernel of the values kept, (size,), cut at `most` on either side."""
    held = elementwise(lambda v: cut(v, most))

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, held(load(lanes, x, k)))

    copy = inlined(chunkwise(size, 0, y_stride, apply))

    def kernel(w, x, y, s, z, n):
        """y: (1, y_stride); s: what is kept, (size,); w, x, z: unused."""
        copy(w, s, y, s, z, n)

    return kernel


def kept_f32(size, x_stride, y_stride):
    """Kernel that keeps `size` values."""

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, load(lanes, x, k))

    copy = inlined(chunkwise(size, x_stride, 0, apply))

    def kernel(w, x, y, s, z, n):
        """x: (1, x_stride); s: (size,), written; w, y, z: unused."""
        copy(w, x, s, s, z, n)

    return kernel
