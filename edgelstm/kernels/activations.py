"""tanh and sigmoid as straight-line arithmetic, for vectors of any width.

tanh(x) = x P(x^2) / Q(x^2) with polynomials of degree 4, |x| clamped to 8.5; sigmoid(x) = (1 + tanh(x / 2)) / 2. The coefficients are a
Lawson-weighted minimax fit of this project. Largest absolute error in float32: tanh 3.6e-7, sigmoid 2.1e-7.

`cell` and `output` take the pre-activations of sigmoid gates halved: the factor is folded into the packed weights.
A clamp lets NaN through: a NaN in a pre-activation reaches the state.
"""

from .simd import elementwise

LIMIT = 8.5
P = (0.9999999403953552, 0.1340620517730713, 0.003525817533954978, 2.1121548343217e-05, 1.4099222234165154e-08)
Q = (1.0, 0.467395156621933, 0.025991128757596016, 0.00033356877975165844, 8.073608341874206e-07)

#: Taylor's series of exp.
EXP = (1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720)


def horner(t, coefficients):
    """The polynomial with these coefficients, lowest power first, at t."""
    value = t.fma(coefficients[-1], coefficients[-2])
    for coefficient in coefficients[-3::-1]:
        value = t.fma(value, coefficient)
    return value


def tanh_ratio(x):
    """tanh(x) as numerator and denominator."""
    x = x.above(-LIMIT).below(LIMIT)
    t = x * x
    return x * horner(t, P), horner(t, Q)


def _tanh(x):
    """tanh(x)."""
    p, q = tanh_ratio(x)
    return p / q


def _sigmoid(x):
    """1 / (1 + exp(-x))."""
    p, q = tanh_ratio(x * 0.5)
    return (q + p) / (q + q)


def _cell(i, f, g, c):
    """sigmoid(2f) c + sigmoid(2i) tanh(g), over one common denominator: one division."""
    pi, qi = tanh_ratio(i)
    pf, qf = tanh_ratio(f)
    pg, qg = tanh_ratio(g)
    qig = qi * qg
    kept = (qf + pf) * c
    added = (qi + pi) * pg
    return kept.fma(qig, added * qf) / ((qf + qf) * qig)


def _output(o, c):
    """sigmoid(2o) tanh(c), with one division."""
    po, qo = tanh_ratio(o)
    pc, qc = tanh_ratio(c)
    return ((qo + po) * pc) / ((qo + qo) * qc)


def _relu(x):
    """max(x, 0)."""
    return x.above(0.0)


def _linear(x):
    """X."""
    return x


def _exp(x):
    """exp(x) for x <= 0: 2**n times a polynomial of degree 6 in the rest, at most ln(2) / 2 (Cody and Waite's reduction).

    Relative error 2e-7.
    """
    x = x.above(-87.0)
    n = (x * 1.4426950408889634).rounded()
    r = n.fma(-0.693359375, x)
    r = n.fma(2.12194440e-4, r)
    return horner(r, EXP).times_two_to(n)


def _magnitude(x):
    """|x|."""
    return x.magnitude()


linear = elementwise(_linear)
magnitude = elementwise(_magnitude)
relu = elementwise(_relu)
exp = elementwise(_exp)
tanh = elementwise(_tanh)
sigmoid = elementwise(_sigmoid)
cell = elementwise(_cell)
output = elementwise(_output)
