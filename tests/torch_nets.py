"""Small networks of PyTorch, saved as their users save them. A test module that imports this is skipped where there is no PyTorch."""

import numpy as np
import pytest

import edgelstm as el

torch = pytest.importorskip("torch")
nn = torch.nn

#: float32 sums in another order, over 40 steps.
LIMIT = 1e-5


class Net(nn.Module):
    def __init__(self, inputs=3, layers=1):
        super().__init__()
        self.lstm = nn.LSTM(inputs, 8, layers)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.lstm(x)[0])


def saved(value, path):
    torch.save(value.state_dict() if isinstance(value, nn.Module) else value, path)
    return path


def answers(module, xs):
    with torch.no_grad():
        return module.eval()(torch.from_numpy(xs)[:, None])[:, 0].numpy()


def same(model, module, xs=None):
    xs = np.random.default_rng(0).normal(size=(40, model.input_size)).astype(np.float32) if xs is None else xs
    np.testing.assert_allclose(el.Stream(model).process(xs), answers(module, xs), atol=LIMIT)


def changed(how):
    net = Net(layers=2)
    how(net)
    return net


class Siblings(Net):
    def __init__(self):
        super().__init__()
        self.aux, self.conv, self.loss = nn.Linear(8, 4), nn.Conv1d(3, 3, 3), nn.Module()
        self.loss.weight = nn.Parameter(torch.ones(2))
        self.heads = nn.ModuleDict({"a,b": nn.Linear(8, 2), "c:d": nn.Linear(8, 2)})
