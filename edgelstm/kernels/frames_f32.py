"""A recurrent layer's kernel over the rows of each timestep's map: along them, or from timestep to timestep for each of them.

Both call that kernel by the symbol that it is compiled under.
"""

from numba import njit

from .entry.blocks import copier
from .simd.addresses import calling
from .simd.vectors import offset

inlined = njit(inline="always")


def intra_rnn(kernel, rows, channels, hidden, width, block, state, initial, backwards, last, x_stride, y_stride, h=(0, 0), c=(0, 0)):
    """Kernel of a cell along the rows of a map, from its initial state at every timestep.

    Parameters
    ----------
    kernel : str
        Symbol of the cell's kernel; its strides are `channels` and `width`, negative where `backwards` is 1.
    rows, channels, hidden : int
        Of the map that is read; numbers that the cell gives for a row.
    width : int
        Floats that the cell's kernel writes for a row.
    block : int
        Most rows that it takes at once.
    state, initial : int
        Floats of the cell's state, and where its initial one stands in the weights.
    backwards, last : int
        Whether the cell begins at the last row; whether what it ends with is all that is given.
    h, c : (int, int)
        Of each part of a state that stands behind the map: where it is in the cell's state, and how many floats; 0 where none stands there.
    """
    run = calling(kernel)
    begin, give = inlined(copier(state)), inlined(copier(hidden))
    take_h, take_c = inlined(copier(max(h[1], 1))), inlined(copier(max(c[1], 1)))
    (h_at, h_size), (c_at, c_size), behind = h, c, rows * channels

    def along_rows(w, x, y, s, z, n):
        """w: the cell's, and its initial state; x: (n, x_stride); y: (n, y_stride); s: unused; z: state, (rows, width), the cell's z."""
        found = offset(z, state)
        scratch = offset(found, rows * width)
        for t in range(n):
            begin(z, offset(w, initial))
            if h_size:
                take_h(offset(z, h_at), offset(x, t * x_stride + behind))
            if c_size:
                take_c(offset(z, c_at), offset(x, t * x_stride + behind + h_size))
            k = 0
            while k < rows:
                count = min(block, rows - k)
                first = rows - 1 - k if backwards else k
                run(w, offset(x, t * x_stride + first * channels), offset(found, first * width), z, scratch, count)
                k += count
            if last:
                give(offset(y, t * y_stride), offset(found, 0 if backwards else (rows - 1) * width))
            else:
                for row in range(rows):
                    give(offset(y, t * y_stride + row * hidden), offset(found, row * width))

    return along_rows


def inter_rnn(kernel, rows, channels, hidden, state, x_stride, y_stride):
    """Kernel of a cell from timestep to timestep for each row of a map.

    Parameters
    ----------
    kernel : str
        Symbol of the cell's kernel.
    rows, channels, hidden : int
        Of the map that is read; numbers that the cell gives for a row. It may write more: the next row's come behind, and over them.
    state : int
        Floats from one row's state to the next one's.
    """
    run = calling(kernel)

    def each_row(w, x, y, s, z, n):
        """w, z: the cell's; x: (n, x_stride); y: (n, y_stride); s: (rows, state)."""
        for row in range(rows):
            run(w, offset(x, row * channels), offset(y, row * hidden), offset(s, row * state), z, n)

    return each_row
