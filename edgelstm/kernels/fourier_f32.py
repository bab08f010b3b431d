"""Short-time Fourier transforms within a frame, in float32.

Cosines and sines of half a turn repeat with another sign, so that a window folds twice, onto a quarter of its length, before it is
multiplied:
``z[n] + z[N - n]`` and ``z[n] - z[N - n]`` first, then the same about N / 4, once for even bins and once for odd ones.
"""

from numba import njit

from .chunks import chunks
from .map_conv_f32 import walking
from .maps_f32 import Window
from .simd.reductions import total
from .simd.vectors import load, multiplied, offset, store

inlined = njit(inline="always")


def folding(size):
    """An inlined function (v, x, z, folded): a window of `size` samples of x, times v (size,), folded to four rows of size / 4 + 1.

    z: (size,), the window; folded: those that the real parts of even bins and of odd ones are made of, then those of imaginary parts.
    """
    half, quarter = size // 2, size // 4
    count = quarter + 1
    lanes, width, full, rest_lanes, rest = chunks(size)

    @inlined
    def fold(v, x, z, folded):
        for k in range(0, full, width):
            store(z, k, multiplied(load(lanes, v, k), load(lanes, x, k)))
        if rest:
            store(z, full, multiplied(load(rest_lanes, v, full), load(rest_lanes, x, full)))
        folded[0] = z[0] + z[half]
        folded[count] = z[0] - z[half]
        folded[2 * count] = 0
        folded[3 * count] = 0
        for n in range(1, quarter):
            even, odd = z[n] + z[size - n], z[n] - z[size - n]
            even_there, odd_there = z[half - n] + z[half + n], z[half - n] - z[half + n]
            folded[n] = even + even_there
            folded[count + n] = even - even_there
            folded[2 * count + n] = odd - odd_there
            folded[3 * count + n] = odd + odd_there
        folded[quarter] = z[quarter] + z[size - quarter]
        folded[count + quarter] = 0
        folded[2 * count + quarter] = 0
        folded[3 * count + quarter] = z[quarter] - z[size - quarter]

    return fold


def fourier_f32(size, hop, places, units, together, x_stride, y_stride):
    """Kernel of the real and then the imaginary parts of all size / 2 + 1 bins, at each of `places` windows.

    Weights: the window (size,), the signs of the last bin's real part (size / 4 + 1,), then tiles of `units` bins for each of the four
    folded rows. A tile is as in `map_conv_f32`.
    """
    bins, quarter = size // 2 + 1, size // 4
    count = quarter + 1
    given = Window(1, places, 4 * count, 1, 1, 1, 1, 1, 1, 0, 0, places)
    walk, fold = walking(given, quarter, units, together, (1, places), 4), folding(size)
    lanes, width, full, rest_lanes, rest = chunks(count)

    @inlined
    def last_bin(signs, folded):
        value = total(multiplied(load(lanes, signs, 0), load(lanes, folded, 0)))
        for k in range(width, full, width):
            value += total(multiplied(load(lanes, signs, k), load(lanes, folded, k)))
        if rest:
            value += total(multiplied(load(rest_lanes, signs, full), load(rest_lanes, folded, full)))
        return value

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride), rows of (places, 2, bins); s: unused; z: window, folded rows, their sums, a block's sums."""
        signs, tables = offset(w, size), offset(w, size + count)
        rows = offset(z, size)
        sums = offset(rows, places * 4 * count)
        for t in range(n):
            for p in range(places):
                fold(w, offset(x, t * x_stride + p * hop), z, offset(rows, p * 4 * count))
            walk(tables, rows, sums, offset(sums, places * size))
            for p in range(places):
                parts, real = offset(sums, p * size), offset(y, t * y_stride + p * 2 * bins)
                imaginary = offset(real, bins)
                for k in range(quarter):
                    real[2 * k] = parts[k]
                    real[2 * k + 1] = parts[quarter + k]
                    imaginary[2 * k] = parts[2 * quarter + k]
                    imaginary[2 * k + 1] = parts[3 * quarter + k]
                real[bins - 1] = last_bin(signs, offset(rows, p * 4 * count))
                imaginary[bins - 1] = 0

    return kernel
