"""Modules of ``torch.nn`` whose own code is long, by the constants that their classes state (``torch/nn/modules/rnn.py``)."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import UnsupportedModelError
from ..from_onnx.writer import Ref
from ..from_torch import quantised
from ..pickles.reader import Thing
from .program import Program
from .script_attributes import Attributes
from .script_values import Fields

#: Recurrent operators whose weights are packed, and the operators that take them unpacked.
QUANTISED = {"quantized_lstm": "torch.lstm", "quantized_gru": "torch.gru"}


def packed_recurrent(attributes: Attributes, thing: Thing) -> tuple[dict[str, Any], list[Ref]] | None:
    """What a recurrent module with packed weights states of itself, and its weights; None of other modules."""
    if ".quantized.dynamic.modules.rnn." not in thing.name or "mode" not in thing.state:
        return None
    cells = [quantised.cell(one.state.get("param")) for one in thing.state["_all_weight_values"].state.values() if isinstance(one, Thing)]
    return {"proj_size": 0, **thing.state}, [attributes.weight(part, "packed weight") for cell in cells for part in cell]


def unpacked(attributes: Attributes, operator: str, arguments: Sequence[Any]) -> tuple[str, list[Any], dict[str, Any]]:
    """The operator of unpacked weights, its arguments and named ones, in place of one by its short name whose weights are packed."""
    if operator not in QUANTISED:
        parts = [None if part is None else attributes.weight(part, "packed weight") for part in quantised.linear(arguments[1])]
        return "torch.linear", [arguments[0], *parts], {}
    if len(arguments) != 9 or not isinstance(arguments[2], list):
        raise UnsupportedModelError(f"calls {operator} on a packed sequence, which is not imported; script the module without packing.")
    cells = [quantised.cell(value) for value in arguments[2]]
    given = [attributes.weight(part, "packed weight") for cell in cells for part in cell]
    return QUANTISED[operator], [*arguments[:2], given, len(cells[0]) == 4, arguments[4], 0.0, False, *arguments[7:9]], {}


def recurrent(program: Program, stated: Mapping[str, Any], params: Sequence[Ref], x: Any, hx: Any = None, *_: Any) -> list[Any]:
    """``nn.LSTM``, ``nn.GRU`` or ``nn.RNN``: its output, and the state or states that it ends with."""
    if isinstance(x, Fields):
        return _packed(program, stated, params, x, hx)
    layers, both, first = stated["num_layers"], stated["bidirectional"], stated["batch_first"]
    target = {"LSTM": "lstm", "GRU": "gru"}.get(stated["mode"], stated["mode"].lower())
    if hx is None:
        batch = program.call("torch.size", [x, 0 if first else 1], {}, [])[0] if x.rank == 3 else 1
        given, kept = stated["proj_size"] or stated["hidden_size"], stated["hidden_size"]
        sizes = [layers * (2 if both else 1), *([batch] if x.rank == 3 else [])]
        zeros = [program.call("torch.zeros", [[*sizes, width]], {}, [])[0] for width in (given, kept)]
        hx = zeros if target == "lstm" else zeros[0]
    y, *states = program.call(f"torch.{target}", [x, hx, params, stated["bias"], layers, 0.0, False, both, first], {}, [])
    return [y, states if target == "lstm" else states[0]]


def _packed(program: Program, stated: Mapping[str, Any], params: Sequence[Ref], x: Fields, hx: Any) -> list[Any]:
    """The same of a packed sequence. Its states are in the order in which it was packed, and turned back."""

    def ordered(states: Any, by: Ref | None) -> Any:
        if by is None or states is None:
            return states
        if isinstance(states, list):
            return [ordered(one, by) for one in states]
        return program.call("torch.index_select", [states, 1, by], {}, [])[0]

    y, ends = recurrent(program, {**stated, "batch_first": False}, params, x.field("data"), ordered(hx, x.field("sorted_indices")))
    return [Fields(x.names, [y, *x[1:]]), ordered(ends, x.field("unsorted_indices"))]
