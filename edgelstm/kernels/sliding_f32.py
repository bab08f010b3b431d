"""Layers over a window of the last rows: pooling, and the rows themselves, in float32. Convolutions stand in `conv1d_f32`.

The state is the history: the rows before the present one that a window reaches back, the oldest first. Nothing in it is a place: which rows
give an answer follows from how many rows were read before, which the caller counts.
"""

from numba import njit

from .chunks import LONGEST
from .entry.rates import rows_passed_over
from .simd.reductions import highest_of
from .simd.vectors import Lanes, add, load, multiplied, offset, splat, store

inlined = njit(inline="always")


def rows_copier(count):
    """An inlined function (target, source): copies `count` floats, forwards; they may overlap where the target lies before the source."""
    width = min(count, LONGEST) or 1
    full = count // width * width
    lanes, rest_lanes, rest = Lanes(width), Lanes(count - full or 1), count - full

    @inlined
    def copy(target, source):
        for k in range(0, full, width):
            store(target, k, load(lanes, source, k))
        if rest:
            store(target, full, load(rest_lanes, source, full))

    return copy


def without_scratch(answer):
    """An inlined function (w, window, y, z) of one that needs no z."""

    @inlined
    def answered(w, window, y, z):
        answer(w, window, y)

    return answered


def sliding(answer, history, width, stride, first, x_stride, y_stride, several=None, together=1, scratch=0):
    """Kernel of ``answer(w, window, y)`` over windows of history + 1 rows of `width` floats, one behind the other.

    It answers one of `stride` rows, and `first` (from 1) first. ``several(w, window, y)``, if given, answers `together` windows at once.
    scratch: floats at the beginning of z that ``answer(w, window, y, z)`` then takes too; 0: none.
    """
    copy_row, copy_history = rows_copier(width), rows_copier(history * width)
    answer_one, answer_all = (one if scratch else without_scratch(one) for one in (answer, answer if several is None else several))
    ahead = (together - 1) * stride if several is not None else 0

    def kernel(w, x, y, s, z, n, before):
        """w: as `answer` reads them; x: (n, x_stride); y: (rows answered, y_stride); s: (history, width).

        z: scratch, and behind it (history + n, width); before: how many rows were read before these.
        """
        rows = offset(z, scratch)
        copy_history(rows, s)
        for t in range(n):
            copy_row(offset(rows, (history + t) * width), offset(x, t * x_stride))
        t = rows_passed_over(before, stride, first)
        answers = 0
        while t + ahead < n:
            answer_all(w, offset(rows, t * width), offset(y, answers * y_stride), z)
            answers += together
            t += together * stride
        if ahead:
            while t < n:
                answer_one(w, offset(rows, t * width), offset(y, answers * y_stride), z)
                answers += 1
                t += stride
        copy_history(s, offset(rows, n * width))

    return kernel


def pooling(combine, finish, width, taps, stride, first, x_stride, y_stride):
    """Kernel of pooling each channel over `taps` rows: `combine` of two vectors, `finish` of the last one."""
    lanes_width = min(width, LONGEST)
    full = width // lanes_width * lanes_width
    lanes, rest_lanes, rest = Lanes(lanes_width), Lanes(width - full or 1), width - full

    @inlined
    def channels(lanes, window, k):
        a = load(lanes, window, k)
        for j in range(1, taps):
            a = combine(a, load(lanes, window, j * width + k))
        return finish(lanes, a)

    @inlined
    def answer(w, window, y):
        for k in range(0, full, lanes_width):
            store(y, k, channels(lanes, window, k))
        if rest:
            store(y, full, channels(rest_lanes, window, full))

    return sliding(answer, taps - 1, width, stride, first, x_stride, y_stride)


def max_pool_f32(width, taps, stride, first, x_stride, y_stride):
    """Kernel of the largest of `taps` rows, channel by channel; without weights."""

    @inlined
    def as_it_is(lanes, a):
        return a

    return pooling(highest_of, as_it_is, width, taps, stride, first, x_stride, y_stride)


def average_pool_f32(width, taps, inverse, stride, first, x_stride, y_stride):
    """Kernel of the mean of `taps` rows, channel by channel, `inverse` being 1 / taps; without weights."""

    @inlined
    def scaled(lanes, a):
        return multiplied(a, splat(lanes, inverse))

    return pooling(add, scaled, width, taps, stride, first, x_stride, y_stride)


def window_f32(width, taps, spacing, stride, first, x_stride, y_stride):
    """Kernel of the last rows side by side, the oldest first; without weights."""
    copy_row = rows_copier(width)

    @inlined
    def answer(w, window, y):
        for j in range(taps):
            copy_row(offset(y, j * width), offset(window, j * spacing * width))

    return sliding(answer, (taps - 1) * spacing, width, stride, first, x_stride, y_stride)


def global_max_f32(width, x_stride, y_stride):
    """Kernel of the largest of all rows so far, channel by channel; without weights."""
    chunk = min(width, LONGEST)
    full = width // chunk * chunk
    lanes, rest_lanes, rest = Lanes(chunk), Lanes(width - full or 1), width - full

    @inlined
    def update(lanes, s, x, y, k):
        a = highest_of(load(lanes, s, k), load(lanes, x, k))
        store(s, k, a)
        store(y, k, a)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); s: the largest so far, (width,); w, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(0, full, chunk):
                update(lanes, s, xt, yt, k)
            if rest:
                update(rest_lanes, s, xt, yt, full)

    return kernel


def global_average_f32(width, x_stride, y_stride):
    """Kernel of the mean of all rows so far, channel by channel; without weights.

    The mean moves by a part of the difference from it, so that it stays as large as rows are; what rounding takes from it is carried on.
    """

    def kernel(w, x, y, s, z, n, before):
        """x: (n, x_stride); y: (n, y_stride); s: the mean so far and what it lacks, (width,) each; before: rows read; w, z: unused."""
        for t in range(n):
            part = 1.0 / (before + t + 1)
            for k in range(width):
                mean, lacking = s[k], s[width + k]
                moved = (x[t * x_stride + k] - mean - lacking) * part + lacking
                after = mean + moved
                s[width + k] = moved - (after - mean)
                s[k] = after
                y[t * y_stride + k] = after

    return kernel
