"""GELU as exporters spell it out becomes one function; the error function alone is refused."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
nn, functional = torch.nn, torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore")


def by_tanh(x):
    return 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * torch.pow(x, 3))))


def by_products(x):
    return x * (0.5 * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * (x * x * x)))))


def halved_first(x):
    return (0.5 * x) * (1 + torch.erf(x / 2**0.5))


FORMS = {
    "exact": (functional.gelu, "gelu"),
    "halved first": (halved_first, "gelu"),
    "twice": (lambda x: x * (1 + torch.erf(x * 0.70710678)), "gelu"),
    "tanh": (by_tanh, "gelu_tanh"),
    "products": (by_products, "gelu_tanh"),
}


class Net(nn.Module):
    """Behind a weighted sum, behind a convolution over time, and behind a recurrence."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.dense, self.conv, self.time = nn.Linear(4, 6), nn.Conv1d(6, 5, 3), nn.GRU(5, 7, batch_first=True)

    def forward(self, x):
        y = self.function(self.dense(x)).transpose(1, 2)
        y = self.function(self.conv(functional.pad(y, (2, 0)))).transpose(1, 2)
        return self.function(self.time(y)[0])


def exported(net, path):
    torch.onnx.export(net.eval(), (torch.randn(1, 20, 4),), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": {1: "time"}})
    return path


@pytest.mark.parametrize("name", FORMS)
def test_gelu_written_out_is_one_function(name, tmp_path):
    torch.manual_seed(8)
    function, word = FORMS[name]
    net = Net(function)
    model, x = el.load(exported(net, tmp_path / "net.onnx")), torch.randn(1, 15, 4)
    assert [layer.function for layer in model.layers if layer.kind == "activation"] == [word] * 3
    with torch.no_grad():
        np.testing.assert_allclose(reference.run(model, x[0]), net(x)[0], atol=2e-6)


@pytest.mark.parametrize("function", [torch.erf, lambda x: x * (2 + torch.erf(x / 2**0.5)), lambda x: (x + 1) * (1 + torch.erf(x))])
def test_the_error_function_elsewhere_is_refused(function, tmp_path):
    path = exported(Net(function), tmp_path / "net.onnx")
    with pytest.raises(el.UnsupportedModelError, match="error function"):
        el.load(path)
