"""One convolutional LSTM layer in float32, its weights float32 or int8.

Weights are packed in tiles of some channels. A tile holds its bias, then for each value that a window meets, of x and then of h, the four
gates i f g o of its channels side by side: `size` = 4 * units floats a row. The sums of some neighbouring windows of a row stay in
registers over all of it. Of int8 weights, the scales of x and of h stand behind a tile's bias, and a weight is one byte. With sigmoid and
tanh, what belongs to i, f and o comes halved, as `cells.cell` wants it.
"""

from numba import njit

from .activations import formula
from .cells import cell, finisher, output
from .maps_f32 import Window, copying, multiplication
from .simd.together import in_each_row
from .simd.vectors import Lanes, elementwise, fma, load, offset, store, zero

inlined = njit(inline="always")

#: The words of the plain cell, and what others are held within.
PLAIN, HELD = ("sigmoid", "tanh", "tanh"), 2.0**60


def _cells(words):
    """Intrinsics (i, f, g, c) -> the new c, and (o, the new c) -> h."""
    if words == PLAIN:
        return cell, output
    gate, candidate, answer = map(formula, words)
    held = lambda x: x.above(-HELD).below(HELD)  # noqa: E731
    new = elementwise(lambda i, f, g, c: held(gate(f) * c + gate(i) * candidate(g)))
    return new, elementwise(lambda o, c: held(gate(o) * answer(c)))


def _finisher(words, division, peephole, per_gate):
    """An inlined function (lanes, units, z, p, c, y): the cell of some channels at one place.

    z: their sums, i f g o; p: their p_i, then `per_gate` floats on p_f and p_o; c: in place; y: h.
    """
    if words == PLAIN and not peephole:
        plain = finisher(division)

        @inlined
        def finish(lanes, units, z, p, c, y):
            plain(lanes, load(lanes, z, 0), load(lanes, z, units), load(lanes, z, 2 * units), load(lanes, z, 3 * units), c, y)

        return finish
    new_cell, answer = _cells(words)

    @inlined
    def seen(lanes, z, p, c):
        return fma(load(lanes, p, 0), c, load(lanes, z, 0)) if peephole else load(lanes, z, 0)

    @inlined
    def finish(lanes, units, z, p, c, y):
        before = load(lanes, c, 0)
        i = seen(lanes, z, p, before)
        f = seen(lanes, offset(z, units), offset(p, per_gate), before)
        new = new_cell(i, f, load(lanes, z, 2 * units), before)
        store(c, 0, new)
        store(y, 0, answer(seen(lanes, offset(z, 3 * units), offset(p, 2 * per_gate), new), new))

    return finish


def conv_lstm_f32(
    rows, columns, channels, units, together, given, recurrent, copied, peephole, words, division, x_stride, y_stride, in_bytes=0
):
    """Kernel of one layer.

    Parameters
    ----------
    rows, columns, channels : int
        Of the output map.
    units, together : int
        Channels of a tile (the last may be narrower), and windows that are taken together (the last of a row may be fewer).
    given, recurrent : tuple of int
        How windows lie on x and on h: `maps_f32.Window`.
    copied : int
        Whether x is copied between zeros.
    peephole : {"", "channels", "maps"}
    words : tuple of str
        Activations of gates, candidate and answer.
    division : str
        As `cells.advance` takes it.
    in_bytes : int
        Whether weights are int8.
    """
    given, recurrent = Window(*given), Window(*recurrent)
    values = rows * columns * channels
    before_x, row = (12, 1) if in_bytes else (4, 4)  # floats of a channel's bias and scales, and of what one value is multiplied by
    each = before_x + row * (given.taps + recurrent.taps)
    tiles, tail = channels // units, channels % units
    blocks, last = columns // together, columns % together
    copy_x, copy_h = copying(given, zeros=True), copying(recurrent, zeros=False)
    state, room = recurrent.rows * recurrent.row, given.rows * given.row if copied else 0
    per_place, per_gate = (channels, values) if peephole == "maps" else (0, channels)
    finish = _finisher(words, division, peephole, per_gate)

    def walk(units, together):
        """An inlined function: the step of one tile of `units` channels at `together` places."""
        size = 4 * units
        lanes, gates, sums = Lanes(units), Lanes(size), Lanes(size, together)
        from_x, from_h = (multiplication(window, size, in_bytes=in_bytes) for window in (given, recurrent))
        at_x, at_h = before_x * units, (before_x + row * given.taps) * units

        @inlined
        def step(w, p, x, h, c, y, z, r, k):
            if in_bytes:
                a = from_x(gates, offset(w, at_x), x, r, k, zero(sums))
                store(z, 0, fma(a, in_each_row(sums, load(gates, w, size)), in_each_row(sums, load(gates, w, 0))))
                a = from_h(gates, offset(w, at_h), h, r, k, zero(sums))
                a = fma(a, in_each_row(sums, load(gates, w, 2 * size)), load(sums, z, 0))
            else:
                a = in_each_row(sums, load(gates, w, 0))
                a = from_x(gates, offset(w, at_x), x, r, k, a)
                a = from_h(gates, offset(w, at_h), h, r, k, a)
            store(z, 0, a)
            for j in range(together):
                place = r * columns + k + j
                at = place * channels
                finish(lanes, units, offset(z, j * size), offset(p, place * per_place), offset(c, at), offset(y, at))

        return step

    def tile(units):
        """An inlined function: the step of one tile at all places."""
        some, few = walk(units, together), walk(units, last or 1)

        @inlined
        def step(w, p, x, h, c, y, z):
            for r in range(rows):
                for b in range(blocks):
                    some(w, p, x, h, c, y, z, r, b * together)
                if last:
                    few(w, p, x, h, c, y, z, r, blocks * together)

        return step

    whole, narrow = tile(units), tile(tail or 1)
    size = units * each

    def kernel(w, x, y, s, z, n):
        """w: tiles, then peepholes; x: (n, x_stride); y: (n, y_stride); s: the padded h and c; z: the padded x and a block's sums."""
        p, c, sums = offset(w, channels * each), offset(s, state), offset(z, room)
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            if copied:
                copy_x(xt, z)
                xt = z
            for j in range(tiles):
                at = j * units
                whole(offset(w, j * size), offset(p, at), xt, s, offset(c, at), offset(yt, at), sums)
            if tail:
                at = tiles * units
                narrow(offset(w, tiles * size), offset(p, at), xt, s, offset(c, at), offset(yt, at), sums)
            copy_h(yt, s)

    return kernel
