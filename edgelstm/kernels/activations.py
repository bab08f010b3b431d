"""tanh and sigmoid as straight-line arithmetic, for vectors of any width.

tanh(x) = x P(x^2) / Q(x^2) with polynomials of degree 4, |x| clamped to 8.5; sigmoid(x) = (1 + tanh(x / 2)) / 2. Q's highest coefficient is
1, which saves a multiplication. The others are a Lawson-weighted minimax fit of this project, moved among float32 numbers until as good
as unrounded ones. Largest absolute error in float32: tanh 2.6e-7, sigmoid 1.8e-7.

The other functions are built of these, of exp, and of comparisons; none is further from the exact one than 1e-6 of the range of its
answers, and none gives infinity for finite inputs whose answer is finite in float32.

A NaN passes: one in a pre-activation reaches the state.
"""

import math

from .simd.vectors import elementwise

LIMIT = 8.5
P = (1238604.625, 166049.875, 4367.09228515625, 26.16122817993164, 0.017463352531194687)
Q = (1238604.625, 578917.875, 32192.7265625, 413.15960693359375)
TANH = (*P, *Q)

#: erf(x) = x P(x^2) / Q(x^2) for |x| <= 4, fitted as tanh is: largest error 5.5e-8, in float32 4e-7.
ERF_LIMIT = 4.0
ERF_P = (1027.6290283, 194.84237671, 47.751857758, 3.909747839, 0.14164969325, -0.0018126142677, 1.7501377442e-05)
ERF_Q = (910.71282959, 476.24035645, 110.01384735, 14.162595749, 1.0)

#: log((1 + s) / (1 - s)) / s as a polynomial in s^2, for s up to 1/3: largest error 1.4e-9.
LOG = (2.0, 0.6666586995, 0.4003933966, 0.2778758109, 0.2887001634)

#: selu's scale and slope (Klambauer et al. 2017).
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

#: Weight of the likeliest symbol, of which others have a whole number of parts; a probability below the other counts as that.
HEAVIEST, LEAST_PROBABILITY = 1 << 22, 1e-30

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


def _exp_of_any(x):
    """exp(x), at most exp(88)."""
    return _exp(x.below(88.0))


def _exp_below(x):
    """exp(x) - 1 where x is below zero, else 0."""
    return _exp(x.below(0.0)) - 1.0


def _magnitude(x):
    """|x|."""
    return x.magnitude()


def _clip(x, a, b):
    return x.above(a).below(b)


def _hard_sigmoid(x, a, b):
    return _clip(x * a + b, 0.0, 1.0)


def _softplus(x):
    """max(x, 0) + log(1 + exp(-|x|)), the logarithm by its series in e / (e + 2)."""
    e = _exp(x.magnitude() * -1.0)
    s = e / (e + 2.0)
    return s.fma(horner(s * s, LOG), x.above(0.0))


def _softplus_scaled(x, a):
    return _softplus(x * a) * (1 / a)


def _log_sigmoid(x):
    return _softplus(x * -1.0) * -1.0


def _elu(x, a):
    return _exp_below(x).fma(a, x.above(0.0))


def _celu(x, a):
    return _exp_below(x * (1 / a)).fma(a, x.above(0.0))


def _selu(x):
    return _elu(x, SELU_ALPHA) * SELU_SCALE


def _leaky_relu(x, a):
    return x.below(0.0).fma(a, x.above(0.0))


def _erf(x):
    x = _clip(x, -ERF_LIMIT, ERF_LIMIT)
    square = x * x
    return x * horner(square, ERF_P) / horner(square, ERF_Q)


def _gelu(x):
    """Below -6 the answer is less than 6e-9, and an error of erf must not be multiplied by x."""
    x = x.above(-6.0)
    return x * (_erf(x * math.sqrt(0.5)) + 1.0) * 0.5


def _gelu_tanh(x):
    """The cube must not overflow: beyond 6 its tanh is one."""
    x = x.above(-6.0)
    y = x.below(6.0)
    return x * _sigmoid((y * y).fma(0.044715, 1.0) * y * math.sqrt(8 / math.pi))


def _silu(x):
    """Below -87 the answer is less than float32 tells from zero."""
    x = x.above(-87.0)
    return x / (_exp_of_any(x * -1.0) + 1.0)


