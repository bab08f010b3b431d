"""Replay what 943 people rated, and how often the film that each rated last stood among ten that were offered, beside what counting offers.

Every rating is a step of its user's stream in a bank, in the order in which they came. ``--user`` says what one of them is offered.

    pip install --no-deps recbole==1.2.1
    python examples/recommend/run.py [--user N] [--write]
"""

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import ratings
from numpy.typing import NDArray
from ratings import Ratings

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.example import print_result

HERE = Path(__file__).parent
WEIGHTS, RECIPE = HERE / "data" / "recommend.safetensors", HERE / "recommend.toml"

#: Films offered, in the table and at most.
OFFERED, MOST = 10, 50

#: Ratings that the time of a step is measured over.
TIMED = 2000

Scores = NDArray[np.floating]


def load() -> el.Model:
    """The trained network: a film's number in, a score of each film out."""
    return el.load(WEIGHTS, recipe=RECIPE)


def replayed(model: el.Model, given: Ratings) -> tuple[el.StreamBank, dict[int, Scores]]:
    """A bank of all users behind all of their ratings but the last, and the scores that each was given then."""
    users = np.unique(given.users)
    bank = el.StreamBank(model, capacity=len(users))
    scores = dict(zip(users.tolist(), bank.step_many(users, np.zeros((len(users), 1), np.float32)), strict=True))
    left = dict(zip(*(part.tolist() for part in np.unique(given.users, return_counts=True)), strict=True))
    for user, film in zip(given.users.tolist(), given.films.tolist(), strict=True):
        left[user] -= 1
        if left[user]:
            scores[user] = bank.step(user, [film])
    return bank, scores


def places(scores: dict[int, Scores], given: Ratings) -> NDArray[np.int64]:
    """Of each user how many films that they had not rated were offered before the one that they rated last."""
    found = []
    for user, history in given.histories().items():
        of_one = np.array(scores[user], np.float64)
        right = of_one[history[-1]]
        of_one[[0, *history[:-1]]] = -np.inf
        found.append(int((of_one > right).sum()))
    return np.array(found)


def popular(given: Ratings) -> dict[int, Scores]:
    """For everyone the films that most people rated."""
    counts = np.zeros(len(given.titles))
    for history in given.histories().values():
        counts[history[:-1]] += 1
    return dict.fromkeys(given.histories(), counts)


def markov(given: Ratings) -> dict[int, Scores]:
    """The films that were rated most often straight behind the last but one; of those rated as often, what most people rated."""
    behind = np.zeros((len(given.titles),) * 2)
    for history in given.histories().values():
        np.add.at(behind, (history[:-2], history[1:-1]), 1)
    most = popular(given)
    return {user: behind[history[-2]] + most[user] / 1e6 for user, history in given.histories().items()}


def figures(found: NDArray[np.int64]) -> tuple[float, float]:
    """How often the right one is among ten, in percent, and how high it stands there (NDCG)."""
    inside = found[found < OFFERED]
    return 100 * len(inside) / len(found), float((1 / np.log2(inside + 2)).sum()) / len(found)


@cache
def data() -> Ratings:
    """All ratings."""
    given = ratings.read()
    ratings.check(given)
    return given


@cache
def ways() -> dict[str, NDArray[np.int64]]:
    """By contender, `places` of all users."""
    given = data()
    scores = {"the network": replayed(load(), given)[1], "what followed the last film": markov(given), "most popular": popular(given)}
    return {name: places(of_one, given) for name, of_one in scores.items()}


def network() -> tuple[float, float]:
    return figures(ways()["the network"])


def others() -> dict[str, tuple[float, float]]:
    return {name: figures(found) for name, found in ways().items() if name != "the network"}


def offer(given: Ratings, user: int) -> None:
    """What someone rated last, and what is offered behind all of it."""
    history = given.histories().get(user)
    if history is None:
        raise SystemExit(f"there is no user {user}; they have the numbers 1 to {given.users.max()}.")
    scores = el.Stream(load()).process(np.array([0, *history], np.float32)[:, None])[-1].copy()
    scores[[0, *history]] = -np.inf
    print("rated last:")
    for film in history[-5:]:
        print(f"  {given.titles[film]}")
    print("offered:")
    for film in np.argsort(-scores)[:OFFERED]:
        print(f"  {given.titles[film]}")


def draw(figure: Any) -> None:
    axes = figure.subplots()
    for name, found in ways().items():
        axes.plot(range(1, MOST + 1), [100 * (found < offered).mean() for offered in range(1, MOST + 1)], label=name)
    axes.axvline(OFFERED, color="0.8", lw=1, zorder=0)
    axes.set_xlabel("films offered")
    axes.set_ylabel("right one among them, %")
    axes.set_ylim(0)
    axes.legend()


def steps() -> Any:
    bank = el.StreamBank(load(), capacity=len(data().histories()))
    events = zip(data().users[:TIMED].tolist(), data().films[:TIMED, None].astype(np.float32), strict=True)
    return lambda event: bank.step(*event), list(events)


EXAMPLE = Example(
    HERE,
    does="Recommends the next film to each of 943 people, all in one bank of streams.",
    held_back="the film that each of 943 people rated last",
    measures=(Measure("right film among ten"), Measure("NDCG@10", "", digits=3)),
    files=["data/recommend.safetensors"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a film that someone rated",
    seconds=68,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--user", type=int, help="say what this user is offered")
    parser.add_argument("--write", action="store_true", help="write result.json and the picture (needs matplotlib)")
    asked = parser.parse_args()
    if asked.user is not None:
        return offer(data(), asked.user)
    return print_result(EXAMPLE.write() if asked.write else EXAMPLE.measured())


if __name__ == "__main__":
    main()
