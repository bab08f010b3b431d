"""Say why no recurrent network is shown on the usual table of anomalies, `shuttle`: its rows have no order.

The table is nine readings of a space shuttle and whether they are normal, as the package river brings it. An anomaly is about as likely
behind an anomaly as behind any row, and a regression gains nothing from the row before.

    pip install --no-deps river==0.26.1
    python examples/attack/shuttle.py
"""

import gzip
from importlib import metadata
from pathlib import Path

import numpy as np
from domains import regressed, regression
from numpy.typing import NDArray

from edgelstm.gallery.naive import average_precision

PACKAGE, FILE = "river==0.26.1", "river/datasets/shuttle.csv.gz"


def read() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Readings (rows, 9) in standard deviations, cut at ten, and whether a row is an anomaly, (rows,)."""
    try:
        path = Path(str(metadata.distribution("river").locate_file(FILE)))
    except metadata.PackageNotFoundError:
        raise SystemExit(f"the table is not installed. Run: pip install --no-deps {PACKAGE}") from None
    with gzip.open(path, "rt") as file:
        rows = np.loadtxt(file, delimiter=",", skiprows=1)
    readings = rows[:, :-1]
    return ((readings - readings.mean(axis=0)) / readings.std(axis=0)).clip(-10, 10), rows[:, -1] == 1


def precision(xs: NDArray[np.float64], wanted: NDArray[np.bool_]) -> float:
    """Average precision on the second half of a logistic regression that learned from the first."""
    half = len(xs) // 2
    return average_precision(wanted[half:], regressed(regression(xs[:half], wanted[:half]), xs[half:]))


def main() -> None:
    xs, wanted = read()
    with_squares = np.hstack([xs, xs**2 / 10])
    both = np.hstack([with_squares[1:], with_squares[:-1]])
    print(f"{len(xs)} rows, of which {wanted.mean():.2%} are anomalies; behind an anomaly {wanted[1:][wanted[:-1]].mean():.2%}")
    alone, of_both = precision(with_squares[1:], wanted[1:]), precision(both, wanted[1:])
    print(f"average precision of a regression: {alone:.1%}; with the row before {of_both:.1%}")


if __name__ == "__main__":
    main()