def _mish(x):
    """With e = exp(x): tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2), which is one beyond 20."""
    x = x.above(-87.0)
    e = _exp(x.below(20.0))
    n = e * (e + 2.0)
    return x * (n / (n + 2.0))


def _sqrt(x):
    """x times its inverse root, and one of Newton's steps for the root itself."""
    x = x.above(0.0)
    inverse = x.above(1e-36).inverse_root()
    root = x * inverse
    return (root * -1.0).fma(root, x).fma(inverse * 0.5, root)


def _log(x):
    """log(x) of normal x below 2**127: that of its power of two, and of the rest by its series."""
    n = x.exponent()
    return n.fma(math.log(2), _log_of_rest(x.times_two_to(n * -1.0)))


def _log_of_rest(m):
    """log(m) of m from 1 to 2."""
    s = (m - 1.0) / (m + 1.0)
    return s * horner(s * s, LOG)


def _log_of_any(x, a):
    """log(max(x, a)), of half of it, so that no power of two is too large."""
    half = x.above(a) * 0.5
    n = half.exponent()
    return (n + 1.0).fma(math.log(2), _log_of_rest(half.times_two_to(n * -1.0)))


def _reciprocal(x, a):
    size = x.magnitude().above(a)
    return x / size / size


def _score_weight(y, top, sharpness):
    """exp(sharpness * (y - top)) in whole parts of 1 / HEAVIEST, of which float32 holds all."""
    return (_exp((y - top) * sharpness) * HEAVIEST).rounded()


def _probability_weight(y, top, sharpness):
    """(y / top)**sharpness in the same parts."""
    ratio = top.above(LEAST_PROBABILITY) / y.above(LEAST_PROBABILITY)
    return (_exp(_log(ratio.above(1.0)) * sharpness * -1.0) * HEAVIEST).rounded()


#: By name of `layers.activations.FUNCTIONS`, whose formulas these are: (Value, *numbers) -> Value.
FORMULAS = {
    "linear": _linear,
    "relu": _relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "relu6": lambda x: _clip(x, 0.0, 6.0),
    "clip": _clip,
    "hard_sigmoid": _hard_sigmoid,
    "hard_tanh": lambda x: _clip(x, -1.0, 1.0),
    "hard_silu": lambda x: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "softsign": lambda x: x / (x.magnitude() + 1.0),
    "positive": lambda x: x.above(0.0) + _sigmoid(x.below(0.0)),
    "softplus": _softplus_scaled,
    "log_sigmoid": _log_sigmoid,
    "elu": _elu,
    "celu": _celu,
    "selu": _selu,
    "leaky_relu": _leaky_relu,
    "thresholded_relu": lambda x, a: x.where_above(a, x),
    "hard_shrink": lambda x, a: x.where_above(a, x.magnitude()),
    "soft_shrink": lambda x, a: x - _clip(x, -a, a),
    "tanh_shrink": lambda x: x - _tanh(x),
    "scaled_tanh": lambda x, a, b: _tanh(x * b) * a,
    "affine": lambda x, a, b: x * a + b,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "mish": _mish,
    "exp": _exp_of_any,
    "abs": _magnitude,
    "sqrt": _sqrt,
    "log": _log_of_any,
    "reciprocal": _reciprocal,
}


def formula(word):
    """The formula of a word, in the one spelling that `layers.activations.checked` gives it: Value -> Value.

    Cells build their own formulas of these and hand them to `simd.vectors.elementwise`, which makes one intrinsic of the whole:

        gate, candidate = formula("hard_sigmoid(0.2, 0.5)"), formula("relu")
        cell = elementwise(lambda i, f, g, c: gate(f) * c + gate(i) * candidate(g))

    `applied` is the intrinsic of the function alone, for vectors of any width: ``store(y, k, apply(load(lanes, x, k)))``.
    """
    name, _, numbers = word.rstrip(")").partition("(")
    chosen = FORMULAS[name]
    given = [float(number) for number in numbers.split(",")] if numbers else []
    return lambda x: chosen(x, *given)


def applied(word):
    """The intrinsic of a word's function: a vector in, a vector out."""
    return elementwise(formula(word))


magnitude = elementwise(_magnitude)
exp = elementwise(_exp)
log = elementwise(_log)
score_weight = elementwise(_score_weight)
probability_weight = elementwise(_probability_weight)
