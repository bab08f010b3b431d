"""Magnitudes of complex numbers, in float32."""

from numba import njit

from . import activations
from .chunks import chunks
from .simd.vectors import fma, load, multiplied, offset, store

inlined = njit(inline="always")


def magnitude_f32(places, bins, squared, x_stride, y_stride):
    """Kernel of the roots of real^2 + imaginary^2; of these sums themselves if `squared`."""
    lanes, width, full, rest_lanes, rest = chunks(bins)
    finish = activations.applied("linear" if squared else "sqrt")

    @inlined
    def some(lanes, x, y, k):
        real, imaginary = load(lanes, x, k), load(lanes, x, bins + k)
        store(y, k, finish(fma(real, real, multiplied(imaginary, imaginary))))

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride), rows of (places, 2, bins); y: (n, y_stride), rows of (places, bins); w, s, z: unused."""
        for t in range(n):
            for place in range(places):
                xp = offset(x, t * x_stride + place * 2 * bins)
                yp = offset(y, t * y_stride + place * bins)
                for k in range(0, full, width):
                    some(lanes, xp, yp, k)
                if rest:
                    some(rest_lanes, xp, yp, full)

    return kernel
