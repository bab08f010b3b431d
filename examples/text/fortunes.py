"""The fortunes of Debian's packages: those that the text network learned from, and those held out."""

import hashlib
from pathlib import Path

import numpy as np

#: Where the packages put them, and the version that the network learned from.
FOLDER, PACKAGES, VERSION = Path("/usr/share/games/fortunes"), "fortunes fortunes-min", "1:1.99.1-7.3"

#: SHA-256 of all fortunes of that version, in the order that `read` gives them.
SHA256 = "f23bb5177d2c4dbba113381f3fa5f09fea96e3198266d7508536be5b5a311211"

#: What stands between two fortunes in the packages' files.
SEPARATOR = "\n%\n"

SEED = 7


def read(folder: Path = FOLDER) -> list[str]:
    """Every fortune once, in an order drawn by the seed; without those that hold more than ASCII."""
    if not folder.is_dir():
        raise SystemExit(f"there are no fortunes in {folder}. Run: apt-get install {PACKAGES}; or name the folder that holds them.")
    texts = [path.read_text("utf-8") for path in sorted(folder.iterdir()) if path.is_file() and path.suffix not in (".dat", ".u8")]
    each = (fortune.expandtabs().strip("\n") for text in texts for fortune in text.split(SEPARATOR))
    unique = [text for text in dict.fromkeys(each) if text and all(c == "\n" or " " <= c <= "~" for c in text)]
    return [unique[i] for i in np.random.default_rng(SEED).permutation(len(unique))]


def parted(texts: list[str]) -> tuple[list[str], list[str]]:
    """Those to train with; and the last twentieth, which is held out."""
    cut = len(texts) - len(texts) // 20
    return texts[:cut], texts[cut:]


def check(texts: list[str]) -> None:
    """Refuse other fortunes than the network learned from: those held out would be others than it never saw."""
    if hashlib.sha256(SEPARATOR.join(texts).encode()).hexdigest() != SHA256:
        raise SystemExit(f"these fortunes are not those of {PACKAGES} {VERSION} (Debian 12), which the network learned from.")
