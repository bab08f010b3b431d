"""`convert --scaler`, `--mean` and `--scale`, and the same of outputs: how the training data were scaled. And `--thresholds`."""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
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
    """Add the options of both scalers to a command."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--output-scale", metavar="A,B,…", help="What the right answers were divided by in training."),
        click.option("--output-mean", metavar="A,B,…", help="What was subtracted from them before that."),
        click.option("--output-scaler", type=path, metavar="FILE.npz", help="Both, as the arrays mean and scale of a file."),
        click.option("--scale", metavar="A,B,…", help="What samples were divided by in training: one for each input, or one for all."),
        click.option("--mean", metavar="A,B,…", help="What was subtracted from samples before that."),
        click.option("--scaler", type=path, metavar="FILE.npz", help="Both, as the arrays mean and scale of a file."),
    ):
        command = option(command)
    return command


def scaled(
    model: "Model",
    scaler: Path | None = None,
    mean: str | None = None,
    scale: str | None = None,
    output_scaler: Path | None = None,
    output_mean: str | None = None,
    output_scale: str | None = None,
) -> "Model":
    """`model` between the scalers asked for; as it is if none was.

    Raises
    ------
    InputError
        If a file holds no scaler.
    UsageError
        If the options contradict each other, or do not fit the model.
    """
    before = _pair("", scaler, mean, scale, f"the model takes {model.input_size}", model.input_size, model.input_names)
    behind = _pair(
        "output-", output_scaler, output_mean, output_scale, f"the model gives {model.output_size}", model.output_size, model.labels
    )
    model = model if before is None else model.with_normalizer(*before)
    return model if behind is None else model.with_denormalizer(*behind)


def decided(model: "Model", thresholds: str | None) -> "Model":
    """`model` with thresholds, one number for all outputs or one for each; as it is without.

    Raises
    ------
    ShapeError, UsageError
        If they are none, or do not fit the model.
    """
    if thresholds is None:
        return model
    values = _numbers("--thresholds", thresholds, 0.0, "output")
    return replace(model, thresholds=tuple(np.broadcast_to(values, max(values.size, model.output_size if not values.ndim else 0)).tolist()))


def _pair(
    word: str, scaler: Path | None, mean: str | None, scale: str | None, told: str, size: int, names: tuple[str, ...]
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Mean and scale of one scaler, whose options have `word` in their names; None if it was not asked for."""
    if scaler is None and mean is None and scale is None:
        return None
    if scaler is not None and not mean is scale is None:
        raise UsageError(f"--{word}scaler gives mean and scale already; leave --{word}mean and --{word}scale out.")
    each = "output" if word else "input"
    given = (_numbers(f"--{word}mean", mean, 0.0, each), _numbers(f"--{word}scale", scale, 1.0, each))
    pair = given if scaler is None else _read(scaler)
    for what, values in zip(("mean", "scale"), pair, strict=True):
        if values.shape not in ((), (size,)):
            called = f" ({', '.join(names)})" if names else ""
            raise UsageError(f"the scaler's {what} has {values.size} numbers; {told}{called}.")
    return pair


def _numbers(option: str, text: str | None, default: float, each: str) -> NDArray[np.float64]:
    """One number without an axis, or several."""
    try:
        values = np.array([float(item) for item in (text or str(default)).split(",")])
    except ValueError:
        raise UsageError(f"{option} {text!r} must be numbers between commas, one for each {each}, or one for all.") from None
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
