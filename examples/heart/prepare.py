"""Write two recordings of hearts that lie inside the ``aeon`` package as one compressed NumPy file.

Only the text files of ``aeon`` are read: the package itself is not imported, so its dependencies need not be installed.

    pip install --no-deps aeon==1.6.0
    python examples/heart/prepare.py
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent

PRESSURE = "KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16"

ECG = "UnitTest/ecg-diff-count-3"

#: By recording: the parts of a unit that are kept; and files below the package's folder of data, for training, choosing, or held back.
FILES = {
    "pressure": (100, {"training": f"{PRESSURE}_TRAIN.csv", "held_back": f"{PRESSURE}_TEST.csv"}),
    "ecg": (1000, {"training": f"{ECG}_TRAIN_NA.csv", "choosing": f"{ECG}_TRAIN_A.csv", "held_back": f"{ECG}_TEST.csv"}),
}


def package_folder() -> Path:
    spec = find_spec("aeon")
    if spec is None or spec.origin is None:
        raise SystemExit("The recordings come from the aeon package, which is not installed. Run: pip install --no-deps aeon==1.6.0")
    return Path(spec.origin).parent / "datasets" / "data"


def main() -> None:
    arrays = {}
    for name, (parts, files) in FILES.items():
        for part, file in files.items():
            rows = np.loadtxt(package_folder() / file, delimiter=",", skiprows=1)  # (time, 3): number, value, whether it is an anomaly
            arrays[f"{name}_{part}"] = np.rint(rows[:, 1] * parts).astype(np.int16)
            edges = np.flatnonzero(np.diff(rows[:, 2], prepend=0, append=0)).reshape(-1, 2)  # begin and end of each anomaly
            if part != "training":
                arrays["ecg_choosing_anomalies" if part == "choosing" else f"{name}_anomalies"] = edges
    target = HERE / "data" / "heart.npz"
    np.savez_compressed(target, **arrays)
    print(f"{target.name}: {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
