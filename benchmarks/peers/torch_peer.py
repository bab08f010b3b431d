"""PyTorch eager: ``torch.nn.LSTMCell`` per layer and ``torch.nn.Linear``, in inference mode on one thread."""

from typing import Any

import torch
from grid import Case

from peers import Contender, stepwise

VERSION = torch.__version__

torch.set_num_threads(1)


def _cells(case: Case) -> list[torch.nn.LSTMCell]:
    cells = []
    for layer in case.layers:
        cell = torch.nn.LSTMCell(layer.input_size, layer.hidden_size)
        for name, array in (("weight_ih", layer.weight_ih), ("weight_hh", layer.weight_hh), ("bias_ih", layer.bias)):
            getattr(cell, name).data = torch.tensor(array)
        cell.bias_hh.data.zero_()
        cells.append(cell.eval())
    return cells


def contenders(case: Case) -> list[Contender]:
    cells = _cells(case)
    head = torch.nn.Linear(case.row.hidden_size, 1)
    head.weight.data, head.bias.data = torch.tensor(case.dense.weight), torch.tensor(case.dense.bias)
    states = [(torch.zeros(1, case.row.hidden_size), torch.zeros(1, case.row.hidden_size)) for _ in cells]
    order = range(len(cells))

    def step(x: torch.Tensor) -> Any:
        for k in order:
            states[k] = cells[k](x, states[k])
            x = states[k][0]
        return head(x)

    return [stepwise("PyTorch LSTMCell", step, case, ready=lambda x: torch.tensor(x)[None], value=float, within=torch.inference_mode)]
