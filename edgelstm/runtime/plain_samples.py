"""What a user may pass as a sample, as float32 numbers in memory: `samples` with the standard library alone."""

import ctypes

from .plain_refusals import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

#: Most samples read from what is neither list nor tuple nor buffer.
_MOST_ITEMS = 1 << 20

#: Larger snapshots are none.
_MOST_BYTES = 1 << 28


def values(sample: "Any", size: int, names: "Callable[[], tuple[str, ...]]") -> "list[float]":
    """The numbers of a sample.

    Parameters
    ----------
    sample : sequence of numbers (size,), bare number for size 1, or mapping by name
    size : int
    names : function
        Gives the names of the inputs; empty where they have none.

    Raises
    ------
    InputError
    """
    try:
        if hasattr(type(sample), "keys") and (keys := list(_first(sample.keys(), _MOST_ITEMS))) and isinstance(keys[0], str):
            return [_number(sample[name]) for name in _all_named(keys, names())]
        if isinstance(sample, dict | set | frozenset | str | bytes | bytearray):
            raise TypeError
        if hasattr(sample, "mask"):
            sample = sample.tolist()  # None where a value is masked
        if size == 1 and not hasattr(type(sample), "__iter__") and hasattr(type(sample), "__float__"):
            sample = (sample,)
        found = list(_first(sample, size + 1))
        if len(found) == size:
            return [_number(value) for value in found]
    except Exception as problem:
        if type(problem).__name__ == "InputError":
            raise
    counted = isinstance(sample, list | tuple) and len(sample) != size
    return refuse("InputError", f"a sample is {size} numbers; got {len(sample) if counted else type(sample).__name__}.")


def _all_named(keys: "list[Any]", names: "tuple[str, ...]") -> "tuple[str, ...]":
    """The names of the inputs, each of which must be among the keys."""
    if not names:
        refuse("InputError", "values by name need a model with input names; give them in order.")
    if missing := [name for name in names if name not in keys]:
        refuse("InputError", f"{missing[0]!r} is not among the names given; the model's inputs are {', '.join(names)}.")
    return names


def rows(samples: "Any", size: int) -> "list[Any]":
    """Samples of `size` numbers, one by one."""
    try:
        if isinstance(samples, list | tuple):
            return list(samples)
        found = list(_first(samples, _MOST_ITEMS + 1))
    except Exception:  # noqa: BLE001  objects of others raise what they like
        found = [None] * (_MOST_ITEMS + 1)
    if len(found) > _MOST_ITEMS or isinstance(samples, dict | set | frozenset | str | bytes):
        refuse("InputError", f"process takes float32 buffers of (time, {size}), or samples; got {type(samples).__name__}.")
    return found


def _first(items: "Iterable[Any]", most: int) -> "Iterable[Any]":
    from itertools import islice

    return islice(iter(items), most)


def shaped(values: "memoryview[Any]", shape: "tuple[int, ...]") -> "memoryview[Any]":
    """A view of vectors; of a map, one of its shape."""
    return values[:] if len(shape) == 1 else values.cast("B").cast("f", shape)


def flat(sample: "Any", shape: "tuple[int, ...]") -> "memoryview[Any]":
    """A map's values in a row, of a contiguous buffer of float32 in its shape or flat."""
    view = buffer(sample)
    if view is None or view.shape not in (shape, (view.nbytes // 4,)):
        raise TypeError
    return view.cast("B").cast("f")


def floats(numbers: "list[float]") -> "memoryview[float]":
    """Numbers as float32; infinite where they are beyond it."""
    return memoryview((ctypes.c_float * len(numbers))(*numbers)).cast("B").cast("f")


def _number(value: "Any") -> float:
    """A number as a float. A string such as '12' is not a number here; neither is a date, nor a sequence of one number."""
    if getattr(getattr(value, "dtype", None), "kind", "f") not in "fiub":
        raise TypeError
    if isinstance(value, str | bytes | bytearray) or (hasattr(type(value), "__iter__") and getattr(value, "shape", None) != ()):
        raise TypeError
    return float(value)


def buffer(x: "Any") -> "memoryview[Any] | None":
    """A contiguous buffer of float32; None if it is none."""
    try:
        view = memoryview(x)
    except Exception:  # noqa: BLE001  objects of others raise what they like
        return None
    return view if view.format == "f" and view.c_contiguous and not hasattr(x, "mask") else None


def address(memory: "bytearray | memoryview[Any]") -> int:
    """Where a writable buffer's data lies."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def writable(blob: "Any") -> "tuple[bytearray, int]":
    """A snapshot's bytes in memory of their own, at least one, and how many it has.

    Raises
    ------
    StateError
    """
    try:
        view = memoryview(blob).cast("B")
    except Exception:  # noqa: BLE001  objects of others raise what they like
        refuse("StateError", f"a snapshot is the bytes that stream.snapshot() gave, one behind the other; got {type(blob).__name__}.")
    return bytearray(view if view.nbytes < _MOST_BYTES else b"") or bytearray(1), view.nbytes
