"""``python:module.function``: what a function of the user's own yields: sensors on I²C or SPI, a camera, a simulation.

The function is named by the user on the command line, as ``python -m`` names a module: importing it runs it.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from datetime import time as clock_time
from importlib import import_module
from inspect import signature
from math import isfinite
from traceback import extract_tb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EdgeLSTMError, InputError, UsageError
from ..runners import Samples
from . import Wanted
from .address import Address
from .numbers import NumberSource

#: Stands for a value that a sample lacks.
_NAN = float("nan")

#: Stands for a sample where there is none any more.
_END = object()


class FunctionSource(NumberSource):
    """Samples of an iterable that a function returns, one at a time.

    A sample is input_size numbers in any form that NumPy takes, or a mapping by the model's input names, which may hold what --keep, --key
    and --sequence name beside them. None in either is a missing value.

    Parameters
    ----------
    address : Address
        Its path is the function; its options are handed to it as keywords, as text.
    wanted : Wanted

    Raises
    ------
    UsageError
        If there is no such module or function, or it returns nothing to iterate.
    InputError
        If the function, or the module, ends in an error of its own; while iterating too.
    """

    def __init__(self, address: Address, wanted: Wanted) -> None:
        super().__init__()
        self._name, self._model, self._reading = address.path, wanted.model, wanted.reading
        if positions := [c for c in (*wanted.reading.keep, *wanted.reading.columns) if isinstance(c, int)]:
            raise UsageError(f"{address.shown} has columns by name alone; {positions[0] + 1} is a number.")
        self._names = [str(c) for c in wanted.reading.columns or wanted.model.input_names]
        self._keep = [str(c) for c in wanted.reading.keep]
        self._kept_names = self._keep
        function = _function(address)
        _check_options(function, address)
        with _told(self._name):
            made = function(**address.options)
        if not isinstance(made, Iterable):
            raise UsageError(f"{self._name}() returned {type(made).__name__}; let it yield samples, or return something to iterate.")
        self._made = iter(made)

    def __iter__(self) -> Iterator[Samples]:
        while (item := self._next()) is not _END:
            self.samples += 1
            values, kept = self._sample(item)
            yield Samples(values.reshape(1, -1), [self.samples], [kept] if self._keep else (), self.file)

    def _next(self) -> Any:
        with _told(f"{self._name}, behind sample {self.samples}"):
            return next(self._made, _END)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Samples (1, input_size)."""
        return (samples.values for samples in self)

    def _sample(self, item: Any) -> tuple[NDArray[np.float32], list[Any]]:
        """The (input_size,) values of what the function gave, and what stands beside them."""
        kept: list[Any] = []
        if isinstance(item, Mapping):
            if not self._names:
                raise InputError(f"{self._where()}: this is a mapping, but the model has no input names; yield numbers, or say --columns.")
            lost = [name for name in (*self._names, *self._keep) if name not in item]
            if lost and not (self._reading.absent and lost[0] in self._names and self.samples > 1):
                raise InputError(f"{self._where()}: {lost[0]!r} is not in this mapping.")
            kept = [_plain(item[name]) for name in self._keep]
            item = [item.get(name) for name in self._names]
        elif self._keep:
            raise InputError(f"{self._where()}: {self._keep[0]!r} is asked for; yield a mapping that holds it.")
        try:
            numbers = np.array([_NAN if _is_missing(value) else value for value in item], np.float64)
            with np.errstate(over="ignore"):
                values = numbers.astype(np.float32).reshape(-1)
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{self._where()}: this is no row of numbers; yield {self._model.input_size} of them.") from None
        if len(values) != self._model.input_size:
            raise InputError(f"{self._where()}: {len(values)} values, but the model takes {self._model.input_size}.")
        return values, kept

    def _where(self) -> str:
        return f"sample {self.samples} of {self._name}"

    def close(self) -> None:
        """Let a generator clean up behind itself."""
        if hasattr(self._made, "close"):
            self._made.close()


def _is_missing(value: Any) -> bool:
    """Whether a value is none: Python's, NumPy's, pandas'."""
    return value is None or value is np.ma.masked or type(value).__name__ == "NAType"


def _plain(value: Any) -> Any:
    """A value beside a sample as JSON has it: numbers of NumPy and tensors as Python's, times in ISO 8601, NaN as none, others as text."""
    if isinstance(value, date | clock_time):
        return value.isoformat()
    if not isinstance(value, np.datetime64) and getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None
    return value if value is None or type(value) in (bool, int, float, str) else str(value)


def _check_options(function: Any, address: Address) -> None:
    """Refuse options that a function does not take, where it says what it takes."""
    try:
        signature(function).bind(**address.options)
    except TypeError as problem:
        raise UsageError(f"{address.shown}: {address.path} takes other options: {problem}.") from None
    except ValueError:
        return


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What goes wrong in the user's own code, in a sentence that names the line of it.

    Raises
    ------
    InputError
    """
    try:
        yield
    except EdgeLSTMError:
        raise
    except Exception as problem:
        line = extract_tb(problem.__traceback__)[-1]
        place = f"{os.path.basename(line.filename)}, line {line.lineno}"
        raise InputError(f"{where}: {type(problem).__name__}: {problem or 'no reason is given'} ({place}).") from problem


def _function(address: Address) -> Any:
    """What a dotted name means, with the working folder among the places where modules are."""
    module, _, name = address.path.rpartition(".")
    if not module or not all(part.isidentifier() for part in address.path.split(".")):
        raise UsageError(f"{address.shown}: name a function of a module, as in python:sensors.read.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with _told(address.shown):
        try:
            found = getattr(import_module(module), name, None)
        except ModuleNotFoundError as problem:
            raise UsageError(f"{address.shown}: there is no module {problem.name}, here or among the installed packages.") from None
    if not callable(found):
        raise UsageError(f"{address.shown}: the module {module} has no function {name}.")
    return found


def open_input(address: Address, wanted: Wanted) -> FunctionSource:
    """What a function yields."""
    return FunctionSource(address, wanted)
