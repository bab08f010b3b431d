"""Tell nine speakers apart by the held-out vowels, beside the training utterance that is nearest to each.

python examples/vowels/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.naive import time_warped

HERE = Path(__file__).parent

#: The utterance that the picture shows.
SHOWN = 200

Utterance = tuple[NDArray[np.float64], int]


def load() -> el.Model:
    return el.load(HERE / "data" / "vowels.pt", layers="norm:normalizer, lstm, fc:softmax")


@cache
def read(part: str) -> list[Utterance]:
    """Frames (time, 12) and speaker of each utterance."""
    with np.load(HERE / "data" / "vowels.npz") as file:
        frames = np.split(file[f"{part}_millionths"] / 1e6, np.cumsum(file[f"{part}_lengths"])[:-1])
        return list(zip(frames, file[f"{part}_speakers"].tolist(), strict=True))


def twin() -> el.Model:
    """The network that reads an utterance in both directions."""
    return el.load(HERE / "data" / "both_ways.pt", layers="norm:normalizer, lstm, fc:softmax")


@cache
def answers() -> list[NDArray[np.float32]]:
    """Of each held-out utterance the probabilities at each frame: (time, 9)."""
    stream = el.Stream(load())
    found = []
    for frames, _ in read("held_out"):
        stream.reset()
        found.append(stream.process(frames))
    return found


def network() -> tuple[float, float]:
    right = [scores.argmax(axis=1) == speaker for scores, (_, speaker) in zip(answers(), read("held_out"), strict=True)]
    return 100 * float(np.mean([one[-1] for one in right])), 100 * float(np.concatenate(right).mean())


def both_ways() -> float:
    """The twin's share of right answers: the mean of what it says at all frames, once an utterance has ended."""
    stream, right = el.Stream(twin()), []
    for frames, speaker in read("held_out"):
        stream.reset()
        right.append(stream.process(frames).mean(axis=0).argmax() == speaker)
    return 100 * float(np.mean(right))


def others() -> dict[str, tuple[float, None]]:
    training = [frames for frames, _ in read("training")]
    speakers = [speaker for _, speaker in read("training")]
    right = [speakers[int(time_warped(frames, training).argmin())] == speaker for frames, speaker in read("held_out")]
    return {
        "nearest by time warping, which waits for the end": (100 * float(np.mean(right)), None),
        "its twin in both directions, which waits for the end": (both_ways(), None),
    }


def draw(figure: Any) -> None:
    """How the share of right answers grows with the frames heard, and one utterance."""
    left, right = figure.subplots(1, 2)
    known = [scores.argmax(axis=1) == speaker for scores, (_, speaker) in zip(answers(), read("held_out"), strict=True)]
    longest = 20
    left.plot(range(1, longest + 1), [100 * np.mean([one[min(n, len(one) - 1)] for one in known]) for n in range(longest)], marker=".")
    left.set_xlabel("frames heard")
    left.set_ylabel("right, %")
    frames, speaker = read("held_out")[SHOWN]
    right.plot(np.arange(1, len(frames) + 1), 100 * answers()[SHOWN], color="0.8")
    right.plot(np.arange(1, len(frames) + 1), 100 * answers()[SHOWN][:, speaker], color="C0", label=f"speaker {speaker + 1}, who it is")
    right.set_xlabel("frame of one utterance")
    right.set_ylabel("says, %")
    right.legend()


def steps() -> Any:
    return el.Stream(load()).step, list(read("held_out")[SHOWN][0].astype(np.float32, order="C"))


EXAMPLE = Example(
    HERE,
    does="Tells nine speakers apart by a vowel.",
    held_back="370 utterances of another occasion",
    measures=(Measure("right at the end"), Measure("right at each frame")),
    files=["data/vowels.pt"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a frame of 6.4 ms",
    seconds=5,
)

if __name__ == "__main__":
    EXAMPLE.main()
