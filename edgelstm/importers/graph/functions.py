"""Functions of every number, of the few that edgelstm has."""

from ...layers.activations import LEAST_DIVISOR, LEAST_LOG, spelled
from .cells import Cells
from .expressions import Apply, Scale
from .tracing import Flow, Tracer

#: Powers up to this one are products.
_MOST_FACTORS = 8


def inverse(tracer: Tracer, x: Flow) -> Flow:
    """``1 / x``."""
    return tracer.apply(spelled("reciprocal", LEAST_DIVISOR), x)


def power(tracer: Tracer, x: Flow, exponent: float) -> Flow:
    """``x`` to a power; where that is no whole number or half, of numbers from 0 up: ``exp(exponent log(x))``."""
    if exponent < 0:
        return inverse(tracer, power(tracer, x, -exponent))
    if exponent == 0.5:
        return tracer.apply("sqrt", x)
    if exponent == 0 or exponent % 1 or exponent > _MOST_FACTORS:
        return tracer.apply("exp", tracer.scale(logarithm(tracer, x), exponent, 0)) if exponent else tracer.scale(x, 0, 1)
    found = x
    for _ in range(int(exponent) - 1):
        found = tracer.combine("mul", found, x)
    return found


def logarithm(tracer: Tracer, x: Flow) -> Flow:
    """``log(x)``; of ``1 + exp(y)`` it is the softplus of y, and of a sigmoid a function that does not come near to log(0)."""
    cells, group = Cells(tracer.space), tracer.grouped([x.ids.reshape(-1, 1)])
    refs = group.refs[0][:, 0]
    word, reads = spelled("log", LEAST_LOG), refs
    view, named = cells.view(refs), cells.function(refs)
    if named is not None and named[0] == "sigmoid":
        word, reads = "log_sigmoid", named[1]
    elif view is not None and isinstance(view.source, Scale):
        inner = cells.function(view.source.refs[view.numbers])
        plain = (view.source.scale[view.numbers] == 1).all() and (view.source.offset[view.numbers] == 1).all()
        if plain and inner is not None and inner[0] == "exp":
            word, reads = spelled("softplus", 1), inner[1]
    return Flow(tracer.output(group, Apply(tracer.place, word, reads)).reshape(x.shape))
