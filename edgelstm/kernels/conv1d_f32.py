"""Convolutions along time in float32.

Weights: for each group tiles of `units` outputs, the last one narrower; a tile's rows: the bias, then for each tap each input. An output is
four sums over interleaved inputs, in the same order on every path below, so that any cut of a sequence into blocks gives the same bits.
"""

from numba import njit

from .chunks import LONGEST
from .dense_f32 import FOUR
from .entry.rates import rows_passed_over
from .simd.vectors import Lanes, add, fma, lane0, lane1, lane2, lane3, load, offset, splat, store, zero
from .sliding_f32 import rows_copier, sliding

inlined = njit(inline="always")


@inlined
def summed(lanes, units, w, x, length, a, b, c, d):
    """Four sums go on by `length` products. w: (length, units); x: (length,)."""
    for k in range(0, length // 4 * 4, 4):
        q = offset(w, k * units)
        v = load(FOUR, x, k)
        a = fma(load(lanes, q, 0), lane0(lanes, v), a)
        b = fma(load(lanes, q, units), lane1(lanes, v), b)
        c = fma(load(lanes, q, 2 * units), lane2(lanes, v), c)
        d = fma(load(lanes, q, 3 * units), lane3(lanes, v), d)
    for k in range(length // 4 * 4, length):
        a = fma(load(lanes, w, k * units), splat(lanes, x[k]), a)
    return a, b, c, d


@inlined
def summed_together(lanes, units, w, x, y, z, length, sums):
    """The same for three windows at once: one load of a weight serves all of them. sums: the four of each."""
    a, b, c, d, e, f, g, h, i, j, k, m = sums
    for t in range(0, length // 4 * 4, 4):
        q = offset(w, t * units)
        a, b, c, d = summed(lanes, units, q, offset(x, t), 4, a, b, c, d)
        e, f, g, h = summed(lanes, units, q, offset(y, t), 4, e, f, g, h)
        i, j, k, m = summed(lanes, units, q, offset(z, t), 4, i, j, k, m)
    for t in range(length // 4 * 4, length):
        row = load(lanes, w, t * units)
        a = fma(row, splat(lanes, x[t]), a)
        e = fma(row, splat(lanes, y[t]), e)
        i = fma(row, splat(lanes, z[t]), i)
    return a, b, c, d, e, f, g, h, i, j, k, m


@inlined
def store_three(y, y_stride, sums):
    """The answers of three windows, whose four sums each are given."""
    a, b, c, d, e, f, g, h, i, j, k, m = sums
    store(y, 0, add(add(a, b), add(c, d)))
    store(y, y_stride, add(add(e, f), add(g, h)))
    store(y, 2 * y_stride, add(add(i, j), add(k, m)))


def over_tiles(inputs, outputs, groups, taps, units, tile):
    """An inlined function (w, x, y): ``tile(lanes, size, w, x, y)`` for every tile of every group of one answer."""
    lanes, tiles, tail = Lanes(units), outputs // units, outputs % units
    tail_lanes, size = Lanes(tail or 1), 1 + taps * inputs

    @inlined
    def answer(w, x, y):
        for g in range(groups):
            of_group, values, out = offset(w, g * size * outputs), offset(x, g * inputs), offset(y, g * outputs)
            for j in range(tiles):
                tile(lanes, units, offset(of_group, j * size * units), values, offset(out, j * units))
            if tail:
                tile(tail_lanes, tail, offset(of_group, tiles * size * units), values, offset(out, tiles * units))

    return answer


def conv1d_f32(inputs, outputs, groups, taps, units, together, stride, first, x_stride, y_stride):
    """Kernel of a convolution whose taps read neighbouring rows.

    Parameters
    ----------
    inputs, outputs : int
        Of one group.
    groups, taps : int
    units : int
        Outputs of a tile.
    together : {1, 3}
        Windows that share one pass over the weights.
    stride, first : int
        As `sliding` takes them.
    x_stride, y_stride : int
        Floats from one row to the next.
    """
    width = inputs * groups
    # Rows of one group are one row of values.
    runs, length, step = (1, taps * inputs, 0) if groups == 1 else (taps, inputs, width)
    further = stride * width

    @inlined
    def tile(lanes, units, w, x, y):
        """One answer."""
        a = load(lanes, w, 0)
        b = zero(lanes)
        c = b
        d = b
        for j in range(runs):
            a, b, c, d = summed(lanes, units, offset(w, (1 + j * length) * units), offset(x, j * step), length, a, b, c, d)
        store(y, 0, add(add(a, b), add(c, d)))

    @inlined
    def three(lanes, units, w, x, y):
        """Three answers."""
        bias = load(lanes, w, 0)
        nothing = zero(lanes)
        sums = (bias, nothing, nothing, nothing, bias, nothing, nothing, nothing, bias, nothing, nothing, nothing)
        for j in range(runs):
            at, values = offset(w, (1 + j * length) * units), offset(x, j * step)
            sums = summed_together(lanes, units, at, values, offset(values, further), offset(values, 2 * further), length, sums)
        store_three(y, y_stride, sums)

    answer = over_tiles(inputs, outputs, groups, taps, units, tile)
    several = over_tiles(inputs, outputs, groups, taps, units, three) if together == 3 else None
    return sliding(answer, taps - 1, width, stride, first, x_stride, y_stride, several, together)


def dilated_conv1d_f32(inputs, outputs, groups, taps, spacing, units, together, stride, first, x_stride, y_stride):
    """Kernel of a convolution whose taps lie `spacing` rows apart; else as `conv1d_f32`.

    Row number r of the history stands at place r % history of the state: rows stay where they are. The number comes from the caller, and
    every place lies within the history, whatever the state holds.
    """
    width, history = inputs * groups, spacing * (taps - 1)
    lanes, tiles, tail = Lanes(units), outputs // units, outputs % units
    tail_lanes, size = Lanes(tail or 1), 1 + taps * inputs
    copy_row = rows_copier(width)

    @inlined
    def values(x, s, row, place, group):
        """One group's values of a row, counted from the first of x. place: of that one in s."""
        at = offset(x, row * x_stride) if row >= 0 else offset(s, (place + row + history) % history * width)
        return offset(at, group * inputs)

    @inlined
    def one(lanes, units, w, x, s, t, place, group, y):
        """One answer. t: which row of x is the newest."""
        a = load(lanes, w, 0)
        b = zero(lanes)
        c = b
        d = b
        for j in range(taps):
            row = t - (taps - 1 - j) * spacing
            a, b, c, d = summed(lanes, units, offset(w, (1 + j * inputs) * units), values(x, s, row, place, group), inputs, a, b, c, d)
        store(y, 0, add(add(a, b), add(c, d)))

    @inlined
    def three(lanes, units, w, x, s, t, place, group, y):
        """Three answers, from the one on whose newest row is t."""
        bias = load(lanes, w, 0)
        nothing = zero(lanes)
        sums = (bias, nothing, nothing, nothing, bias, nothing, nothing, nothing, bias, nothing, nothing, nothing)
        for j in range(taps):
            row = t - (taps - 1 - j) * spacing
            p = values(x, s, row, place, group)
            q = values(x, s, row + stride, place, group)
            r = values(x, s, row + 2 * stride, place, group)
            sums = summed_together(lanes, units, offset(w, (1 + j * inputs) * units), p, q, r, inputs, sums)
        store_three(y, y_stride, sums)

    def over(tile):
        @inlined
        def answer(w, x, s, t, place, y):
            for g in range(groups):
                of_group, out = offset(w, g * size * outputs), offset(y, g * outputs)
                for j in range(tiles):
                    tile(lanes, units, offset(of_group, j * size * units), x, s, t, place, g, offset(out, j * units))
                if tail:
                    tile(tail_lanes, tail, offset(of_group, tiles * size * units), x, s, t, place, g, offset(out, tiles * units))

        return answer

    answer, several = over(one), over(three if together == 3 else one)
    ahead = (together - 1) * stride

    def kernel(w, x, y, s, z, n, before):
        """w: packed weights; x: (n, x_stride); y: (rows answered, y_stride); s: (history, width); z: unused; before: rows read."""
        place = before % history
        t = rows_passed_over(before, stride, first)
        answers = 0
        while t + ahead < n:
            several(w, x, s, t, place, offset(y, answers * y_stride))
            answers += together
            t += together * stride
        if ahead:
            while t < n:
                answer(w, x, s, t, place, offset(y, answers * y_stride))
                answers += 1
                t += stride
        for k in range(max(0, n - history), n):
            copy_row(offset(s, (place + k) % history * width), offset(x, k * x_stride))

    return kernel


def depthwise_conv1d_f32(width, taps, spacing, stride, first, x_stride, y_stride):
    """Kernel of a convolution of each channel alone. Weights: the biases (width,), then for each tap those of all channels (width,)."""
    chunk = min(width, LONGEST)
    full = width // chunk * chunk
    lanes, rest_lanes, rest = Lanes(chunk), Lanes(width - full or 1), width - full

    @inlined
    def channels(lanes, w, window, k):
        a = load(lanes, w, k)
        for j in range(taps):
            a = fma(load(lanes, w, (1 + j) * width + k), load(lanes, window, j * spacing * width + k), a)
        return a

    @inlined
    def answer(w, window, y):
        for k in range(0, full, chunk):
            store(y, k, channels(lanes, w, window, k))
        if rest:
            store(y, full, channels(rest_lanes, w, window, full))

    return sliding(answer, (taps - 1) * spacing, width, stride, first, x_stride, y_stride)
