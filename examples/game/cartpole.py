"""A pole on a cart, many at once: the game CartPole-v1 of Gymnasium, of which a player sees the two positions and no speed.

The equations are those of Barto, Sutton and Anderson (1983) with Gymnasium's constants and its integration by Euler.
"""

import numpy as np
from numpy.typing import NDArray

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

#: Where a game is lost: metres from the middle, and radians from upright. How many steps end it otherwise.
FARTHEST, STEEPEST, LONGEST = 2.4, 12 * 2 * np.pi / 360, 500

#: What a player sees of (place, speed, angle, its speed), and by what it is divided to be of order one.
SEEN, SCALE = [0, 2], np.array([FARTHEST, STEEPEST])

Floats = NDArray[np.float64]


def start(seeds: list[int]) -> Floats:
    """As ``env.reset(seed=…)`` begins: (games, 4)."""
    return np.array([np.random.Generator(np.random.PCG64(seed)).uniform(-0.05, 0.05, 4) for seed in seeds])


def moved(state: Floats, right: NDArray[np.bool_]) -> Floats:
    """The states (…, 4) a step later, each cart pushed to the right or to the left."""
    _, speed, angle, turning = np.moveaxis(state, -1, 0)
    cosine, sine = np.cos(angle), np.sin(angle)
    pushed = (np.where(right, FORCE, -FORCE) + POLE * HALF_LENGTH * turning**2 * sine) / (CART + POLE)
    angular = (GRAVITY * sine - cosine * pushed) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / (CART + POLE)))
    linear = pushed - POLE * HALF_LENGTH * angular * cosine / (CART + POLE)
    rates = np.stack([speed, linear, turning, angular], axis=-1)
    return state + SECONDS * rates


def lost(state: Floats) -> NDArray[np.bool_]:
    """Whether the cart has left its track, or the pole has fallen: (…,)."""
    return (np.abs(state[..., 0]) > FARTHEST) | (np.abs(state[..., 2]) > STEEPEST)


def seen(state: Floats) -> Floats:
    """What a player gets: (…, 2)."""
    return state[..., SEEN] / SCALE
