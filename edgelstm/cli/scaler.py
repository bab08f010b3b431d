"""`convert --scaler`, `--mean` and `--scale`: how the training data were scaled."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UsageError

if TYPE_CHECKING:
    from ..model import Model

#: Names under which a file may hold the two arrays: ours first, then scikit-learn's of StandardScaler and RobustScaler.
MEAN, SCALE = ("mean", "mean_", "center_"), ("scale", "scale_", "std")

#: No scaler is larger.
MOST_BYTES = 1 << 22

_DAMAGE = (OSError, ValueError, EOFError, KeyError, TypeError, MemoryError, TokenError, NotImplementedError, zipfile.BadZipFile, zlib.error)

_HOW = "save it with numpy.savez(path, mean=scaler.mean_, scale=scaler.scale_)"


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the three options to a command."""
    for option in (
        click.option("--scale", metavar="A,B,…", help="What samples were divided by in training: one for each input, or one for all."),
        click.option("--mean", metavar="A,B,…", help="What was subtracted from samples before that."),
        click.option("--scaler", type=click.Path(path_type=Path), metavar="FILE.npz", help="Both, as the arrays mean and scale of a file."),
    ):
        command = option(command)
    return command


def scaled(model: "Model", scaler: Path | None, mean: str | None, scale: str | None) -> "Model":
    """`model` behind the normaliser asked for; as it is if none was.

    Raises
    ------
    InputError
        If the file holds no scaler.
    UsageError
        If the options contradict each other, or do not fit the model.
    """
    if scaler is None and mean is None and scale is None:
        return model
    if scaler is not None and not mean is scale is None:
        raise UsageError("--scaler gives mean and scale already; leave --mean and --scale out.")
    pair = (_numbers("--mean", mean, 0.0), _numbers("--scale", scale, 1.0)) if scaler is None else _read(scaler)
    for what, values in zip(("mean", "scale"), pair, strict=True):
        if values.shape not in ((), (model.input_size,)):
            names = f" ({', '.join(model.input_names)})" if model.input_names else ""
            raise UsageError(f"the scaler's {what} has {values.size} numbers; the model takes {model.input_size}{names}.")
    return model.with_normalizer(*pair)


def _numbers(option: str, text: str | None, default: float) -> NDArray[np.float64]:
    """One number without an axis, or several."""
    try:
        values = np.array([float(item) for item in (text or str(default)).split(",")])
    except ValueError:
        raise UsageError(f"{option} {text!r} must be numbers between commas, one for each input, or one for all.") from None
    return values if values.size > 1 else values.reshape(())


def _read(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    arrays = _arrays(path)
    mean, scale = ([name for name in known if name in arrays] for known in (MEAN, SCALE))
    if len(mean) != 1 or len(scale) != 1 or len(arrays) != 2:
        held = ", ".join(name[:40] for name in list(arrays)[:16]) or "no array"
        raise InputError(f"{path}: holds {held}; expected the arrays mean and scale, and no others: {_HOW}.")
    return _flat(arrays[mean[0]]), _flat(arrays[scale[0]])


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as found:
                if sum(part.file_size for part in found.zip.infolist()) > MOST_BYTES:
                    raise ValueError(f"it holds more than {MOST_BYTES} bytes")
                return {name: found[name] for name in found.files}
        except _DAMAGE as problem:
            raise InputError(f"{path}: is no sound .npz file of numbers ({problem}); {_HOW}.") from None


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """A scaler kept for whole batches, (1, inputs) or (1, 1, inputs), without those axes; one number without any."""
    array = array.reshape(array.shape[-1:]) if array.ndim and array.size == array.shape[-1] else array
    return array.reshape(()) if array.size == 1 else array
