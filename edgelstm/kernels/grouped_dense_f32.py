"""Fully connected layers side by side, in float32."""

from .dense_f32 import column_sums
from .simd.vectors import Lanes, offset, store

columns = column_sums()


def grouped_dense_f32(groups, inputs, outputs, units, x_stride, y_stride):
    """Kernel of `groups` layers of `inputs` and `outputs` each. Weights: those of each group, as `dense_f32.dense_columns_f32` has them."""
    lanes, tiles, tail = Lanes(units), outputs // units, outputs % units
    tail_lanes = Lanes(tail or 1)
    size = (1 + inputs) * units

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            for g in range(groups):
                xt = offset(x, t * x_stride + g * inputs)
                yt = offset(y, t * y_stride + g * outputs)
                wg = offset(w, g * (1 + inputs) * outputs)
                for j in range(tiles):
                    store(yt, j * units, columns(lanes, units, units, offset(wg, j * size), xt, inputs))
                if tail:
                    store(yt, tiles * units, columns(tail_lanes, tail, tail, offset(wg, tiles * size), xt, inputs))

    return kernel
