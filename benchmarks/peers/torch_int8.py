"""PyTorch with dynamic int8: ``torch.nn.LSTM`` through ``quantize_dynamic``, the Dense layer in float32; inference mode, one thread."""

import warnings
from typing import Any

import torch
from grid import INT8_TOLERANCE, Case

from peers import Contender, stepwise
from peers.torch_peer import VERSION

__all__ = ["VERSION"]


def _quantised(case: Case) -> Any:
    lstm = torch.nn.LSTM(case.row.input_size, case.row.hidden_size, case.row.num_layers).eval()
    for k, layer in enumerate(case.layers):
        for name, array in (("weight_ih", layer.weight_ih), ("weight_hh", layer.weight_hh), ("bias_ih", layer.bias)):
            getattr(lstm, f"{name}_l{k}").data = torch.tensor(array)
        getattr(lstm, f"bias_hh_l{k}").data.zero_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        return torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(lstm), {torch.nn.LSTM}, dtype=torch.qint8)[0]


def contenders(case: Case) -> list[Contender]:
    lstm, head = _quantised(case), torch.nn.Linear(case.row.hidden_size, 1)
    head.weight.data, head.bias.data = torch.tensor(case.dense.weight), torch.tensor(case.dense.bias)
    zeros = torch.zeros(case.row.num_layers, 1, case.row.hidden_size)
    state = zeros, zeros

    def step(x: torch.Tensor) -> Any:
        nonlocal state
        y, state = lstm(x, state)
        return head(y)

    return [
        stepwise(
            "PyTorch int8 nn.LSTM",
            step,
            case,
            ready=lambda x: torch.tensor(x)[None, None],
            value=float,
            within=torch.inference_mode,
            tolerance=INT8_TOLERANCE,
        )
    ]
