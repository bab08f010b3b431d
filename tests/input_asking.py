"""How tests ask for sources: what a small model wants of them."""

from contextlib import closing
from types import SimpleNamespace

import numpy as np

from edgelstm.runners.reading import Reading
from edgelstm.sources import Wanted

TRIPLE = SimpleNamespace(input_size=3, input_names=("ax", "ay", "az"))


def wanted(model=TRIPLE, notes=None, rate_hz=None, **reading) -> Wanted:
    return Wanted(model, Reading(bad_lines="skip", **reading), (notes if notes is not None else []).append, rate_hz)


def rows_of(source) -> np.ndarray:
    with closing(source):
        return np.concatenate([samples.values for samples in source])
