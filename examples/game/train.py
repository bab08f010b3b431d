"""Evolve the player: an LSTM that balances a pole of which it sees where it is and not how fast it moves.

No gradient is computed. In each generation weights are moved at random, both ways; every player plays the same few games; the weights go
towards those who balanced longer (evolution strategy by ranks: Salimans et al. 2017). The last digits of all seeds of games held back are
not among those played here. `memoryless` evolves a player of one hidden layer without a state by the same rule, for `run.py` to compare.

    python examples/game/train.py          (needs NumPy alone)
"""

import time
from collections.abc import Callable
from pathlib import Path

import cartpole
import numpy as np
from numpy.typing import NDArray

import edgelstm as el

HERE = Path(__file__).parent
DATA = HERE / "data"

SEED = 7
HIDDEN, FLAT = 8, 16
PAIRS, GAMES = 40, 8
GENERATIONS = 200
SPREAD, RATE, DECAY = 0.15, 0.15, 0.997

Floats = NDArray[np.float64]

#: From what players see, (players, games, 2), and their memory to how much each would go right, (players, games), and their new memory.
Player = Callable[[Floats, tuple[Floats, ...]], tuple[Floats, tuple[Floats, ...]]]


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def parts(weights: Floats, shapes: dict[str, tuple[int, ...]]) -> dict[str, Floats]:
    """Rows of weights (players, all) as arrays (players, *shape)."""
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    return {name: part.reshape(-1, *shapes[name]) for name, part in zip(shapes, np.split(weights, ends[:-1], axis=1), strict=True)}


#: The arrays of both players.
RECURRENT = {
    "lstm.weight_ih_l0": (4 * HIDDEN, 2),
    "lstm.weight_hh_l0": (4 * HIDDEN, HIDDEN),
    "lstm.bias_ih_l0": (4 * HIDDEN,),
    "fc.weight": (1, HIDDEN),
    "fc.bias": (1,),
}
MEMORYLESS = {"fc1.weight": (FLAT, 2), "fc1.bias": (FLAT,), "fc2.weight": (1, FLAT), "fc2.bias": (1,)}


def recurrent(weights: Floats) -> Player:
    """The LSTM of each row of weights."""
    p = parts(weights, RECURRENT)
    into, back, bias = (p[f"lstm.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih"))

    def play(seen: Floats, memory: tuple[Floats, ...]) -> tuple[Floats, tuple[Floats, ...]]:
        h, c = memory or (np.zeros((*seen.shape[:2], HIDDEN)),) * 2
        gates = seen @ into.transpose(0, 2, 1) + h @ back.transpose(0, 2, 1) + bias[:, None]
        i, f, g, o = np.split(gates, 4, axis=2)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h @ p["fc.weight"].transpose(0, 2, 1))[..., 0] + p["fc.bias"], (h, c)

    return play


def memoryless(weights: Floats) -> Player:
    """The network without a state of each row of weights."""
    p = parts(weights, MEMORYLESS)

    def play(seen: Floats, memory: tuple[Floats, ...]) -> tuple[Floats, tuple[Floats, ...]]:
        hidden = np.tanh(seen @ p["fc1.weight"].transpose(0, 2, 1) + p["fc1.bias"][:, None])
        return (hidden @ p["fc2.weight"].transpose(0, 2, 1))[..., 0] + p["fc2.bias"], ()

    return play


def balanced(player: Player, players: int, seeds: list[int]) -> Floats:
    """For how many steps each player balances in each game: (players, games)."""
    state = np.tile(cartpole.start(seeds), (players, 1, 1))  # (players, games, 4)
    playing, steps, memory = np.ones(state.shape[:2], bool), np.zeros(state.shape[:2]), ()
    for _ in range(cartpole.LONGEST):
        right, memory = player(cartpole.seen(state), memory)
        state = cartpole.moved(state, right > 0)
        steps += playing
        playing &= ~cartpole.lost(state)
        if not playing.any():
            break
    return steps


def evolved(make: Callable[[Floats], Player], shapes: dict[str, tuple[int, ...]]) -> Floats:
    """Weights of one player, (all,)."""
    rng = np.random.default_rng(SEED)
    size = sum(int(np.prod(shape)) for shape in shapes.values())
    weights, spread = rng.normal(0, 0.3, size), SPREAD
    for generation in range(1, GENERATIONS + 1):
        noise = rng.normal(size=(PAIRS, size))
        seeds = (rng.integers(10**6, size=GAMES) * 10 + 1).tolist()
        tried = np.concatenate([weights + spread * noise, weights - spread * noise])  # (players, all)
        scores = balanced(make(tried), 2 * PAIRS, seeds).mean(axis=1)
        ranks = scores.argsort().argsort() / (2 * PAIRS - 1) - 0.5  # (players,)
        weights += RATE / (PAIRS * spread) * (ranks[:PAIRS] - ranks[PAIRS:]) @ noise * spread
        spread *= DECAY
        if generation % 20 == 0:
            print(f"{generation:4d}  balanced for {scores.mean():.0f} steps, the best for {scores.max():.0f}", flush=True)
    return weights


def main() -> None:
    began = time.process_time()
    weights = evolved(recurrent, RECURRENT)
    arrays = {name: part[0].astype(np.float32) for name, part in parts(weights[None], RECURRENT).items()}
    arrays["lstm.bias_hh_l0"] = np.zeros_like(arrays["lstm.bias_ih_l0"])
    model = el.from_torch(arrays, "lstm, fc")
    path = DATA / "player.elstm"
    el.save(model, path)
    print(f"{path.name}: {path.stat().st_size} bytes, {time.process_time() - began:.0f} s")
    np.save(DATA / "memoryless.npy", evolved(memoryless, MEMORYLESS).astype(np.float32))
    print(f"with the memoryless player: {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
