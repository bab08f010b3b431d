"""The recordings of ten people who pick something up."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"

PEOPLE = 10


class Recordings(NamedTuple):
    """Samples (time,) of each in units of gravity, and who it is, from 0."""

    samples: list[NDArray[np.float64]]
    people: NDArray[np.int64]

    def part(self, index: NDArray[np.intp]) -> "Recordings":
        return Recordings([self.samples[at] for at in index], self.people[index])


def read(part: str) -> Recordings:
    """What "training" or "held_out" names."""
    with np.load(DATA / "gesture.npz") as file:
        samples = np.split(file[f"{part}_thousandths"] / 1000, np.cumsum(file[f"{part}_lengths"])[:-1])
        return Recordings(samples, file[f"{part}_people"].astype(np.int64))
