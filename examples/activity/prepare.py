"""Write the BasicMotions recordings that lie inside the ``aeon`` package as CSV files, one a recording.

The archive's training part goes to ``training/``, its test part to ``data/held_out/`` and once more, for the demo of an installed
package, to ``data/held_out.npz``. Only the text files of ``aeon`` are read: the package itself is not imported, so its dependencies
need not be installed.

    pip install --no-deps aeon
    python examples/activity/prepare.py
"""

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from edgelstm.cli.demo_data import LEVEL

HERE = Path(__file__).parent
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
PARTS = {"TRAIN": HERE / "training", "TEST": HERE / "data" / "held_out"}

Recording = tuple[str, list[tuple[str, ...]]]


def package_folder() -> Path:
    spec = find_spec("aeon")
    if spec is None or spec.origin is None:
        raise SystemExit("The recordings come from the aeon package, which is not installed. Run: pip install --no-deps aeon")
    return Path(spec.origin).parent / "datasets" / "data" / "BasicMotions"


def read_ts(path: Path) -> list[Recording]:
    """Every case of a ``.ts`` file: its label and its rows, the digits as they stand in the file.

    A case is one line: the channels, separated by colons, then the label; a channel is numbers separated by commas.
    """
    recordings = []
    for line in path.read_text().splitlines():
        if not line or line[0] in "#@":
            continue
        *channels, label = line.strip().split(":")
        if len(channels) != len(CHANNELS):
            raise SystemExit(f"{path.name}: expected {len(CHANNELS)} channels a case, found {len(channels)}.")
        recordings.append((label, list(zip(*(channel.split(",") for channel in channels), strict=True))))
    return recordings


def interleave(recordings: list[Recording]) -> list[Recording]:
    """One of each activity in turn, so that a listing by name mixes them."""
    by_label: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_label.setdefault(recording[0], []).append(recording)
    return [recording for group in zip(*by_label.values(), strict=True) for recording in group]


def pack(folder: Path, target: Path) -> None:
    """All recordings of a folder in one file, channel after channel: that takes two thirds of the room.

    Accelerations are in millionths. Turns are in levels of the gyroscope, and what a level's value was rounded by in the source.
    """
    paths = sorted(folder.glob("*.csv"))
    samples = np.stack([np.loadtxt(path, delimiter=",", skiprows=1) for path in paths])
    millionths = np.ascontiguousarray(np.rint(samples * 1e6).astype("<i4").transpose(2, 0, 1))  # (channels, recordings, time)
    levels = np.rint(millionths[3:] / LEVEL).astype("<i2")
    rounded = (millionths[3:] - np.rint(levels * LEVEL)).astype(np.int8)
    assert (np.rint(levels * LEVEL) + rounded == millionths[3:]).all()
    names = np.array([path.stem for path in paths])
    np.savez_compressed(target, accelerations=millionths[:3], levels=levels, rounded=rounded, channels=np.array(CHANNELS), names=names)


def main() -> None:
    source = package_folder()
    for part, folder in PARTS.items():
        folder.mkdir(parents=True, exist_ok=True)
        recordings = interleave(read_ts(source / f"BasicMotions_{part}.ts"))
        for number, (label, rows) in enumerate(recordings, start=1):
            with (folder / f"{number:02d}-{label.lower()}.csv").open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(CHANNELS)
                writer.writerows(rows)
        print(f"{folder.relative_to(HERE)}: {len(recordings)} recordings")
    pack(PARTS["TEST"], HERE / "data" / "held_out.npz")


if __name__ == "__main__":
    main()
