"""Names of Flax (linen and nnx) as PyTorch's, so that a bag of its arrays is read as a state_dict is.

Sources: ``flax/linen/recurrent.py`` and ``flax/nnx/nn/recurrent.py`` of Flax 0.12. Kernels are (inputs, outputs). Gates are i f g o and
r z n as in PyTorch; linen keeps an array a gate, nnx all of them in one. An LSTM has its biases on the side of h alone, a GRU all but one
of n on the side of x. A minimal gated unit (linen alone) is a GRU.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError, UnsupportedModelError
from ..from_torch.kinds import GATES
from ..from_torch.tensors import Named

Part = dict[str, Named]

#: The parts of linen's cells, on the side of x and of h; nnx writes ``if_`` and ``in_``, since ``if`` and ``in`` are words of Python.
_CELLS = {tuple(sorted((*(f"i{gate}" for gate in gates), *(f"h{gate}" for gate in gates)))): gates for gates in ("ifgo", "rzn")}
_CELLS[("h", "i")] = ""

#: The parts of nnx's cells that keep all gates in one.
_JOINT = ("dense_h", "dense_i")

#: The parts of linen's ``MGUCell``: a GRU both of whose gates are f, without a reset where hn has no bias (``reset_gate=False``).
_MINIMAL = ("hf", "hn", "if", "in")

#: What opens a gate: 1 is all that is left of it.
_OPEN = 50.0

#: What stands before all names of a file of variables, and what is no weight.
_COLLECTION, _PASSED = "params.", ("opt_state.", "step")


#: The directions of ``nnx.Bidirectional``, as PyTorch marks them.
_DIRECTIONS = (("forward_rnn.cell", ""), ("backward_rnn.cell", "_reverse"))


def dotted(tensors: Mapping[str, Named]) -> dict[str, Named]:
    """The same arrays with dots between the parts of their names, where ``flatten_dict(params, sep="/")`` wrote strokes."""
    return {name.replace("/", "."): tensor for name, tensor in tensors.items()}


def is_flax(tensors: Mapping[str, Named]) -> bool:
    """Whether names are Flax's: kernels and embeddings, and no recurrent kernel of Keras."""
    last = {name.rpartition(".")[2] for name in dotted(tensors)}
    return ("kernel" in last or "embedding" in last) and "recurrent_kernel" not in last


def translated(tensors: Mapping[str, Named]) -> dict[str, Named]:
    """The same arrays under PyTorch's names, in the order of the file.

    Raises
    ------
    UnsupportedModelError
        If an array has more dimensions than its layer: layers stacked by ``nn.scan``.
    ShapeError
        If the parts of a cell do not fit together.
    """
    kept = {name: tensor for name, tensor in dotted(tensors).items() if not name.startswith(_PASSED) and ".rngs." not in f".{name}"}
    parts = _parts(kept)
    cells = _cells(parts)
    found: dict[str, Named] = {}
    done: set[str] = set()
    for path, part in parts.items():
        owner = path.rpartition(".")[0]
        if owner in cells:
            if owner not in done:
                done.add(owner)
                found |= _named(owner, _cell(owner, cells[owner]))
            continue
        found |= {f"{path}.{name}".removeprefix("."): array for name, array in _plain(path, part).items()}
    return found


def _parts(tensors: Mapping[str, Named]) -> dict[str, Part]:
    """By the path of each module its arrays; running statistics stand with the weights of their norm."""
    parts: dict[str, Part] = {}
    for full, tensor in tensors.items():
        path, _, name = full.removeprefix(_COLLECTION).removeprefix("batch_stats.").removesuffix(".value").rpartition(".")
        parts.setdefault(path, {})[name] = tensor
    return parts


def _cells(parts: Mapping[str, Part]) -> dict[str, dict[str, Part]]:
    """The parts of each recurrent cell by its path."""
    inside: dict[str, dict[str, Part]] = {}
    for path, part in parts.items():
        owner, _, name = path.rpartition(".")
        inside.setdefault(owner, {})[name.rstrip("_")] = part
    return {owner: found for owner, found in inside.items() if tuple(sorted(found)) in (*_CELLS, _JOINT, _MINIMAL)}


