"""A model whose inputs have names, and stand-ins for the tables that users have, of packages that tests do not need."""

import numpy as np
from conftest import lstm_model

NAMED = lstm_model(np.random.default_rng(3), 3, 8, names=("a", "b", "c"))
XS = np.random.default_rng(4).uniform(-1, 1, (5, 3)).astype(np.float32)


class NAType:
    """As pandas's NA: no number, no truth."""

    def __float__(self):
        raise TypeError("NAType")

    def __bool__(self):
        raise TypeError("ambiguous")

    def __eq__(self, other):
        return self

    __hash__ = object.__hash__


NA = NAType()


class Table:
    """What of a DataFrame is read: its columns and its values."""

    def __init__(self, columns, values):
        self.columns, self._values = columns, np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self._values

    def __len__(self):
        return len(self._values)

    def __iter__(self):
        return iter(self.columns)


class Series(Table):
    """The same for one row."""

    def __init__(self, index, values):
        super().__init__(None, values)
        del self.columns
        self.index = index
