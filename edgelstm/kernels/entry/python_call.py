"""The function that Python calls as `stream.step`: an array in, an array out, without a wrapper.

It has the C signature of a Python method with positional arguments (METH_FASTCALL). What is not a contiguous float32 vector of the right
length with values fit to enter the state goes to the careful callable, which accepts more and raises.
"""

from numba import njit

from ..simd.addresses import call_address, find_bad, floats_at, peek_f32, peek_i32, peek_i64, poke_i32, run_step
from .blocks import copier


def python_step(inputs, arena_input, at):
    """Kernel of `PyObject *step(PyObject *self, PyObject *const *args, Py_ssize_t count)`.

    Parameters
    ----------
    inputs : int
        Values in a sample.
    arena_input : int
        Byte offset in the arena of the sample that the model reads.
    at : module
        Byte offsets of the binding's fields and of CPython's and NumPy's own (`compiler.binding`).
    """
    one_value = inputs == 1
    copy = njit(inline="always")(copier(inputs))

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
                and peek_i32(v, at.ARRAY_NDIM) == 1
                and peek_i64(peek_i64(v, at.ARRAY_SHAPE), 0) == inputs
                and (one_value or peek_i64(peek_i64(v, at.ARRAY_STRIDES), 0) == 4)
            ):
                x = peek_i64(v, at.ARRAY_DATA)
        if x == 0 or (peek_i64(b, at.UNCHECKED) == 0 and find_bad(floats_at(x), peek_f32(b, at.LIMIT), 1) == 0):
            return call_address(peek_i64(b, at.VECTORCALL), peek_i64(b, at.SLOW), args, count, 0)
        a = peek_i64(b, at.ARENA)
        copy(floats_at(a + arena_input), floats_at(x))
        run_step(peek_i64(b, at.WEIGHTS), a)
        y = peek_i64(b, at.ANSWER)
        poke_i32(y, at.OBJECT_REFCOUNT, peek_i32(y, at.OBJECT_REFCOUNT) + 1)
        return y

    return kernel
