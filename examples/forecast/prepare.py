"""Write the hourly electricity demand of Victoria that lies inside the ``statsmodels`` package as one CSV file.

Only the text file is read: the package itself is not imported, so its dependencies need not be installed.

    pip install --no-deps statsmodels
    python examples/forecast/prepare.py
"""

import csv
from datetime import datetime, timedelta
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent


def source() -> Path:
    spec = find_spec("statsmodels")
    if spec is None or spec.origin is None:
        raise SystemExit("The series comes from the statsmodels package, which is not installed. Run: pip install --no-deps statsmodels")
    return Path(spec.origin).parent / "tsa" / "stl" / "tests" / "results" / "mstl_elec_vic.csv"


def main() -> None:
    with source().open(newline="") as file:
        rows = [(datetime.fromisoformat(row["ds"]), float(row["y"])) for row in csv.DictReader(file)]
    for (before, _), (after, _) in pairwise(rows):
        if after - before != timedelta(hours=1):
            raise SystemExit(f"The series is not hourly: {after} follows {before}.")
    target = HERE / "data" / "demand.csv"
    target.parent.mkdir(exist_ok=True)
    with target.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("time", "demand_mwh"))
        writer.writerows((f"{time:%Y-%m-%dT%H:%M}", f"{demand:.2f}") for time, demand in rows)
    print(f"{target.relative_to(HERE)}: {len(rows)} hours, {rows[0][0]} to {rows[-1][0]}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
