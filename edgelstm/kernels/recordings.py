"""Kernels over whole recordings: a layer's kernel from either end, past padding; the ends and the order of the rows.

`sweep`, `masked` and `restarted` stand around a layer's kernel, which they call by the symbol that it is compiled under.
"""

import numpy as np
from numba import njit

from .entry.blocks import copier
from .entry.rates import values_due
from .simd.addresses import calling, calling_counted, find_bad, run_recording
from .simd.vectors import offset

inlined = njit(inline="always")

#: What a mask says of a sample that counts, and of one that is padding.
COUNTS, PADDING = np.float32(1.0), np.float32(0.0)


def sweep(kernel, block, backwards, x_stride, y_stride):
    """Kernel of a layer over all rows of a recording.

    Parameters
    ----------
    kernel : str
        Symbol of the layer's kernel; its strides are negative where `backwards` is 1.
    block : int
        Most rows that it takes at once.
    backwards : int
        Whether it begins at the last row.
    """
    run = calling(kernel)

    def over_all(w, x, y, s, z, n):
        """w, s, z: the layer's; x: (n, x_stride); y: (n, y_stride)."""
        t = 0
        while t < n:
            count = min(block, n - t)
            first = n - 1 - t if backwards else t
            run(w, offset(x, first * x_stride), offset(y, first * y_stride), s, z, count)
            t += count

    return over_all


def counted_sweep(kernel, block, stride, first, left, right, same, spare, x_stride, y_stride):
    """Kernel of a layer that counts its rows over all rows of a recording, with padding around them.

    Parameters
    ----------
    kernel : str
        Symbol of the layer's kernel.
    block : int
        Most rows that it takes at once.
    stride, first, left, right, same, spare
        As `lowering.Counting` has them.
    x_stride, y_stride : int
        Floats from one row to the next.
    """
    run = calling_counted(kernel)
    by_length, upper = same != "", same == "same"

    def over_all(w, x, y, s, z, n):
        """w, s, z: the layer's, a row of padding in s; x: (n, x_stride); y: (rows answered, y_stride)."""
        before, behind = left, right
        if by_length:
            total = max(((n + stride - 1) // stride - 1) * stride + first - n, 0)
            before = total // 2 if upper else total - total // 2
            behind = total - before
        t = 0
        while t < n:
            count = min(block, n - t)
            run(w, offset(x, t * x_stride), offset(y, values_due(before + t, stride, first) * y_stride), s, z, count, before + t)
            t += count
        for t in range(n, n + behind):
            run(w, offset(s, spare), offset(y, values_due(before + t, stride, first) * y_stride), s, z, 1, before + t)

    return over_all


def masked(kernel, inputs, width, before, repeat, x_stride, y_stride):
    """Kernel of a recurrent layer whose rows end in a mask: where that is 0, the layer's state stays.

    Parameters
    ----------
    kernel : str
        Symbol of the layer's kernel.
    inputs : int
        Values of a row before the mask.
    width : int
        Values that the layer's kernel writes.
    before : int
        Floats of the layer's own state: the output before stands behind them.
    repeat : int
        Whether a row of padding repeats the output before; else it is 0.
    """
    run = calling(kernel)
    copy = inlined(copier(width))

    def past_padding(w, x, y, s, z, n):
        """w, z: the layer's; x: (n, x_stride), a row (inputs + 1,); y: (n, y_stride); s: the layer's, and the output before (width,)."""
        last = offset(s, before)
        t = 0
        while t < n:
            yt = offset(y, t * y_stride)
            if x[t * x_stride + inputs] == PADDING:
                if repeat:
                    copy(yt, last)
                else:
                    for k in range(width):
                        yt[k] = PADDING
                t += 1
            else:
                end = t + 1
                while end < n and x[end * x_stride + inputs] != PADDING:
                    end += 1
                run(w, offset(x, t * x_stride), yt, s, z, end - t)
                copy(last, offset(y, (end - 1) * y_stride))
                t = end

    return past_padding


def restarted(kernel, inputs, parts, most, x_stride, y_stride):
    """Kernel of a recurrent layer whose rows end in a number that its state is multiplied by first.

    Parameters
    ----------
    kernel : str
        Symbol of the layer's kernel.
    inputs : int
        Values of a row before that number.
    parts : tuple of (int, int)
        Offset and size of what the state holds from step to step.
    most : float
        What products are cut at.
    """
    run = calling(kernel)
    high, low = np.float32(most), np.float32(-most)

    def begun_anew(w, x, y, s, z, n):
        """w, z: the layer's; x: (n, x_stride), a row (inputs + 1,); y: (n, y_stride); s: the layer's."""
        t = 0
        while t < n:
            factor = x[t * x_stride + inputs]
            if factor != COUNTS:
                for start, size in parts:
                    for k in range(start, start + size):
                        s[k] = min(max(s[k] * factor, low), high)
            end = t + 1
            while end < n and x[end * x_stride + inputs] == COUNTS:
                end += 1
            run(w, offset(x, t * x_stride), offset(y, t * y_stride), s, z, end - t)
            t = end

    return begun_anew


def mask_f32(value, size, x_stride, y_stride):
    """Kernel of the mask: 0 where all values of a row equal `value`, else 1."""
    padding = np.float32(value)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride), one value a row; w, s, z: unused."""
        for t in range(n):
            found = PADDING
            for k in range(size):
                if x[t * x_stride + k] != padding:
                    found = COUNTS
            y[t * y_stride] = found

    return kernel


def last_f32(size, x_stride, y_stride):
    """Kernel of one row out of a recording's last and first. Weights: (size,), 1 where a value is of the last row, 0 of the first."""

    def kernel(w, x, y, s, z, n):
        """w: which row; x: (n, x_stride), all rows of a recording, at least one; y: (size,); s, z: unused."""
        last = offset(x, (n - 1) * x_stride)
        for k in range(size):
            y[k] = last[k] if w[k] != PADDING else x[k]

    return kernel


def repeat_f32(size, rows, x_stride, y_stride):
    """Kernel of a recording's last row, `rows` times; where that is 0, as often as there are rows."""
    copy = inlined(copier(size))

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride), all rows of a recording, at least one; y: (rows or n, y_stride); w, s, z: unused."""
        last = offset(x, (n - 1) * x_stride)
        for t in range(rows or n):
            copy(offset(y, t * y_stride), last)

    return kernel


def reverse_f32(size, x_stride, y_stride):
    """Kernel of the rows in opposite order."""
    copy = inlined(copier(size))

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride), all rows of a recording; y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            copy(offset(y, t * y_stride), offset(x, (n - 1 - t) * x_stride))

    return kernel


def process_recording(inputs, sample, least):
    """Kernel of `process` over a whole recording; see `blocks.process`.

    Parameters
    ----------
    inputs : int
        Values in a sample.
    sample : int
        Offset in the arena, in floats, of the sample read last.
    least : int
        Samples without which some layer has no row to read: with fewer, nothing runs.
    """
    copy = inlined(copier(inputs))

    def kernel(w, a, m, x, y, n, limit, checked):
        """w: weights; a: arena in its initial state; m: work memory; x: (n, inputs); y: the answers.

        Returns the index of the first sample that is not fit; nothing has run then. Else n.
        """
        if checked:
            first = find_bad(x, limit, n)
            if first < n:
                return first
        if n >= least:
            run_recording(w, a, m, x, y, n)
            copy(offset(a, sample), offset(x, (n - 1) * inputs))
        return n

    return kernel
