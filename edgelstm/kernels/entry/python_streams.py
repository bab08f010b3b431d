"""What Python calls for many streams, or many windows of one, without a wrapper around arrays."""

from numba import njit

from ..simd.addresses import call_address, call_streams, find_bad, floats_at, peek_f32, peek_i32, peek_i64, poke_i32, poke_i64
from ..simd.vectors import offset
from .blocks import copier
from .python_call import holds_a_map, holds_a_vector

inlined = njit(inline="always")


def python_streams(inputs, at, of):
    """Kernel of `PyObject *step(PyObject *self, PyObject *const *args, Py_ssize_t count)`: `run_streams` of a timestep of each stream, from
    one array object to another.

    Parameters
    ----------
    inputs : int
        Values in a sample.
    at, of : module
        Byte offsets of CPython's and NumPy's fields (`runtime.binding`), and of a call's (`runtime.many_call`).
    """

    @inlined
    def fits(call, x):
        if peek_i64(x, at.OBJECT_TYPE) != peek_i64(call, of.NDARRAY_TYPE) or peek_i64(x, at.ARRAY_DESCR) != peek_i64(
            call, of.FLOAT32_DESCR
        ):
            return False
        if peek_i32(x, at.ARRAY_NDIM) != 2 or peek_i32(x, at.ARRAY_FLAGS) & at.C_CONTIGUOUS == 0:
            return False
        lengths = peek_i64(x, at.ARRAY_SHAPE)
        return peek_i64(lengths, 0) == peek_i64(call, of.COUNT) and peek_i64(lengths, 8) == inputs

    def kernel(self, args, count):
        """self: an array object over a call; args: addresses of two objects, x, and an array y (count, outputs) float32.

        Returns the address of a new reference: to y; to None where x is no C-contiguous float32 array (count, inputs), or holds what must
        not enter a state: nothing has run then.
        """
        call, x, y = peek_i64(self, at.ARRAY_DATA), peek_i64(args, 0), peek_i64(args, 8)
        rows = peek_i64(call, of.CHECKED)
        if not fits(call, x) or call_streams(call, floats_at(peek_i64(x, at.ARRAY_DATA)), floats_at(peek_i64(y, at.ARRAY_DATA))) != rows:
            y = peek_i64(call, of.NOTHING)
            if peek_i32(y, at.OBJECT_REFCOUNT) < 0:  # None may be immortal: its count says so and stays
                return y
        poke_i32(y, at.OBJECT_REFCOUNT, peek_i32(y, at.OBJECT_REFCOUNT) + 1)
        return y

    return kernel


def advance(state_words, of):
    """An inlined function (call, x): a sample for all open windows. Whether one ends with it: its answer is then the first."""

    @inlined
    def one_step(call, x):
        hop, length, windows = peek_i64(call, of.HOP), peek_i64(call, of.LENGTH), peek_i64(call, of.WINDOWS)
        taken_at, every = peek_i64(call, of.TAKEN), peek_i64(call, of.EVERY)
        taken = peek_i64(taken_at, 0)
        newest = taken // hop
        oldest = 0 if taken < length else (taken - length) // hop + 1
        if newest * hop == taken:
            state, initial = peek_i64(every, 8 * (newest % windows)), peek_i64(call, of.INITIAL)
            for k in range(state_words):
                poke_i32(state, 4 * k, peek_i32(initial, 4 * k))
        poke_i64(call, of.PLACES, every + 8 * (oldest % windows))
        poke_i64(call, of.COUNT, newest - oldest + 1)
        call_streams(call, x, floats_at(peek_i64(call, of.ANSWERS)))
        poke_i64(taken_at, 0, taken + 1)
        return taken + 1 == oldest * hop + length

    return one_step


def run_windowed(inputs, outputs, state_words, of):
    """Kernel of `edgelstm_run_windowed`: samples of one stream through windows; parameters as `python_windowed` takes them."""
    one_step, copy = advance(state_words, of), njit(inline="always")(copier(outputs))

    def kernel(call, x, y, n):
        """call: address of a call; x: (n, inputs); y: (windows that end, outputs). Returns how many ended."""
        ended = 0
        for t in range(n):
            if one_step(call, offset(x, t * inputs)):
                copy(offset(y, ended * outputs), floats_at(peek_i64(call, of.ANSWERS)))
                ended += 1
        return ended

    return kernel


def python_windowed(shape, state_words, at, of):
    """Kernel of `PyObject *step(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)` of windows.

    Parameters
    ----------
    shape : tuple of int
        Of a sample.
    state_words : int
        Words of 32 bits in a state.
    at, of : module
        As `python_streams` takes them; the binding's arena is a call.
    """
    fits = holds_a_vector(shape[0], at) if len(shape) == 1 else holds_a_map(shape, at)
    one_step = advance(state_words, of)

    def kernel(self, args, count, names):
        """self: an array object over the binding; args: (count,) addresses of objects. Returns the address of a new reference."""
        b = peek_i64(self, at.ARRAY_DATA)
        call, x = peek_i64(b, at.ARENA), 0
        if count == 1 and names == 0 and peek_i64(call, of.WINDOWS) > 0:
            v = peek_i64(args, 0)
            if (
                peek_i64(v, at.OBJECT_TYPE) == peek_i64(b, at.NDARRAY_TYPE)
                and peek_i64(v, at.ARRAY_DESCR) == peek_i64(b, at.FLOAT32_DESCR)
                and fits(v)
            ):
                x = peek_i64(v, at.ARRAY_DATA)
        if x == 0 or (peek_i64(b, at.UNCHECKED) == 0 and find_bad(floats_at(x), peek_f32(b, at.LIMIT), 1) == 0):
            return call_address(peek_i64(b, at.VECTORCALL), peek_i64(b, at.SLOW), args, count, names)
        y = peek_i64(b, at.ANSWER)
        if not one_step(call, floats_at(x)):
            y = peek_i64(b, at.NOTHING)
            if peek_i32(y, at.OBJECT_REFCOUNT) < 0:  # None may be immortal: its count says so and stays
                return y
        poke_i32(y, at.OBJECT_REFCOUNT, peek_i32(y, at.OBJECT_REFCOUNT) + 1)
        return y

    return kernel
