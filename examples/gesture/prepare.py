"""Write the PickupGestureWiimoteZ recordings that lie inside the ``aeon`` package as one compressed NumPy file.

Only the text files of ``aeon`` are read: the package itself is not imported, so its dependencies need not be installed.
Their numbers have three decimals; they are kept as integers of one thousandth.

    pip install --no-deps aeon==1.6.0
    python examples/gesture/prepare.py
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "data" / "gesture.npz"
PARTS = {"TRAIN": "training", "TEST": "held_out"}


def package_folder() -> Path:
    spec = find_spec("aeon")
    if spec is None or spec.origin is None:
        raise SystemExit("The recordings come from the aeon package, which is not installed. Run: pip install --no-deps aeon==1.6.0")
    return Path(spec.origin).parent / "datasets" / "data" / "PickupGestureWiimoteZ"


def read_ts(path: Path) -> list[tuple[np.ndarray, int]]:
    """Samples (time,) in thousandths, and who it is, from 0, of each recording."""
    recordings = []
    for line in path.read_text().splitlines():
        if line and line[0] not in "#@":
            samples, label = line.strip().split(":")
            recordings.append((np.rint(1000 * np.array(samples.split(","), float)).astype(np.int16), int(label) - 1))
    return recordings


def main() -> None:
    arrays = {}
    for part, name in PARTS.items():
        recordings = read_ts(package_folder() / f"PickupGestureWiimoteZ_{part}.ts")
        arrays[f"{name}_thousandths"] = np.concatenate([samples for samples, _ in recordings])  # (samples,)
        arrays[f"{name}_lengths"] = np.array([len(samples) for samples, _ in recordings], np.int16)  # (recordings,)
        arrays[f"{name}_people"] = np.array([person for _, person in recordings], np.uint8)  # (recordings,)
        print(f"{name}: {len(recordings)} recordings, {len(arrays[f'{name}_thousandths'])} samples")
    np.savez_compressed(TARGET, **arrays)
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
