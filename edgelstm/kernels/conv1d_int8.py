"""Convolutions along time with int8 weights: the sibling of `conv1d_f32`.

A group is a fully connected layer over the rows that its taps read, one behind the other: for each, the tiles of `dense_int8`.
"""

from numba import njit

from .dense_int8 import answers_dynamic, answers_weight
from .simd.vectors import offset
from .sliding_f32 import rows_copier, sliding
from .tiles_int8 import STEPS, largest, quantiser

inlined = njit(inline="always")


def taken(inputs, groups, taps, spacing):
    """An inlined function (window, group, z): the values that a group's taps read, (taps, inputs), in z unless they stand so already."""
    width, copy = inputs * groups, rows_copier(inputs)

    @inlined
    def in_window(window, group, z):
        return window

    @inlined
    def gathered(window, group, z):
        for j in range(taps):
            copy(offset(z, j * inputs), offset(window, j * spacing * width + group * inputs))
        return z

    return in_window if groups == 1 and (spacing == 1 or taps == 1) else gathered


def conv1d_int8_dynamic(
    inputs, outputs, groups, taps, spacing, units, words, form, width, calibrated, floats, scratch, stride, first, x_stride, y_stride
):
    """Kernel of a layer whose inputs are quantised, all that an answer reads by one step.

    Parameters
    ----------
    inputs, outputs : int
        Of one group.
    groups, taps, spacing : int
        As `conv1d_f32.dilated_conv1d_f32` takes them.
    units, words, form, width, calibrated : int
        As `dense_int8_dynamic` takes them.
    floats : int
        Of the weights of a group.
    scratch : int
        As `sliding` takes it: quantised values, a tile of answers, and values of a group.
    stride, first, x_stride, y_stride : int
        As `sliding` takes them.
    """
    row = inputs * groups
    values_of, largest_x = taken(inputs, groups, taps, spacing), largest(row)
    quantise, answer_of = quantiser(form, taps * inputs), answers_dynamic(outputs, units, words, form, width, calibrated)
    answers_at = (words + 3) // 4 * 4 + 4

    @inlined
    def answer(w, window, y, z):
        steps = w[0]
        if not calibrated:
            most = largest_x(window)
            for j in range(1, taps):
                most = max(most, largest_x(offset(window, j * spacing * row)))
            steps = STEPS / most
        for g in range(groups):
            quantise(z, values_of(window, g, offset(z, answers_at + units)), steps)
            answer_of(offset(w, g * floats), z, steps, offset(y, g * outputs), offset(z, answers_at))

    return sliding(answer, (taps - 1) * spacing, row, stride, first, x_stride, y_stride, scratch=scratch)


def conv1d_int8_weight(inputs, outputs, groups, taps, spacing, units, floats, scratch, stride, first, x_stride, y_stride):
    """Kernel of a layer with float32 inputs. Parameters: as `conv1d_int8_dynamic`; scratch: a tile of answers, and values of a group."""
    values_of, answer_of = taken(inputs, groups, taps, spacing), answers_weight(taps * inputs, outputs, units)

    @inlined
    def answer(w, window, y, z):
        for g in range(groups):
            answer_of(offset(w, g * floats), values_of(window, g, offset(z, units)), offset(y, g * outputs), z)

    return sliding(answer, (taps - 1) * spacing, inputs * groups, stride, first, x_stride, y_stride, scratch=scratch)
