"""Words for activations: ``"name"``, ``"name(a)"`` or ``"name(a, b)"``. The one list of names, their numbers and how large they become.

Definitions in float64 stand in `reference.functions.activation`, SIMD formulas in `kernels.activations.formula`.
"""

import math
import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..errors import UnsupportedModelError, printable
from ..runtime.fields import Fields

_INFINITE = math.inf
#: A name and its numbers. No compiled pattern: a start that meets plain names alone needs none.
_WORD = r"\s*([a-z_0-9]{1,40})\s*(?:\(([^()]{0,100})\))?\s*"

#: The magnitude that silu, gelu and mish have at most below zero, and selu's scale and slope (Klambauer et al. 2017).
_DIP, SELU_SCALE, SELU_ALPHA = 0.31, 1.0507009873554805, 1.6732632423543772

#: The smallest number of which a logarithm is taken: half of it is a normal float32 still.
LEAST_LOG = 2.4e-38


#: The smallest number that is divided by: its square is a normal float32 still.
LEAST_DIVISOR = 1e-18


class Function(Fields):
    """One name.

    Parameters
    ----------
    formula : str
        Of x and of the numbers.
    bound : callable
        ``(x, *numbers)``: the largest magnitude that inputs within -x and x can give; x may be infinite.
    numbers : tuple of str
        What stands in parentheses.
    defaults : tuple of float, optional
        Their values where the parentheses are missing. A name without defaults wants its numbers.
    """

    formula: str
    bound: Callable[..., float]
    numbers: tuple[str, ...] = ()
    defaults: tuple[float, ...] | None = ()


def _same(x: float, *numbers: float) -> float:
    return x


def _one(x: float, *numbers: float) -> float:
    return 1.0


def _scaled(a: float, x: float) -> float:
    """|a| x, where 0 times infinity is 0."""
    return abs(a) * x if a else 0.0


def _log(x: float) -> float:
    """Of a number as float32 holds it."""
    return math.log(np.float32(x))


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else _INFINITE


FUNCTIONS = {
    "linear": Function("x", _same),
    "relu": Function("max(x, 0)", _same),
    "tanh": Function("tanh(x)", lambda x: min(x, 1.0)),
    "sigmoid": Function("1 / (1 + exp(-x))", _one),
    "relu6": Function("min(max(x, 0), 6)", lambda x: min(x, 6.0)),
    "clip": Function("min(max(x, a), b)", lambda x, a, b: max(abs(a), abs(b)), ("a", "b"), None),
    "hard_sigmoid": Function("min(max(a x + b, 0), 1)", _one, ("a", "b"), (0.2, 0.5)),
    "hard_tanh": Function("min(max(x, -1), 1)", lambda x: min(x, 1.0)),
    "hard_silu": Function("x min(max(x / 6 + 1 / 2, 0), 1)", _same),
    "softsign": Function("x / (1 + |x|)", lambda x: min(x, 1.0)),
    "positive": Function("x + 1 / 2 where x > 0, else 1 / (1 + exp(-x))", lambda x: x + 0.5),
    "softplus": Function("log(1 + exp(a x)) / a", lambda x, a: x + math.log(2) / a, ("a",), (1.0,)),
    "log_sigmoid": Function("-log(1 + exp(-x))", lambda x: x + math.log(2)),
    "elu": Function("x where x > 0, else a (exp(x) - 1)", lambda x, a: max(x, abs(a)), ("a",), (1.0,)),
    "celu": Function("x where x > 0, else a (exp(x / a) - 1)", lambda x, a: max(x, abs(a)), ("a",), (1.0,)),
    "selu": Function("1.0507 x where x > 0, else 1.7581 (exp(x) - 1)", lambda x: SELU_SCALE * max(x, SELU_ALPHA)),
    "leaky_relu": Function("x where x > 0, else a x", lambda x, a: max(x, _scaled(a, x)), ("a",), (0.01,)),
    "thresholded_relu": Function("x where x > a, else 0", _same, ("a",), (1.0,)),
    "hard_shrink": Function("x where |x| > a, else 0", _same, ("a",), (0.5,)),
    "soft_shrink": Function("x - min(max(x, -a), a)", _same, ("a",), (0.5,)),
    "tanh_shrink": Function("x - tanh(x)", _same),
    "scaled_tanh": Function("a tanh(b x)", lambda x, a, b: abs(a), ("a", "b"), None),
    "affine": Function("a x + b", lambda x, a, b: _scaled(a, x) + abs(b), ("a", "b"), None),
    "gelu": Function("x (1 + erf(x / sqrt(2))) / 2", lambda x: max(x, _DIP)),
    "gelu_tanh": Function("x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2", lambda x: max(x, _DIP)),
    "silu": Function("x / (1 + exp(-x))", lambda x: max(x, _DIP)),
    "mish": Function("x tanh(log(1 + exp(x)))", lambda x: max(x, _DIP)),
    "exp": Function("exp(x)", _exp),
    "abs": Function("|x|", _same),
    "sqrt": Function("sqrt(max(x, 0))", math.sqrt),
    "log": Function("log(max(x, a))", lambda x, a: max(abs(_log(a)), math.log(max(x, a))), ("a",), (LEAST_LOG,)),
    "reciprocal": Function("x / max(|x|, a)^2", lambda x, a: 1 / a, ("a",), (LEAST_DIVISOR,)),
}

