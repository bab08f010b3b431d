"""Recurrent layers of a recipe: gates in any order, weights in any layout, both directions.

Beside the fields of its record a recurrent layer may have:

* ``gates``: the order of the gates in the file, one letter each: ``"i f g o"`` of an LSTM (c and j are g too), ``"r z n"`` of a GRU
  (u is z, h and c are n);
* ``weight``: one tensor over inputs and state together, inputs first, in place of weight_ih and weight_hh;
* ``bias_ih`` and ``bias_hh`` in place of an LSTM's or a simple layer's one bias;
* ``forget_bias``: what is added to the forget gate at run time;
* ``nonlinearity`` of a simple recurrent layer;
* ``backward``: a table that says the other direction of a bidirectional layer, and ``merge``, how the two become one;
* ``final`` of a bidirectional layer: it answers once, with what each direction ends with.

`intra_rnn` and `inter_rnn` have all of these for their ``cell``, which is the kind of a recurrent layer, and ``rows``; `intra_rnn` ``last``
too. The two directions of a bidirectional layer are called ``NAME.forward`` and ``NAME.backward``, the stacked layers of a module
``NAME_l0``, ….

Gate orders by layout: torch i f g o and r z n; keras i f g o and z r n; tf1 i g f o, with forget_bias 1, and r z n.
"""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError, UsageError, printable
from ...layers import record_of
from ...layers.bidirectional import Bidirectional
from ...layers.record import Layer
from ...layers.recurrent import Recurrent
from .. import keras_arrays
from ..from_torch import recurrent as torch_recurrent
from ..from_torch.kinds import RECURRENT as TORCH_NAMES
from ..from_torch.modules import modules
from .arrays import array
from .parts import array_fields, flag, made
from .text import Step

if TYPE_CHECKING:
    from .build import Kitchen

#: The gates of each kind in the order of its record.
KINDS = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}

#: Kinds of a recurrent cell over the rows of each timestep's map.
ON_ROWS = ("intra_rnn", "inter_rnn")

_NOT_FINAL = "{}: final is for bidirectional layers; others answer every step, the last one too."

#: The order in files, by layout.
_ORDERS = {"torch": KINDS, "keras": {**KINDS, "gru": "zrn"}, "tf1": {**KINDS, "lstm": "igfo"}}

#: Other letters for gates.
_LETTERS = {"lstm": str.maketrans("cj", "gg"), "gru": str.maketrans("uhc", "znn"), "rnn": str.maketrans("", "")}

