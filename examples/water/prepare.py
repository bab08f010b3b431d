"""Write the flow of water that lies inside the ``river`` package as `data/flow.csv`.

Only the file is read: the package itself is not imported, so its dependencies need not be installed.

    pip install --no-deps river==0.26.1
    python examples/water/prepare.py
"""

import csv
from importlib import metadata
from pathlib import Path

TARGET = Path(__file__).parent / "data" / "flow.csv"


def main() -> None:
    try:
        source = Path(str(metadata.distribution("river").locate_file("river/datasets/water-flow.csv")))
    except metadata.PackageNotFoundError:
        raise SystemExit(
            "The series comes from the river package, which is not installed. Run: pip install --no-deps river==0.26.1"
        ) from None
    with source.open(newline="", encoding="utf-8") as file:
        rows = [(row["Time"], row["Water flow [l/s]"]) for row in csv.DictReader(file)]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("time", "litres_per_second"))
        writer.writerows(rows)
    print(f"{TARGET.name}: {len(rows)} hours, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
