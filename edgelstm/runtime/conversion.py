"""What users pass as samples -> float32 rows. Streams and calibration read samples by `floats` alone.

It knows arrays, lists and names, and imports none of the libraries whose tables it reads.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, printable
from .fields import Fields

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: As an object: comparing with the type takes longer.
_FLOAT32 = np.dtype(np.float32)

#: Types whose lists NumPy turns into numbers as they stand.
_PLAIN = {int, float, bool, np.float32, np.float64}


#: Most items read from a sequence that is neither list nor array, most labels of a table, most values of a view that repeats them.
_MOST_ITEMS, _MOST_LABELS, _MOST_REPEATED = 1 << 20, 1 << 16, 1 << 26


class Form(Fields):
    """What is asked for.

    Parameters
    ----------
    size : int
        Values in a sample.
    axes : int
        1 for one sample, 2 for samples in order of time.
    names : callable
        Gives the names of the channels; an empty tuple where they have none.
    shape : tuple of int
        Of a sample that is a map; an array of it is taken as well as a flat one.
    """

    size: int
    axes: int
    names: Callable[[], tuple[str, ...]]
    shape: tuple[int, ...] = ()

    def fit(self, shape: tuple[int, ...]) -> None:
        """Raise InputError unless arrays of this shape are meant."""
        size = self.size
        if self.axes == 1:
            good = shape == (size,) or (size == 1 and shape == ())
        else:
            good = shape == (0,) or (len(shape) == 2 and shape[1] == size) or (size == 1 and len(shape) == 1)
        if not good:
            one = f"{size}," if len(self.shape) < 2 else ", ".join(map(str, self.shape))
            what = f"a sample has shape ({one})" if self.axes == 1 else f"samples have shape (time, {one.rstrip(',')})"
            names = f" ({printable(', '.join(self.names()), 200)})" if self.names() else ""
            raise InputError(f"{what}{names}; got {printable(shape, 80)}.{_way_out(shape, self)}")


def _way_out(shape: tuple[int, ...], form: Form) -> str:
    """What to do with an array of a wrong shape, where that is clear."""
    size, several = form.size, " For several samples at once use process()."
    if form.axes == 1:
        if len(shape) == 2 and shape[1] == size and size > 1:
            return several + (" This one is x[0]." if shape[0] == 1 else "")
        if len(shape) > 1 and shape in ((size, *(1,) * (len(shape) - 1)), (*(1,) * (len(shape) - 1), size)):
            return " Give x.ravel()."
        if len(shape) == 2 and shape[0] == size:
            return f"{several} It takes (time, {size}): transpose them, xs.T."
        return several if size == 1 and shape else ""
    if shape in ((size,), ()):
        return " One sample goes to step(); xs[None] is a block of one."
    if len(shape) == 2 and shape[0] == size:
        return " Transpose them: xs.T."
    if len(shape) == 3 and shape[2] == size:
        if shape[0] == 1:
            return " Drop the batch axis: xs[0]."
        return (
            " Drop the batch axis: xs[:, 0]."
            if shape[1] == 1
            else " Give each sequence by itself, xs[0] first, with reset() before the next."
        )
    return ""


def floats(x: object, form: Form) -> "NDArray[np.float32]":
    """Samples as an array.

    Parameters
    ----------
    x : object
        An array or nested lists of numbers, or anything that has an `__array__`. A masked value, None or NA is NaN. Tables, series,
        mappings and named tuples are matched by name where the channels have names; what else they hold is left out.
    form : Form

    Returns
    -------
    (input_size,) or (time, input_size) float32
        C-ordered. Shares memory with `x` where that is such an array.

    Raises
    ------
    InputError
        If `x` has the wrong shape, lacks a name, or holds what is no number. Nothing larger than `x` is made to find out.
    """
    if len(form.shape) > 1:
        x = _flat(x, form)
    if type(x) is np.ndarray and x.dtype == _FLOAT32 and (flags := x.flags).c_contiguous and flags.aligned:
        given = x
    else:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                given = np.require(_read(x, form), np.float32, ["C", "A"])
        except InputError:
            raise
        except MemoryError:
            raise InputError("these samples need more memory than this machine gives; pass them in shorter blocks.") from None
        except Exception as problem:  # noqa: BLE001  objects of others raise what they like
            said = printable(problem, 200).rstrip(".").removeprefix("Got ") or type(problem).__name__
            got = "" if said.lower().startswith("can't") else "got "  # as PyTorch begins a sentence of its own
            raise InputError(f"samples must be numbers, (time, {form.size}) or ({form.size},); {got}{said}.") from None
    shape = given.shape
    if len(shape) == form.axes and shape[-1] == form.size:
        return given
    form.fit(shape)
    return given.reshape((form.size,) if form.axes == 1 else (-1, form.size))


def _flat(x: Any, form: Form) -> Any:
    """An array of maps as one of vectors; anything else as it is."""
    if isinstance(x, list | tuple):
        outline = _outline(x)
        x = np.asarray(x) if outline[form.axes - 1 :] == form.shape else x
    shape = getattr(x, "shape", None)
    if isinstance(shape, tuple) and tuple(shape[form.axes - 1 :]) == form.shape and len(shape) == form.axes - 1 + len(form.shape):
        return x.reshape(*shape[: form.axes - 1], form.size)
    return x


def is_table(x: object) -> bool:
    """Whether `x` has columns, so that it is a block of samples, whatever iterating over it gives."""
    return isinstance(x, Mapping) or (_is_array(x) and getattr(x, "columns", None) is not None)


def _read(x: Any, form: Form) -> "NDArray[Any]":
    """`x` as an array of some numeric dtype."""
    if isinstance(x, str | bytes) or x is None:
        raise TypeError(type(x).__name__)
    if isinstance(x, np.ndarray | np.void) and x.dtype.names:
        return _by_name({name: x[name] for name in x.dtype.names}, form)
    if _is_masked(x):
        data = np.asarray(x.data)
        form.fit(data.shape)
        mask = sys.modules["numpy.ma"].getmaskarray(x)
        missing = np.array(None if data.dtype.kind == "O" else np.nan)
        return _numbers(np.where(mask, missing, data))
    if _is_array(x):
        array = _by_label(x, np.asarray(x), form)
        form.fit(array.shape)
        return _numbers(array)
    if isinstance(x, tuple) and isinstance(fields := getattr(x, "_fields", None), tuple) and form.axes == 1 and form.names():
        x = dict(zip(fields, x, strict=True))
    if isinstance(x, Mapping) or hasattr(type(x), "keys"):
        return _by_name(x, form)
    if isinstance(x, list | tuple):
        return _listed(x, form)
    if not hasattr(type(x), "__len__"):
        return np.array(_number(x))
    if not hasattr(type(x), "__getitem__"):
        raise TypeError(f"{type(x).__name__}, which has no order")
    most = form.size if form.axes == 1 else _MOST_ITEMS
    items = list(islice(iter(x), most + 1))  # its length is not believed
    if len(items) > most:
        raise TypeError(f"{type(x).__name__} of more than {most}; make it an array")
    return _listed(items, form)


def _is_array(x: object) -> bool:
    """Whether NumPy reads `x` as an array and not item by item."""
    if any(hasattr(type(x), name) for name in ("__array__", "__array_interface__", "__array_struct__")):
        return True
    try:
        memoryview(x)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _is_masked(x: object) -> bool:
    masked = sys.modules.get("numpy.ma")  # whoever has made a masked array has loaded it
    return masked is not None and isinstance(x, masked.MaskedArray)


def _by_label(x: object, array: "NDArray[Any]", form: Form) -> "NDArray[Any]":
    """The channels of a table by its columns, or of a series by its index, where both sides have names; else the array as it is."""
    columns = getattr(x, "column_names", None) or getattr(x, "columns", None)  # `columns` of Arrow's tables are their values
    found = getattr(x, "index", None) if form.axes == 1 else columns
    if found is None or callable(found) or not isinstance(found, Iterable) or not form.names():
        return array
    labels = list(islice(iter(found), _MOST_LABELS))
    if labels and all(isinstance(label, tuple) for label in labels) and any(isinstance(part, str) for part in labels[0]):
        raise TypeError("names of several levels; give a table whose columns have one name each")
    if not any(isinstance(label, str) for label in labels):
        return array
    if array.shape[-1:] != (len(labels),):
        raise TypeError(f"{len(labels)} names for an array of shape {array.shape}")
    _require_names(labels, form)
    return array[..., [labels.index(name) for name in form.names()]]


def _require_names(found: list[Any], form: Form) -> None:
    """Raise InputError unless each channel's name is there once."""
    if odd := [name for name in form.names() if found.count(name) != 1]:
        fault = "twice" if odd[0] in found else "not"
        raise InputError(
            f"{printable(odd[0], 60)!r} is {fault} among the names given ({printable(', '.join(map(str, found[:50])), 200)}); the model's "
            f"inputs are {printable(', '.join(form.names()), 200)}. Rename them, or give an array of the values in that order."
        )


