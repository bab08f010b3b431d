"""The forms of Keras files: what describes the network, and where its weights lie."""

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...files import container
from ..hdf5 import Group, opened
from .layout import laid_out
from .weights import ByName, ByPath, Weights

#: The most bytes of a description, and how many times its bytes in the archive a part may be: weights are hardly compressed, bombs are.
MOST_TEXT, MOST_UNPACKED = 8 << 20, 16


@dataclass(frozen=True, eq=False)
class Stored:
    """A file.

    Parameters
    ----------
    config : dict, optional
        The model's class and configuration; None in files of weights alone.
    version : int
        Of Keras, its first number: 1, 2 or 3.
    weights : Weights
    root : Group
        Of the file of weights.
    """

    config: dict[str, Any] | None
    version: int
    weights: Weights
    root: Group


def read(file: BinaryIO) -> Stored:
    """A `.keras` archive, or an HDF5 file of any of Keras' forms.

    Raises
    ------
    ModelFileError, UnsupportedModelError
    """
    if file.read(4) == b"PK\x03\x04":
        return _archive(file)
    file.seek(0)
    root = opened(file)
    described = root.text("model_config")
    if described is not None:
        weights = root.group("model_weights") if "model_weights" in root else root
        return Stored(_config(described, "model_config"), _version(root.text("keras_version")), ByName(weights), root)
    if root.texts("layer_names") is not None:
        return Stored(None, _version(root.text("keras_version")), ByName(root), root)
    if any(re.search(r"(^|/)vars/[0-9]+$", path) for path in root.walk()):
        root = laid_out(root)
        return Stored(None, 3, ByPath(root), root)
    raise UnsupportedModelError("is an HDF5 file without a Keras model (no model_config, layer_names or layers).")


def _archive(file: BinaryIO) -> Stored:
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
        config, metadata = (_part(archive, name, MOST_TEXT) for name in ("config.json", "metadata.json"))
        weights = _part(archive, "model.weights.h5")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as problem:
        raise ModelFileError(f"is a damaged zip archive ({printable(problem, 200)}); copy it again.") from None
    about = container.read_json(metadata, "metadata.json")
    version = about.get("keras_version") if isinstance(about, dict) else None
    root = laid_out(opened(io.BytesIO(weights)))
    return Stored(_config(config, "config.json"), _version(str(version)), ByPath(root), root)


def _part(archive: zipfile.ZipFile, name: str, most: int | None = None) -> bytes:
    """A member of at most so many bytes, by default as many as its bytes in the archive may hold."""
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ModelFileError(f"lacks {name}, which every .keras file has; save the model again.") from None
    most = max(MOST_TEXT, MOST_UNPACKED * entry.compress_size) if most is None else most
    if entry.file_size > most:
        raise ModelFileError(f"{name} has {entry.file_size} bytes; at most {most} make sense. Copy the file again.")
    with archive.open(entry) as part:
        return part.read(most)


def _config(text: bytes | str, what: str) -> dict[str, Any]:
    if len(text) > MOST_TEXT:
        raise ModelFileError(f"{what} has {len(text)} characters; at most {MOST_TEXT} make sense. Copy the file again.")
    found = container.read_json(text, what)
    if not isinstance(found, dict):
        raise ModelFileError(f"{what} describes no model; save the model again.")
    return found


def config_of(description: bytes, what: str) -> tuple[dict[str, Any], int]:
    """A model's class and configuration, and the version of Keras, in the JSON that ``model.to_json()`` gave.

    Raises
    ------
    ModelFileError
        If it is none.
    """
    found = _config(description, what)
    version = found.pop("keras_version", None)
    found.pop("backend", None)
    if not {"class_name", "config"} <= set(found):
        raise ModelFileError(f"{what} is no JSON that model.to_json() of Keras gives.")
    newer = version is None and ("module" in found or "registered_name" in found)
    return found, 3 if newer else _version(version if isinstance(version, str) else None)


def _version(text: str | None) -> int:
    """The first number of a version such as ``2.2.4-tf``; Keras 2 where there is none."""
    first = (text or "").partition(".")[0]
    return int(first) if first in ("1", "2", "3") else 2
