"""Importers: a trained file of another framework becomes a `Model`. One file a format, told apart by content.

Nothing here is imported on a device that loads a `.elstm` file. No framework is needed, and no code in a file is run.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from .. import container
from ..errors import ModelFileError, UnsupportedModelError, UsageError
from ..model import Model
from .sniff import sniff


@dataclass(frozen=True, eq=False)
class Imported:
    """What an importer made of a file.

    Parameters
    ----------
    model : Model
        Without a probe.
    chain : str
        The order of the layers that was taken, as ``--layers`` spells it.
    format : str
        What the file was.
    notes : sequence of str
        What the user should know: sentences.
    """

    model: Model
    chain: str
    format: str
    notes: tuple[str, ...] = ()


def _torch(file: BinaryIO) -> object:
    from .torch_archive import read

    return read(file)


def _safetensors(file: BinaryIO) -> object:
    return {name: container.widened(array) for name, array in container.read_tensors(file.read()).items()}


#: Formats whose tensors have PyTorch's names, and how their objects are read.
_STATE_DICTS: dict[str, Callable[[BinaryIO], object]] = {"PyTorch": _torch, "safetensors": _safetensors}


#: As `sniff` calls it.
TFLITE = "TensorFlow Lite"


def _tflite(file: BinaryIO, layers: str | None, prefix: str | None, name: str) -> tuple[Model, str, list[str]]:
    from .from_tflite import from_tflite
    from .tflite_file import read

    if prefix:
        raise UsageError(f"a file of {TFLITE} has no prefixes (--prefix {prefix!r}); choose a part by its layers (--layers).")
    file.seek(0)
    return from_tflite(read(file.read()), layers, source=f"{TFLITE}: {name}")


def import_file(path: str | os.PathLike[str], *, layers: str | None = None, prefix: str | None = None) -> Imported:
    """Read a trained network of another framework.

    Parameters
    ----------
    path : str or os.PathLike
        Its content decides what it is, not its name.
    layers : str, optional
        The order of the layers and what stands between them, where the file does not say, or how far to take those of a graph:
        see `chain.parse`.
    prefix : str, optional
        Where in the file the model is, for example ``"model_state"`` or ``"encoder.rnn"``. Empty for all of the file.

    Raises
    ------
    ModelFileError
        If the file is damaged, hostile or of no known format.
    UnsupportedModelError
        If the file is of a known format that this version does not import, holds a feature that edgelstm lacks,
        or does not determine one model.
    UsageError
        If `layers` or `prefix` names something that the file does not hold.
    ShapeError
        If the layers, in that order, do not fit together.
    """
    from .from_torch import from_torch
    from .state_dict import named_tensors

    path = container.path_text(path)
    with container.about(path), container.open_file(path) as file:
        found = sniff(file)
        if found == "edgelstm":
            raise ModelFileError("is a .elstm file already; load it with edgelstm.load, there is nothing to convert.")
        if found == TFLITE:
            model, order, notes = _tflite(file, layers, prefix, os.path.basename(path))
            return Imported(model, order, found, tuple(notes))
        if found not in _STATE_DICTS:
            raise UnsupportedModelError(
                f"is a file of {found}, which edgelstm does not import yet; it imports {', '.join((*_STATE_DICTS, TFLITE))}. "
                "If the model exists in PyTorch, write it with torch.save(model.state_dict(), path)."
            )
        file.seek(0)
        tensors = named_tensors(_STATE_DICTS[found](file), prefix)
        model, order, notes = from_torch(tensors, layers, source=f"{found}: {os.path.basename(path)}")
    return Imported(model, order, found, tuple(notes))
