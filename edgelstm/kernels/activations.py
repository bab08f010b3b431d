"""tanh and sigmoid as straight-line arithmetic, for vectors of any width.

tanh(x) = x P(x^2) / Q(x^2) with polynomials of degree 4, |x| clamped to 8.5; sigmoid(x) = (1 + tanh(x / 2)) / 2. Q's highest coefficient is
1, which saves a multiplication. The others are a Lawson-weighted minimax fit of this project, moved among float32 numbers until as good
as unrounded ones. Largest absolute error in float32: tanh 2.6e-7, sigmoid 1.8e-7.

A NaN passes: one in a pre-activation reaches the state.
"""

from .simd.vectors import elementwise

LIMIT = 8.5
P = (1238604.625, 166049.875, 4367.09228515625, 26.16122817993164, 0.017463352531194687)
Q = (1238604.625, 578917.875, 32192.7265625, 413.15960693359375)
TANH = (*P, *Q)

#: Taylor's series of exp.
EXP = (1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720)


def horner(t, coefficients):
    """The polynomial with these coefficients, lowest power first, at t."""
    value = t.fma(coefficients[-1], coefficients[-2])
    for coefficient in coefficients[-3::-1]:
        value = t.fma(value, coefficient)
    return value


def tanh_parts(x, coefficients):
    """Clamped x, p and q: tanh(x) = x p / q. `coefficients`: `TANH`, or the same in registers.

    Halves of a polynomial do not wait for each other, and a multiply-add that overwrites an intermediate value as its summand needs no
    copy of a constant.
    """
    p0, p1, p2, p3, p4, q0, q1, q2, q3 = coefficients
    x, t = x.within(LIMIT)
    square = t * t
    p = square.fma(square.fma(p4, t.fma(p3, p2)), t.fma(p1, p0))
    q = square.fma(t.fma(q3, square + q2), t.fma(q1, q0))
    return x, p, q


def _tanh(x):
    """tanh(x)."""
    x, p, q = tanh_parts(x, TANH)
    return x * p / q


def _sigmoid(x):
    """1 / (1 + exp(-x))."""
    x, p, q = tanh_parts(x * 0.5, TANH)
    return x.fma(p, q) / (q + q)


def _relu(x):
    """max(x, 0)."""
    return x.above(0.0)


def _linear(x):
    """x itself."""
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
