"""Modules of ``torch.nn`` whose own code is long, by the constants that their classes state (``torch/nn/modules/rnn.py``)."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..from_onnx.writer import Ref
from .program import Program


def recurrent(program: Program, stated: Mapping[str, Any], params: Sequence[Ref], x: Ref, hx: Any = None, *_: Any) -> list[Any]:
    """``nn.LSTM``, ``nn.GRU`` or ``nn.RNN``: its output, and the state or states that it ends with."""
    layers, both, first = stated["num_layers"], stated["bidirectional"], stated["batch_first"]
    target = {"LSTM": "lstm", "GRU": "gru"}.get(stated["mode"], stated["mode"].lower())
    if hx is None:
        batch = program.call("torch.size", [x, 0 if first else 1], {}, [])[0] if x.rank == 3 else 1
        width = stated["proj_size"] or stated["hidden_size"]
        sizes = [layers * (2 if both else 1), *([batch] if x.rank == 3 else []), width]
        zeros = program.call("torch.zeros", [sizes], {}, [])[0]
        hx = [zeros, zeros] if target == "lstm" else zeros
    y, *states = program.call(f"torch.{target}", [x, hx, params, stated["bias"], layers, 0.0, False, both, first], {}, [])
    return [y, states if target == "lstm" else states[0]]
