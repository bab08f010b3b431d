"""Write Microsoft's daily closing prices that lie inside the ``pmdarima`` package as one compressed NumPy file.

Only the archive in the package is read: the package itself is not imported, so its dependencies need not be installed.

    pip install --no-deps pmdarima==2.1.1
    python examples/stock/prepare.py
"""

import csv
import io
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def source() -> Path:
    spec = find_spec("pmdarima")
    if spec is None or spec.origin is None:
        raise SystemExit("The prices come from the pmdarima package, which is not installed. Run: pip install --no-deps pmdarima==2.1.1")
    return Path(spec.origin).parent / "datasets" / "data" / "msft.tar.gz"


def main() -> None:
    with tarfile.open(source()) as archive:
        file = archive.extractfile("msft.csv")
        assert file is not None
        rows = list(csv.DictReader(io.StringIO(file.read().decode())))
    close = np.array([round(float(row["Close"]) * 1e5) for row in rows], np.int32)  # (days,), all digits of the file
    target = HERE / "data" / "msft.npz"
    np.savez_compressed(target, close=close, first=rows[0]["Date"], last=rows[-1]["Date"])
    print(f"{target.name}: {len(close)} days, {rows[0]['Date']} to {rows[-1]['Date']}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
