"""The network and the recordings of `edgelstm demo`, and what came of streaming them.

Where they come from: ``examples/activity/README.md``.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError

if TYPE_CHECKING:
    from ..model import Model

#: The network's outputs, in order.
LABELS = ("standing", "running", "walking", "badminton")

#: Samples a second of the watch.
RATE_HZ = 10.0

#: How the checkpoint's modules follow each other.
CHAIN = "norm:normalizer, lstm, fc:softmax"


#: The held-out recordings, as ``examples/activity/prepare.py`` packs them.
HELD_OUT = "held_out.npz"

#: A level of the watch's gyroscope, in millionths of a radian a second.
LEVEL = 2663.3725


@dataclass(frozen=True, eq=False)
class Recording:
    """One held-out recording: its name, what the person did, and the samples (steps, 6) in sensor units."""

    name: str
    activity: str
    samples: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the network answered to a recording so far: the class of each step and the nanoseconds it took."""

    recording: Recording
    answers: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return len(self.answers) == len(self.recording.samples)

    @property
    def said(self) -> str:
        """The latest answer."""
        return LABELS[self.answers[-1]]

    @property
    def right(self) -> bool:
        return self.said == self.recording.activity


def activity_folder() -> Path:
    """Where the trained network and the recordings are: inside an installed package, or beside a checkout's.

    Raises
    ------
    ModelFileError
        If they are in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_activity", package.parent / "examples" / "activity" / "data"):
        if (folder / "activity.pt").is_file():
            return folder
    raise ModelFileError("this installation lacks the demo's network and recordings (edgelstm/_activity); install edgelstm again.")


def read_recordings(folder: Path) -> list[Recording]:
    """All held-out recordings in the order of their names, which end in the activity."""
    with np.load(folder / HELD_OUT) as file:
        turns = np.rint(file["levels"] * LEVEL) + file["rounded"]
        samples = (np.concatenate([file["accelerations"], turns]) / 1e6).astype(np.float32).transpose(1, 2, 0)
        return [
            Recording(name, name.partition("-")[2], np.ascontiguousarray(of_one))
            for name, of_one in zip(file["names"].tolist(), samples, strict=True)
        ]


def convert(folder: Path) -> "Model":
    """The trained checkpoint as a model that knows its sensor channels, its classes and its rate."""
    from ..importers import import_file

    with np.load(folder / HELD_OUT) as file:
        channels = tuple(file["channels"].tolist())
    model = import_file(folder / "activity.pt", layers=CHAIN).model
    return replace(model, labels=LABELS, input_names=channels, rate_hz=RATE_HZ)