#: By name, the least that its number may be.
_LEAST = {"log": LEAST_LOG, "reciprocal": LEAST_DIVISOR}

#: Names that mean something without numbers.
ALONE = tuple(name for name, function in FUNCTIONS.items() if function.defaults is not None)


def checked(owner: str, word: object) -> str:
    """A word in its one spelling: every number that its name takes, as short as float32 allows, for example ``"hard_sigmoid(0.2, 0.5)"``.

    Parameters
    ----------
    owner : str
        How errors call what holds the word, for example ``"activation 'a': function"``.
    word : str

    Raises
    ------
    UnsupportedModelError
        If the name is unknown, or its numbers are too many, too few, or none that it can have.
    """
    if isinstance(word, str) and word in FUNCTIONS and not FUNCTIONS[word].numbers:
        return word
    match = re.fullmatch(_WORD, word) if isinstance(word, str) else None
    shown = printable(repr(word), 60)
    if match is None or match[1] not in FUNCTIONS:
        raise UnsupportedModelError(f"{owner} must be one of {', '.join(map(form, FUNCTIONS))}; got {shown}.")
    name, given = match[1], match[2]
    try:
        numbers = FUNCTIONS[name].defaults if given is None else tuple(map(float, given.split(",")))
        if numbers is None:
            raise ValueError("its numbers are missing")
        _check(name, numbers)
    except (ValueError, OverflowError) as problem:
        raise UnsupportedModelError(f"{owner} must be of the form {form(name)}; got {shown}: {printable(problem, 100)}.") from None
    return spelled(name, *numbers)


def _check(name: str, numbers: tuple[float, ...]) -> None:
    if len(numbers) != len(FUNCTIONS[name].numbers):
        raise ValueError(f"it takes {len(FUNCTIONS[name].numbers)} numbers")
    if not all(abs(number) <= 1e6 for number in numbers):
        raise ValueError("its numbers must lie within a million")
    if name == "clip" and numbers[0] > numbers[1]:
        raise ValueError("a must not be above b")
    if name in ("softplus", "celu") and numbers[0] < 1e-6:
        raise ValueError("a must not be below 1e-6")
    if name in ("hard_shrink", "soft_shrink") and numbers[0] < 0:
        raise ValueError("a must not be below 0")
    if name in _LEAST and numbers[0] < _LEAST[name]:
        raise ValueError(f"a must not be below {_LEAST[name]:g}")


def spelled(name: str, *numbers: float) -> str:
    """The word of a name and its numbers; importers spell with it what they read, for records to check."""
    return f"{name}({', '.join(map(_shortest, numbers))})" if numbers else name


def _shortest(number: float) -> str:
    with np.errstate(over="ignore"):
        return f"{float(str(np.float32(number))):.9g}"


def form(name: str) -> str:
    """How a name is written, with letters for its numbers: ``"clip(a, b)"``."""
    numbers = ", ".join(FUNCTIONS[name].numbers)
    return f"{name}({numbers})" if numbers else name


@lru_cache(64)
def parts(word: str) -> tuple[str, tuple[float, ...]]:
    """Name and numbers of a word in its one spelling."""
    name, _, numbers = word.rstrip(")").partition("(")
    return name, tuple(map(float, numbers.split(","))) if numbers else ()


def bound(word: str, x: float = _INFINITE) -> float:
    """The largest magnitude that the function gives for inputs within -x and x; infinite where there is none."""
    name, numbers = parts(word)
    return FUNCTIONS[name].bound(x, *numbers)


@lru_cache(64)
def within_one(word: str) -> bool:
    """Whether no value of the function can leave -1 to 1."""
    return bound(word) <= 1