#: Names below a prefix.
_NAMES = {
    "keras": {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias"},
    "tf1": {"kernel": "weight", "weights": "weight", "bias": "bias", "biases": "bias"},
}


def records(step: Step, kitchen: "Kitchen", label: str, inputs: tuple[str, ...]) -> list[Layer]:
    """The records of a recurrent layer, which read `inputs`; the last one's output is the layer's."""
    said = dict(step.said)
    if step.kind in ON_ROWS:
        return [replace(_on_rows(step, kitchen), name=label, inputs=inputs)]
    backward, merge, final = said.pop("backward", None), said.pop("merge", "concat"), flag(said, "final", step, False)
    if backward is None:
        prefix = said.get("prefix")
        if kitchen.layout == "torch" and prefix is not None and _is_torch(kitchen, str(prefix)):
            return _stacked(replace(step, said=said), kitchen, label, inputs, str(merge), final=final)
        if final:
            raise UsageError(_NOT_FINAL.format(step.place))
        return [replace(_record(replace(step, said=said), kitchen), name=label, inputs=inputs)]
    if not isinstance(backward, dict):
        raise UsageError(f'{step.place}: backward must be a table that says the other direction, for example {{ prefix = "NAME" }}.')
    own = {*array_fields(record_of(step.kind)), "weight", "bias", "bias_ih", "bias_hh", "prefix"}
    shared = {name: value for name, value in said.items() if name not in own}
    both = [_record(replace(step, said=one), kitchen) for one in (said, {**shared, **backward})]
    return Bidirectional(both[0], both[1], inputs=inputs, merge=str(merge), sequences=not final, name=label)


def _on_rows(step: Step, kitchen: "Kitchen") -> Layer:
    """A cell along the rows of a timestep's map, or from timestep to timestep for each row."""
    said = dict(step.said)
    own: dict[str, Any] = {name: said.pop(name) for name in ("rows", "last") if name in said}
    kind = said.pop("cell", None)
    if kind not in KINDS:
        raise UsageError(f"{step.place}: cell must be one of {', '.join(KINDS)}; got {printable(repr(kind), 60)}.")
    return made(record_of(step.kind), {"cell": _cell(replace(step, kind=str(kind), said=said), kitchen), **own}, step)


def _cell(step: Step, kitchen: "Kitchen") -> Recurrent:
    if kitchen.layout != "torch" or not _is_torch(kitchen, str(step.said.get("prefix"))):
        return _record(step, kitchen)
    said = dict(step.said)
    reverse = flag(said, "reverse", step, False)
    found, *others = _stacked(replace(step, said=said), kitchen, "cell", (), "concat")
    if others or not isinstance(found, Recurrent):
        raise UsageError(f"{step.place}: its cell has one layer and one direction; name the tensors of one, and say others apart.")
    return replace(found, reverse=reverse)


def _is_torch(kitchen: "Kitchen", prefix: str) -> bool:
    return any(TORCH_NAMES.fullmatch(name) for name in kitchen.bag.below(prefix))


def _stacked(step: Step, kitchen: "Kitchen", label: str, inputs: tuple[str, ...], merge: str, *, final: bool = False) -> list[Layer]:
    """All stacked layers of a module of PyTorch, by its prefix."""
    said = dict(step.said)
    prefix, word = str(said.pop("prefix")), said.pop("nonlinearity", "tanh")
    if said:
        raise UsageError(f"{step.place} takes a whole module of PyTorch and so no {sorted(said)[0]}; name its tensors one by one instead.")
    below = kitchen.bag.below(prefix)
    found = modules({name: kitchen.bag.tensors[full] for name, full in below.items()})
    module = next(iter(found.values()))
    if len(found) > 1 or module.kind != step.kind:
        kinds = ", ".join(other.kind for other in found.values())
        raise UsageError(f"{step.place}: what is below {printable(prefix, 60)!r} is of kind {kinds}.")
    for full in below.values():
        kitchen.bag.take(full, step.place)
    made: list[Layer] = []
    levels = torch_recurrent.levels(module, word)
    for index, level in enumerate(levels):
        name = label if index == len(levels) - 1 else f"{label}_l{index}"
        reads = inputs if not made else (made[-1].name,)
        if len(level.directions) == 2:
            every = not (final and index == len(levels) - 1)
            made += Bidirectional(level.directions[0], level.directions[1], inputs=reads, merge=merge, sequences=every, name=name)
        elif final:
            raise UsageError(_NOT_FINAL.format(step.place))
        else:
            made.append(replace(level.directions[0], name=name, inputs=reads))
    return made


def _record(step: Step, kitchen: "Kitchen") -> Recurrent:
    said = dict(step.said)
    turned = flag(said, "transpose", step, kitchen.layout != "torch")
    order = _order(said.pop("gates", None), step, kitchen.layout)
    forget_bias = said.pop("forget_bias", 1.0 if kitchen.layout == "tf1" and step.kind == "lstm" else 0.0)
    if (prefix := said.pop("prefix", None)) is not None:
        names = _NAMES.get(kitchen.layout) or {name: name for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        said |= kitchen.under(str(prefix), names, step)
    if step.kind == "rnn" and "nonlinearity" in said:
        said["activation"] = said.pop("nonlinearity")
    cls = record_of(step.kind)
    arrays = [name for name in (*array_fields(cls), "weight", "bias", "bias_ih", "bias_hh") if name in said]
    if kitchen.layout == "keras" and {"weight_ih", "weight_hh", "bias"} <= set(arrays):
        _from_cudnn(said, step, kitchen)
    for name in dict.fromkeys(arrays):
        is_matrix = name in ("weight", "weight_ih", "weight_hh", "weight_hr")
        axes = (1, 0) if turned and is_matrix else None
        taken = array(kitchen.bag, said[name], step, axes)
        if name.startswith(("weight", "bias")) and not name.endswith("_hr") and not name.startswith("norm"):
            taken = _ordered(taken, order, step)
        said[name] = taken.reshape(-1) if name in ("h0", "c0") else taken
    _split(said, step)
    _biases(said, step, forget_bias)
    record = made(cls, said, step)
    assert isinstance(record, Recurrent)
    return record


def _from_cudnn(said: dict[str, Any], step: Step, kitchen: "Kitchen") -> None:
    """Bring arrays of Keras' CuDNNLSTM and CuDNNGRU, whose bias is twice as long, into the layout of the others."""
    names, gates = ("weight_ih", "weight_hh", "bias"), len(KINDS[step.kind])
    kernel, recurrent, bias = (array(kitchen.bag, said[name], step) for name in names)
    if (
        gates > 1
        and bias.ndim == 1
        and recurrent.ndim == kernel.ndim == 2
        and bias.size == 2 * gates * recurrent.shape[0] == 2 * kernel.shape[1]
    ):
        said |= dict(zip(names, keras_arrays.from_cudnn(kernel, recurrent, bias, gates), strict=True))


def _order(said: Any, step: Step, layout: str) -> list[int]:
    """For each gate of the record, its place in the file."""
    wanted = KINDS[step.kind]
    text = re.sub(r"[\s,]", "", said if isinstance(said, str) else "") if said is not None else _ORDERS[layout][step.kind]
    text = text.lower().translate(_LETTERS[step.kind])
    if sorted(text) != sorted(wanted):
        raise UsageError(f"{step.place}: gates must name each of {' '.join(wanted)} once; got {printable(repr(said), 60)}.")
    return [text.index(gate) for gate in wanted]


def _ordered(array: NDArray[Any], order: list[int], step: Step) -> NDArray[Any]:
    """Rows by gate in the order of the record; a bias of GRU in two rows stays in two."""
    if step.kind == "gru" and array.ndim == 2 and array.shape[0] == 2:
        return np.stack([_ordered(row, order, step) for row in array])
    if not array.ndim or array.shape[0] % len(order):
        raise ShapeError(f"{step.place}: an array of shape {array.shape} has not the rows of {len(order)} gates.")
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[place] for place in order])


