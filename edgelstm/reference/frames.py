"""Twins of recurrent layers over the rows of a map: their cells' twins, row by row."""

import numpy as np

from ..layers.frames import InterRNN, IntraRNN
from . import twin
from .functions import State, Twin, Vector


def intra(layer: IntraRNN, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of rows * channels values together, and of a state that the cell begins in. It begins anew."""
    cell, turn = twin(layer.cell), -1 if layer.cell.reverse else 1
    x, found = np.concatenate(xs), []
    own, size = cell.start(layer.cell), x.size - sum(layer.state_sizes)
    if layer.starts:
        before = own[: layer.cell.mask is not None]  # what a cell with a mask gave before, which is nothing
        own = (*before, *np.split(x[size:], np.cumsum(layer.state_sizes)[:-1]))
    for row in x[:size].reshape(layer.shape)[::turn]:
        y, own = cell.step(layer.cell, [row], own)
        assert y is not None
        found.append(y)
    return found[-1] if layer.last else np.array(found)[::turn].ravel(), state


def inter(layer: InterRNN, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. state: those of the cell, (rows, …) each."""
    cell, found = twin(layer.cell), []
    new: list[State] = []
    for index, row in enumerate(np.concatenate(xs).reshape(layer.shape)):
        y, own = cell.step(layer.cell, [row], tuple(part[index] for part in state))
        assert y is not None
        found.append(y)
        new.append(own)
    return np.concatenate(found), tuple(np.array(parts) for parts in zip(*new, strict=True))


def start(layer: InterRNN) -> State:
    """The cell's state before the first step, for every row."""
    return tuple(np.array([part] * layer.rows) for part in twin(layer.cell).start(layer.cell))


TWINS = {"intra_rnn": Twin(intra), "inter_rnn": Twin(inter, start)}
