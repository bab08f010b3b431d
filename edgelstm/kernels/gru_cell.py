"""The cell of a GRU: a tile's gates and old state -> its new state.

Pre-activations of sigmoid gates come halved, as `cells` has them.
"""

from numba import njit

from .activations import LIMIT, TANH, formula, tanh_parts
from .simd.vectors import elementwise

inlined = njit(inline="always")


def cut(x, most):
    """x within +-most; a NaN stays."""
    return x.above(-most).below(most)


def quotient(numerator, denominator, division):
    """As `cells.advance` divides."""
    return numerator.by_estimate(denominator) if division == "frecpe" else numerator / denominator


def function(word, division, *, halved=False, whole=False, clip=0.0, most=0.0):
    """A formula ``(Value, coefficients) -> Value`` of an activation.

    Parameters
    ----------
    word : str
    division : str
        As `cells.advance` takes it.
    halved : bool
        Whether a sigmoid finds its argument halved.
    whole : bool
        Whether such a sigmoid is 1 itself where the formula of tanh ends, not 1 but for rounding.
    clip : float
        What the argument is clipped to; 0: nothing.
    most : float
        What the value is cut at; 0: nothing.
    """
    if word == "sigmoid" and halved:

        def value(x, coefficients):
            held, p, q = tanh_parts(x, coefficients)
            y = quotient(held.fma(p, q), q + q, division)
            return y.unless_above(LIMIT, x, 1.0) if whole else y

        clip *= 0.5
    elif word == "tanh":

        def value(x, coefficients):
            x, p, q = tanh_parts(x, coefficients)
            return quotient(x * p, q, division)

    else:
        other = formula(word)

        def value(x, coefficients):
            return other(x)

    def clipped(x, coefficients):
        y = value(cut(x, clip) if clip else x, coefficients)
        return cut(y, most) if most else y

    return clipped


class Cell:
    """The formulas of a GRU with these functions.

    Parameters
    ----------
    gate, candidate : str
        Words of the activations.
    clip : float
        Of pre-activations; 0: none.
    most : tuple of float
        What gates, the candidate and h are cut at; 0: nothing.
    division : str
    """

    def __init__(self, gate, candidate, clip, most, division):
        self.division = division
        self.gate = function(gate, division, halved=True, clip=clip, most=most[0])
        self.update = function(gate, division, halved=True, whole=True, clip=clip, most=most[0])
        self.candidate = function(candidate, division, clip=clip, most=most[1])
        self.most = most[2]

    def coefficients(self, x):
        """Those of tanh: on AArch64 in lanes of registers."""
        return x.in_lanes(TANH) if self.division else TANH

    def moved(self, z, n, h, coefficients):
        """(1 - z) n + z h, for z and n before their activations. z has a quotient of its own, for which no later one waits; so h moves
        by no more than the way to n, and by a rounding where z saturates.
        """
        update, n = self.update(z, coefficients), self.candidate(n, coefficients)
        new = update.fma(h - n, n)
        return cut(new, self.most) if self.most else new

    def after(self):
        """An intrinsic: r, z, the parts of n that r does not and does multiply, and h -> the new h."""

        def new(r, z, n, b, h):
            coefficients = self.coefficients(r)
            reset = self.gate(r, coefficients)
            return self.moved(z, reset.fma(b, n), h, coefficients)

        return elementwise(new)

    def before(self):
        """Two intrinsics: r and h -> what of h the product sees; z, n and h -> the new h."""

        def seen(r, h):
            return self.gate(r, self.coefficients(r)) * h

        def new(z, n, h):
            return self.moved(z, n, h, self.coefficients(z))

        return elementwise(seen), elementwise(new)