def _split(said: dict[str, Any], step: Step) -> None:
    """`weight` over inputs and state as weight_ih and weight_hh."""
    if "weight" not in said:
        return
    weight = said.pop("weight")
    if "weight_ih" in said or "weight_hh" in said or weight.ndim != 2:
        raise UsageError(f"{step.place} takes either weight, a matrix over inputs and state, or weight_ih and weight_hh.")
    projection = said.get("weight_hr")
    width = projection.shape[0] if projection is not None and projection.ndim else weight.shape[0] // len(KINDS[step.kind])
    if not 0 < width < weight.shape[1]:
        raise ShapeError(f"{step.place}: weight of shape {weight.shape} has no columns left for inputs beside {width} of the state.")
    said["weight_ih"], said["weight_hh"] = weight[:, :-width], weight[:, -width:]


def _biases(said: dict[str, Any], step: Step, forget_bias: Any) -> None:
    """The biases as the record has them, with what is added to the forget gate."""
    if not isinstance(forget_bias, int | float) or (forget_bias and step.kind != "lstm"):
        raise UsageError(f"{step.place}: forget_bias is a number, of an LSTM; got {printable(repr(forget_bias), 60)}.")
    if step.kind == "gru":
        if (bias := said.pop("bias", None)) is not None:
            two = bias.ndim == 2
            said["bias_ih"] = bias[0] if two else bias
            if two:
                said["bias_hh"] = bias[1]
            said.setdefault("reset_after", two)
        return
    pair = [said.pop(name) for name in ("bias_ih", "bias_hh") if name in said]
    if pair:
        if "bias" in said or len({bias.shape for bias in pair}) != 1:
            raise UsageError(f"{step.place} takes either one bias, or bias_ih and bias_hh of one shape.")
        said["bias"] = np.sum(pair, axis=0, dtype=np.float64)
    if forget_bias:
        hidden = said["weight_ih"].shape[0] // 4 if "weight_ih" in said else 0
        bias = np.array(said.get("bias", np.zeros(4 * hidden)), np.float64)
        bias[hidden : 2 * hidden] += forget_bias
        said["bias"] = bias