def _by_name(x: Any, form: Form) -> "NDArray[Any]":
    """A mapping of names to values, or for several samples to columns."""
    names = form.names()
    if not names:
        raise InputError(
            f"values by name ({type(x).__name__}) need a model with input_names; give them in order, "
            "or name the inputs: dataclasses.replace(model, input_names=…)."
        )
    _require_names(list(islice(iter(x.keys()), _MOST_LABELS)), form)
    alone = Form(1, form.axes, tuple)
    columns = [_part(x[name], alone, f"channel {printable(name, 60)}") for name in names]
    return np.concatenate(columns) if form.axes == 1 else np.concatenate(columns, axis=1)


def _part(x: object, form: Form, where: str) -> "NDArray[np.float32]":
    """`floats` of a part; errors begin with where it is. A missing value alone is NaN."""
    try:
        return floats(np.nan if x is None else x, form)
    except InputError as problem:
        raise InputError(f"{where}: {problem}") from None


def _listed(x: list[Any] | tuple[Any, ...], form: Form) -> "NDArray[Any]":
    """Numbers, or rows of any kind, in a list."""
    shape, kinds = _outline(x), set(map(type, x))
    if form.axes == 1 or kinds <= _PLAIN or len(shape) > 1:
        form.fit(shape)
    if kinds <= _PLAIN:
        return _numbers(np.array(x))
    if form.axes == 1:
        return np.array([_number(value) for value in x])
    if kinds <= {list, tuple} and set(map(type, chain.from_iterable(x))) <= _PLAIN:
        return _numbers(np.array(x))
    if kinds == {np.ndarray} and {row.shape for row in x} == {(form.size,)}:
        return _numbers(np.array(x))
    one = form._replace(axes=1)
    return np.array([_part(row, one, f"sample {t}") for t, row in enumerate(x)])


