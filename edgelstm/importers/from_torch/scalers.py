"""Numbers beside the weights by which inputs may have been scaled: found by their names and sizes, and told with the way to use them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Set

import numpy as np

from ...errors import printable
from ..chain import listed
from .tensors import Named

#: Names of numbers that scale inputs, and that a training script keeps beside the weights.
SCALING = re.compile(r"mean|std|scal|sigma|center|(^|[._])(mu|min|max|var)s?$", re.IGNORECASE)

#: The numbers of a scikit-learn scaler as mean and scale, by the end of its class.
_SCALERS = {
    "StandardScaler": "mean={0}.mean_, scale={0}.scale_",
    "MinMaxScaler": "mean=-{0}.min_ / {0}.scale_, scale=1 / {0}.scale_",
    "RobustScaler": "mean={0}.center_, scale={0}.scale_",
    "MaxAbsScaler": "mean=0 * {0}.scale_, scale={0}.scale_",
}

_WAY_IN = "give them to edgelstm convert (--scaler scaler.npz), or in Python to model.with_normalizer(mean, scale)"


def notes(outside: Mapping[str, Named], apart: Set[str], foreign: Mapping[str, str], input_size: int) -> Iterator[str]:
    """Notes on tensors that are not the model's, of which those `apart` stand in dicts without weights, and on what was not read."""
    found = []
    for name, tensor in outside.items():
        size = max(tensor.shape, default=1)
        flat = np.dtype(tensor.dtype).kind == "f" and is_flat(tensor)
        spoken = SCALING.search(name.rpartition(".")[2]) and "running_" not in name
        if flat and (spoken or (name in apart and size == input_size)):
            found.append(f"{name} {tuple(tensor.shape)}")
    if found:
        yield f"Not used, and not part of the network: {listed(found)}. If inputs were scaled by them in training, {_WAY_IN}."
    if arrays := {name: kind for name, kind in foreign.items() if kind.startswith("numpy.")}:
        parts = dict(_as_parts(arrays))
        line = ", ".join(f"{key}={parts.get(key, '…')}" for key in ("mean", "scale"))
        yield (
            f"NumPy arrays are passed over: {listed(list(arrays))}. If they scale the inputs, save them with "
            f'np.savez("scaler.npz", {line}) and {_WAY_IN}.'
        )
    if objects := [f"{name} ({printable(kind, 80)})" for name, kind in foreign.items() if not kind.startswith(("numpy.", "sklearn."))]:
        yield f"Passed over, as objects of other libraries: {listed(objects)}."
    for name, kind in foreign.items():
        if kind.startswith("sklearn."):
            line = _SCALERS[kind.rpartition(".")[2]].format(_subscripts(name))
            yield f'A {kind.rpartition(".")[2]} is passed over: {name}. Save it with np.savez("scaler.npz", {line}) and {_WAY_IN}.'


def _subscripts(name: str) -> str:
    return "checkpoint" + "".join(f'["{key}"]' for key in name.split(".") if key)


def _as_parts(arrays: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Which arrays are called like a mean and like a scale, as Python reaches them."""
    for name in arrays:
        last = name.rpartition(".")[2].lower()
        if "mean" in last or "std" in last or "scale" in last:
            yield ("mean" if "mean" in last else "scale"), _subscripts(name)


def is_flat(tensor: Named) -> bool:
    """Whether it has one long dimension at most."""
    return int(np.prod(tensor.shape)) == max(tensor.shape, default=1)
