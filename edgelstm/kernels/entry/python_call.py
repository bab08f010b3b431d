"""The function that Python calls as `stream.step`, and for short blocks: an array in, an array out, without a wrapper.

It has the C signature of a Python method with positional arguments (METH_FASTCALL). What is not a contiguous float32 vector of the right
length with values fit to enter the state goes to the careful callable, which accepts more and raises.
"""

from math import prod

from numba import njit

from ..simd.addresses import (
    block_of_rows,
    call_address,
    call_run,
    find_bad,
    floats_at,
    peek_f32,
    peek_i32,
    peek_i64,
    poke_i32,
    run_step,
    steps_taken,
)
from .blocks import copier
from .rates import values_due

inlined = njit(inline="always")


def holds_a_vector(inputs, at):
    """An inlined function (v): whether an array object's data are a vector of so many values, one behind the other."""
    one_value = inputs == 1

    @inlined
    def fits(v):
        return (
            peek_i32(v, at.ARRAY_NDIM) == 1
            and peek_i64(peek_i64(v, at.ARRAY_SHAPE), 0) == inputs
            and (one_value or peek_i64(peek_i64(v, at.ARRAY_STRIDES), 0) == 4)
        )

    return fits


def holds_a_map(shape, at):
    """The same for a C-contiguous map of this shape, or its values in a row."""
    axes, size = len(shape), prod(shape)

    @inlined
    def fits(v):
        if peek_i32(v, at.ARRAY_FLAGS) & at.C_CONTIGUOUS == 0:
            return False
        lengths = peek_i64(v, at.ARRAY_SHAPE)
        if peek_i32(v, at.ARRAY_NDIM) == 1:
            return peek_i64(lengths, 0) == size
        same = peek_i32(v, at.ARRAY_NDIM) == axes
        for k in range(axes):
            same = same and peek_i64(lengths, 8 * k) == shape[k]
        return same

    return fits


def python_block(at):
    """Kernel of the block of steps that `python_step` takes where the binding says so.

    Parameters
    ----------
    at : module
        As `python_step` takes it.
    """

    def kernel(b, args):
        """b: address of the binding; args: addresses of two array objects: samples, and (time, outputs) float32 for their answers.

        Returns the address of the second; 0 where the first is no C-contiguous float32 array (time, inputs), or (time,) of single values,
        or holds what must not enter the state: nothing has run then.
        """
        x, y, inputs = peek_i64(args, 0), peek_i64(args, 8), peek_i64(b, at.INPUTS)
        if (
            inputs == 0
            or peek_i64(x, at.OBJECT_TYPE) != peek_i64(b, at.NDARRAY_TYPE)
            or peek_i64(x, at.ARRAY_DESCR) != peek_i64(b, at.FLOAT32_DESCR)
            or peek_i32(x, at.ARRAY_FLAGS) & at.C_CONTIGUOUS == 0
        ):
            return 0
        axes, lengths = peek_i32(x, at.ARRAY_NDIM), peek_i64(x, at.ARRAY_SHAPE)
        if axes != 2 - (inputs == 1 and axes == 1) or (axes == 2 and peek_i64(lengths, 8) != inputs):
            return 0
        count = peek_i64(lengths, 0)
        weights, arena = floats_at(peek_i64(b, at.WEIGHTS)), floats_at(peek_i64(b, at.ARENA))
        given, answers = floats_at(peek_i64(x, at.ARRAY_DATA)), floats_at(peek_i64(y, at.ARRAY_DATA))
        done = call_run(weights, arena, given, answers, count, peek_f32(b, at.LIMIT), 1 - peek_i64(b, at.UNCHECKED))
        return y if done == count else 0

    return kernel


def python_step(shape, arena_input, at, every, first):
    """Kernel of `PyObject *step(PyObject *self, PyObject *const *args, Py_ssize_t count)`.

    Parameters
    ----------
    shape : tuple of int
        Of a sample.
    arena_input : int
        Byte offset in the arena of the sample that the model reads.
    at : module
        Byte offsets of the binding's fields and of CPython's and NumPy's own (`runtime.binding`).
    every, first : int
        When answers are due (`layers.wire.Wire`).
    """
    each_step = every == first == 1
    fits = holds_a_vector(shape[0], at) if len(shape) == 1 else holds_a_map(shape, at)
    copy = njit(inline="always")(copier(prod(shape)))

    def kernel(self, args, count):
        """self: an array object over the binding; args: (count,) addresses of objects. Returns the address of a new reference."""
        b = peek_i64(self, at.ARRAY_DATA)
        x = 0
        if count == 0:
            x = peek_i64(b, at.INPUT)
        elif count == 1:
            v = peek_i64(args, 0)
            if (
                peek_i64(v, at.OBJECT_TYPE) == peek_i64(b, at.NDARRAY_TYPE)
                and peek_i64(v, at.ARRAY_DESCR) == peek_i64(b, at.FLOAT32_DESCR)
                and fits(v)
            ):
                x = peek_i64(v, at.ARRAY_DATA)
        elif count == 2:
            answered = block_of_rows(b, args)
            if answered != 0:
                poke_i32(answered, at.OBJECT_REFCOUNT, peek_i32(answered, at.OBJECT_REFCOUNT) + 1)
                return answered
        if x == 0 or (peek_i64(b, at.UNCHECKED) == 0 and find_bad(floats_at(x), peek_f32(b, at.LIMIT), 1) == 0):
            return call_address(peek_i64(b, at.VECTORCALL), peek_i64(b, at.SLOW), args, count, 0)
        a = peek_i64(b, at.ARENA)
        copy(floats_at(a + arena_input), floats_at(x))
        run_step(peek_i64(b, at.WEIGHTS), a)
        y = peek_i64(b, at.ANSWER)
        if not each_step:
            taken = steps_taken(floats_at(a))
            if values_due(taken, every, first) == values_due(taken - 1, every, first):
                y = peek_i64(b, at.NOTHING)
                if peek_i32(y, at.OBJECT_REFCOUNT) < 0:  # None may be immortal: its count says so and stays
                    return y
        poke_i32(y, at.OBJECT_REFCOUNT, peek_i32(y, at.OBJECT_REFCOUNT) + 1)
        return y

    return kernel
