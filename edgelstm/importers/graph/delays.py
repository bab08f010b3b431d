"""States that only hold what came before: a number of one is a number of the present step, some steps late."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from ...errors import UnsupportedModelError
from .expressions import State
from .wires import Ids, NoCell, Space, distinct

#: Most steps that one state may be behind another.
_MOST_STEPS = 4096


class Taps(NamedTuple):
    """Identities of the present step, how many steps before each is meant, and how many of these a state holds, zeros at first."""

    present: Ids
    delays: Ids
    kept: Ids


def taps(space: Space, refs: Ids, place: str, fed_back: Collection[int] = ()) -> Taps:
    """What stands behind `refs`: states are what came before, but those of the wires `fed_back`, by index, which are layers.

    Raises
    ------
    UnsupportedModelError
        If a state becomes nothing, begins as other numbers than zeros, or holds several steps.
    """
    present, delays, kept = refs.copy(), np.zeros(refs.size, np.int64), np.zeros(refs.size, np.int64)
    for _ in range(_MOST_STEPS):
        at = space.places(present)
        late: Ids = np.where(at.step >= 0, space.steps(at.wire) - 1 - at.step, 0)
        present, delays = present + late * space.batch * space.widths(at.wire), delays + late
        states = [i for i in distinct(at.wire).tolist() if isinstance(space.wires[i].source, State) and i not in fed_back]
        if not states:
            return Taps(present, delays, kept)
        for i in np.flatnonzero(np.isin(at.wire, states)).tolist():
            state = space.wires[at.wire[i]].source
            if not space.wires[at.wire[i]].steps:
                raise UnsupportedModelError(f"{place}: reads {state.place}, of the call before, which holds several steps.")
            if not isinstance(state, State) or state.following is None:
                raise UnsupportedModelError(f"{place}: reads {state.place}, which no output of the graph becomes.")
            if state.reverse:
                raise NoCell(f"{place}: reads what {state.place} was one step before, from the recording's end, as the state of no cell.")
            if state.initial[at.number[i]]:
                raise NoCell(f"{place}: reads {state.place}, which begins as other numbers than zeros and is the state of no cell.")
            present[i], delays[i], kept[i] = state.following[at.number[i]], delays[i] + 1, kept[i] + 1
    raise NoCell(f"{place}: {State.why_not}.")
