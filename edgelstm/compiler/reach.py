"""How large an input may be, so that no intermediate value of a model can overflow float32."""

import numpy as np

from ..errors import CompileError
from ..layers.order import INPUT
from ..model import Model
from .lowering import reach_of


def input_limit(model: Model) -> float:
    """Largest power of two that inputs may reach without any intermediate value leaving a quarter of float32's range.

    Raises
    ------
    CompileError
        If the weights are so large that there is none, or an initial cell is.
    """
    bound = float(np.finfo(np.float32).max) / 4
    reaches = [reach_of(layer) for layer in model.layers]
    for exponent in range(126, -127, -1):
        values = {INPUT: 2.0**exponent}
        for layer, reach in zip(model.layers, reaches, strict=True):
            given = [values[name] for name in layer.inputs]
            inner = reach.inside(given)
            if max(inner, reach.factor * max(given)) > bound:  # what `grows` is given later is within bounds, so that its squares are
                break
            values[layer.name] = reach.outside(given)
        else:
            return 2.0**exponent
    raise CompileError("the model's weights are so large that any input overflows float32. Check the file that it was converted from.")