def _outline(x: Any, depth: int = 4) -> tuple[int, ...]:
    """The shape of nested lists, by their first items; no deeper than any sample goes."""
    if not isinstance(x, list | tuple):
        shape = getattr(x, "shape", ())
        return shape if isinstance(shape, tuple) else ()
    if not x or not depth:
        return (len(x),)
    if all(isinstance(row, list | tuple) for row in x) and len(lengths := set(map(len, x))) > 1:
        raise TypeError(f"rows of {min(lengths)} and of {max(lengths)} values")
    return (len(x), *_outline(x[0], depth - 1))


def _numbers(array: "NDArray[Any]") -> "NDArray[Any]":
    """An array of numbers, made of one of objects if need be."""
    if array.size > _MOST_REPEATED and 0 in array.strides:
        raise TypeError(f"a view that repeats {array.size} values; pass shorter blocks")
    if array.dtype.kind == "O":
        return np.array([_number(value) for value in array.ravel()], np.float64).reshape(array.shape)
    if array.dtype.kind not in "fiub" and array.size:
        raise TypeError(f"dtype {array.dtype}")
    return array


def _number(value: Any) -> float:
    """An object as a float; NaN where it is missing. A string such as '12' is not a number here."""
    if value is None or type(value).__name__ == "NAType":
        return float("nan")
    known = isinstance(value, np.generic | np.ndarray)
    if isinstance(value, str | bytes | bytearray) or (known and (value.ndim or value.dtype.kind not in "fiub")):
        raise TypeError(f"{type(value).__name__} {printable(value, 40)!r}")
    if _is_masked(value) and value.mask:
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else -float("inf")