def _as_gru(path: str, parts: Mapping[str, Part]) -> dict[str, Part]:
    """The parts of a minimal gated unit as those of the GRU that it is."""
    reset = {side: parts[f"{side}f"] for side in "ih"}
    if "bias" not in parts["hn"]:
        kernels = {side: 0 * _array(path, part, "kernel", 2) for side, part in reset.items()}
        reset = {"i": {"kernel": kernels["i"], "bias": np.full(kernels["i"].shape[1], _OPEN, np.float32)}, "h": {"kernel": kernels["h"]}}
    return {"ir": reset["i"], "hr": reset["h"], "iz": parts["if"], "hz": parts["hf"], "in": parts["in"], "hn": parts["hn"]}


def _cell(path: str, parts: Mapping[str, Part]) -> dict[str, Named]:
    """weight_ih and weight_hh, and the biases of both sides where there is one."""
    if tuple(sorted(parts)) == _MINIMAL:
        parts = _as_gru(path, parts)
    gates = _CELLS.get(tuple(sorted(parts)))
    sides = {"ih": "i", "hh": "h"} if gates is not None else {"ih": "dense_i", "hh": "dense_h"}
    found: dict[str, Named] = {}
    for side, start in sides.items():
        own = [parts[f"{start}{gate}"] for gate in gates] if gates else [parts[start]]
        kernels = [_array(path, part, "kernel", 2).T for part in own]
        if len({kernel.shape for kernel in kernels}) != 1:
            raise ShapeError(f"the kernels of {path!r} have the shapes {', '.join(str(kernel.T.shape) for kernel in kernels)}.")
        found[f"weight_{side}"] = np.concatenate(kernels)
        if any("bias" in part for part in own):
            rows = [_array(path, p, "bias", 1) if "bias" in p else np.zeros(k.shape[0], k.dtype) for p, k in zip(own, kernels, strict=True)]
            found[f"bias_{side}"] = np.concatenate(rows)
    if (GATES.get(found["weight_hh"].shape[0] // max(1, found["weight_hh"].shape[1]))) is None:
        raise ShapeError(f"the kernels of {path!r} are those of no LSTM, GRU or simple cell: {found['weight_hh'].shape}.")
    for side, other in (("ih", "hh"), ("hh", "ih")):
        if f"bias_{other}" in found:
            found.setdefault(f"bias_{side}", np.zeros(found["weight_hh"].shape[0], np.float32))
    return found


def _named(owner: str, cell: Mapping[str, Named]) -> dict[str, Named]:
    """The arrays of a cell by their full names; those of two directions are one layer's."""
    for ending, mark in _DIRECTIONS:
        if owner == ending or owner.endswith(f".{ending}"):
            path = owner.removesuffix(ending)
            return {f"{path}{name}_l0{mark}": array for name, array in cell.items()}
    return {f"{owner}.{name}".removeprefix("."): array for name, array in cell.items()}


def _plain(path: str, part: Part) -> dict[str, Named]:
    """Dense, Conv, Embed and the norms."""
    if "kernel" in part and len(part["kernel"].shape) in (2, 3):
        kernel = np.asarray(part["kernel"])
        return {"weight": kernel.T if kernel.ndim == 2 else kernel.transpose(2, 1, 0), **_without(part, "kernel")}
    names = {"scale": "weight", "embedding": "weight", "mean": "running_mean", "var": "running_var"}
    return {names.get(name, name): tensor for name, tensor in part.items()}


def _without(part: Part, name: str) -> Part:
    return {other: tensor for other, tensor in part.items() if other != name}


def _array(path: str, part: Part, name: str, dimensions: int) -> NDArray[Any]:
    if name not in part:
        raise UnsupportedModelError(f"cell {path!r} lacks a {name}; save all of its parameters.")
    array: NDArray[Any] = np.asarray(part[name])
    if array.ndim != dimensions:
        raise UnsupportedModelError(
            f"cell {path!r} has a {name} of shape {array.shape}, not of {dimensions} dimension(s): layers that nn.scan or vmap stacked "
            "are not imported; save each of them under its own name."
        )
    return array
