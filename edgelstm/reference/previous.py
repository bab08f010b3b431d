"""Twin of a value of the step before. What the other layer gives is kept when all layers of a step have answered."""

import numpy as np

from ..layers.previous import Previous
from .functions import State, Twin


def start(layer: Previous) -> State:
    return (np.zeros(layer.output_size([])) if layer.initial is None else layer.initial.ravel().astype(np.float64),)


TWINS = {"previous": Twin(lambda _layer, _xs, state: (state[0], state), start)}
