"""How much of a stream's state is at its limits, where it remembers all and learns of nothing new."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    from ..stream import Stream

#: From this part of its limit on, a value is taken for saturated.
NEAR = 0.99


def saturation(stream: "Stream") -> dict[str, float]:
    """The share of each layer's h that is beyond 0.99 of its limit, by name: of recurrent layers whose h lies within -1 to 1.

    Empty for built libraries, which do not say what their state is.
    """
    try:
        layers = [layer for layer in stream.model.layers if layer.within_one]
    except UsageError:
        return {}
    found = {}
    for layer in layers:
        if any(part == "h" for part, *_ in stream.plan.layout.keeps.get(layer.name, ())):
            found[layer.name] = float(np.mean(np.abs(stream.state(layer.name)["h"]) > NEAR))
    return found
