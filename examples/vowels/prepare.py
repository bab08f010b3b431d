"""Write the JapaneseVowels recordings that lie inside the ``aeon`` package as one compressed NumPy file.

Only the text files of ``aeon`` are read: the package itself is not imported, so its dependencies need not be installed.
Their numbers have six decimals; they are kept exactly, as integers of one millionth.

    pip install --no-deps aeon
    python examples/vowels/prepare.py
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PARTS = {"TRAIN": "training", "TEST": "held_out"}
CHANNELS = 12
MILLIONTHS = 10**6

Utterance = tuple[np.ndarray, int]


def package_folder() -> Path:
    spec = find_spec("aeon")
    if spec is None or spec.origin is None:
        raise SystemExit("The recordings come from the aeon package, which is not installed. Run: pip install --no-deps aeon")
    return Path(spec.origin).parent / "datasets" / "data" / "JapaneseVowels"


def read_ts(path: Path) -> list[Utterance]:
    """Every case of a ``.ts`` file: its frames (time, 12) in millionths, and its speaker, counted from 0.

    A case is one line: the channels, separated by colons, then the label; a channel is numbers separated by commas.
    """
    utterances = []
    for line in path.read_text().splitlines():
        if not line or line[0] in "#@":
            continue
        *channels, label = line.strip().split(":")
        if len(channels) != CHANNELS:
            raise SystemExit(f"{path.name}: expected {CHANNELS} channels a case, found {len(channels)}.")
        frames = np.array([[float(number) for number in channel.split(",")] for channel in channels]).T
        utterances.append((np.rint(frames * MILLIONTHS).astype(np.int32), int(label) - 1))
    return utterances


def main() -> None:
    arrays = {}
    for part, name in PARTS.items():
        utterances = read_ts(package_folder() / f"JapaneseVowels_{part}.ts")
        arrays[f"{name}_millionths"] = np.concatenate([frames for frames, _ in utterances])  # (frames, 12)
        arrays[f"{name}_lengths"] = np.array([len(frames) for frames, _ in utterances], np.uint8)  # (utterances,)
        arrays[f"{name}_speakers"] = np.array([speaker for _, speaker in utterances], np.uint8)  # (utterances,)
        print(f"{name}: {len(utterances)} utterances, {len(arrays[f'{name}_millionths'])} frames")
    target = HERE / "data" / "vowels.npz"
    target.parent.mkdir(exist_ok=True)
    np.savez_compressed(target, **arrays)
    print(f"{target.relative_to(HERE)}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
