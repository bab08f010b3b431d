"""Balance the pole in 100 games that evolution did not play, seeing positions and no speeds.

python examples/game/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import cartpole
import numpy as np
import train
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure

HERE = Path(__file__).parent

#: Seeds of the games that are held back: no multiple of ten is among those that evolution played.
GAMES = [10 * number for number in range(100)]

#: The game that the picture shows.
SHOWN = 3


def load() -> el.Model:
    return el.load(HERE / "data" / "player.elstm")


def played(stream: "el.Stream", seed: int) -> NDArray[np.float64]:
    """The states of one game, played with one step of the stream for each: (steps + 1, 4)."""
    stream.reset()
    states = [cartpole.start([seed])[0]]
    while len(states) <= cartpole.LONGEST and not cartpole.lost(states[-1]):
        right = stream.step(cartpole.seen(states[-1]).astype(np.float32))[0] > 0
        states.append(cartpole.moved(states[-1], np.bool_(right)))
    return np.array(states)


@cache
def all_played() -> list[NDArray[np.float64]]:
    stream = el.Stream(load())
    return [played(stream, seed) for seed in GAMES]


def figures(steps: NDArray[np.float64]) -> tuple[float, float]:
    """The mean of the steps, and how many games were balanced to the end, in percent."""
    return float(steps.mean()), 100 * float((steps == cartpole.LONGEST).mean())


def network() -> tuple[float, float]:
    return figures(np.array([len(states) - 1.0 for states in all_played()]))


def others() -> dict[str, tuple[float, float]]:
    weights = np.load(HERE / "data" / "memoryless.npy").astype(np.float64)[None]
    rng = np.random.default_rng(train.SEED)
    chance: train.Player = lambda seen, memory: (rng.normal(size=seen.shape[:2]), memory)  # noqa: E731
    return {
        "the same without memory": figures(train.balanced(train.memoryless(weights), 1, GAMES)),
        "chance": figures(train.balanced(chance, 1, GAMES)),
    }


def draw(figure: Any) -> None:
    axes = figure.subplots()
    weights = np.load(HERE / "data" / "memoryless.npy").astype(np.float64)[None]
    for name, player, style in (("without memory", train.memoryless(weights), "C1"),):
        steps = int(train.balanced(player, 1, [GAMES[SHOWN]])[0, 0])
        state, angles = cartpole.start([GAMES[SHOWN]]), []
        for _ in range(steps):
            angles.append(np.degrees(state[0, 2]))
            state = cartpole.moved(state, player(cartpole.seen(state)[None], ())[0][0] > 0)
        angles.append(np.degrees(state[0, 2]))
        axes.plot(np.arange(len(angles)) * cartpole.SECONDS, angles, style, label=name)
    angles = np.degrees(all_played()[SHOWN][:, 2])
    axes.plot(np.arange(len(angles)) * cartpole.SECONDS, angles, "C0", lw=1, label="the network")
    for limit in (-12, 12):
        axes.axhline(limit, color="0.7", ls=":")
    axes.set_xlabel("s")
    axes.set_ylabel("the pole's angle, degrees")
    axes.legend()


def look() -> None:
    """A game, every fifth of a second for six."""
    for state in all_played()[SHOWN][:200:10]:
        place = round(30 + 12 * state[0])
        lean = round(np.degrees(state[2]))
        print(" " * place + ("\\" if lean < 0 else "/" if lean > 0 else "|") + f"{lean:4d}°".rjust(70 - place))


def steps() -> Any:
    return el.Stream(load()).step, list(cartpole.seen(all_played()[SHOWN]).astype(np.float32, order="C"))


EXAMPLE = Example(
    HERE,
    does="Balances a pole of which it sees where it is, and not how fast it moves.",
    held_back="100 games that evolution did not play",
    measures=(Measure("balanced for", "steps of 500"), Measure("balanced to the end", digits=0)),
    files=["data/player.elstm"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="two positions",
    seconds=12,
    look=look,
)

if __name__ == "__main__":
    EXAMPLE.main()
