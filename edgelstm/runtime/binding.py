"""Where the native step finds what it needs of Python: one record of addresses in a stream's memory.

Offsets are shared by `kernels.entry.python_call`, which reads them in native code, and `native_call`, which fills them in.
"""

#: Byte offsets of eight-byte fields in a binding.
NDARRAY_TYPE = 0  # address of numpy.ndarray
FLOAT32_DESCR = 8  # address of numpy.dtype("float32")
ANSWER = 16  # address of the output array object
SLOW = 24  # address of the callable that takes what the fast path does not
VECTORCALL = 32  # address of PyObject_Vectorcall
WEIGHTS = 40  # address of the packed weights
ARENA = 48  # address of the arena
INPUT = 56  # address of the array that the user may fill before step()
LIMIT = 64  # float32: largest magnitude that an input may have
UNCHECKED = 72  # 1: inputs are not checked
METHOD = 80  # PyMethodDef: name, function, flags, doc
NOTHING = 112  # address of None
INPUTS = 120  # values in a sample, where a call with samples and an array for their answers takes all these steps; else 0
SIZE = 128

#: Where CPython and NumPy keep what the fast path reads; `native_call.usable` compares them with a known array.
OBJECT_REFCOUNT = 0
OBJECT_TYPE = 8
ARRAY_DATA = 16
ARRAY_NDIM = 24
ARRAY_SHAPE = 32
ARRAY_STRIDES = 40
ARRAY_DESCR = 56
ARRAY_FLAGS = 64

#: Bit of an array's flags: its values lie one behind the other, the last axis fastest.
C_CONTIGUOUS = 1
