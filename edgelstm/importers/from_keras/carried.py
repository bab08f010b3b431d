"""States that the caller of a Functional model carries from call to call: inputs that a layer begins with, outputs that it ends with.

They are the stream's own state, which begins at zero.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .nodes import Place, places
from .settings import Spec

#: How many states a layer has.
_STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1, "CuDNNLSTM": 2, "CuDNNGRU": 1}


class Carried(NamedTuple):
    """The names of the layers and of the inputs, and the outputs."""

    layers: frozenset[str]
    inputs: frozenset[str]
    outputs: frozenset[Place]


NOTHING = Carried(frozenset(), frozenset(), frozenset())


def carried(spec: Spec, specs: Sequence[Spec], calls: Mapping[tuple[str, int], Sequence[Place]]) -> Carried:
    """What a model leaves to its caller; nothing of a model that answers nothing else, or hands a part of a layer's states back.

    Parameters
    ----------
    spec, specs : Spec
        The model and its layers.
    calls : mapping
        The tensors that each call of each layer reads.
    """
    given = {place[0] for place in places(spec.config.get("input_layers"))}
    answers = set(places(spec.config.get("output_layers")))
    kinds = {layer.name: layer.kind for layer in specs}
    used, once = Counter(place[0] for read in calls.values() for place in read), Counter(name for name, _ in calls)
    layers, inputs, outputs = set[str](), set[str](), set[Place]()
    for (name, index), read in calls.items():
        states = [place[0] for place in read[1:]]
        ended = {(name, index, 1 + number) for number in range(len(states))}
        alone = all(state in given and used[state] == 1 for state in states)
        if states and _STATES.get(kinds[name]) == len(states) and alone and ended <= answers and once[name] == 1:
            layers.add(name)
            inputs.update(states)
            outputs |= ended
    return Carried(frozenset(layers), frozenset(inputs), frozenset(outputs)) if answers - outputs and given - inputs else NOTHING
