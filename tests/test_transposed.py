"""Transposed convolutions in graphs: made and answered by PyTorch."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.filterwarnings("ignore")


class Decoder(nn.Module):
    """Frames (1, channels, time, 6) -> a recurrent layer -> transposed convolutions of them."""

    def __init__(self, *layers, channels=4, cut=0):
        super().__init__()
        self.recurrent, self.layers, self.channels, self.cut = nn.GRU(6, 6 * channels, batch_first=True), layers, channels, cut
        self.kept = nn.ModuleList(layers)

    def forward(self, x):
        y = self.recurrent(x)[0].reshape(1, x.shape[1], self.channels, 6).permute(0, 2, 1, 3)
        for layer in self.kept:
            y = layer(y)
        y = y[:, :, : y.shape[2] - self.cut] if self.cut else y
        return y.permute(0, 2, 1, 3).flatten(2)


class Rows(nn.Module):
    """A transposed convolution along the numbers of each timestep."""

    def __init__(self):
        super().__init__()
        self.recurrent, self.wider = nn.LSTM(5, 8, batch_first=True), nn.ConvTranspose1d(2, 3, 5, stride=3, padding=1, output_padding=2)

    def forward(self, x):
        y = self.recurrent(x)[0]
        return self.wider(y.reshape(x.shape[1], 2, 4)).reshape(1, x.shape[1], -1)


NETWORKS = {
    "twice as wide": lambda: Decoder(nn.ConvTranspose2d(4, 3, (1, 3), (1, 2), (0, 1), (0, 1))),
    "wider still": lambda: Decoder(nn.ConvTranspose2d(4, 2, (1, 4), (1, 3)), nn.ReLU(), nn.ConvTranspose2d(2, 1, (1, 2), (1, 3))),
    "groups": lambda: Decoder(nn.ConvTranspose2d(4, 6, (1, 3), (1, 2), groups=2, bias=False)),
    "dilation": lambda: Decoder(nn.ConvTranspose2d(4, 2, (1, 3), padding=(0, 1), dilation=(1, 2))),
    "time": lambda: Decoder(nn.ConvTranspose2d(4, 2, (3, 3), (1, 2), (0, 1)), cut=2),
    "both sides": lambda: Decoder(nn.ConvTranspose2d(4, 2, (3, 3), (1, 2), (1, 0))),
    "rows": Rows,
}


def exported(network, x, path):
    if path.suffix == ".onnx":
        torch.onnx.export(network, (x,), path, dynamo=False)
    else:
        torch.export.save(torch.export.export(network, (x,)), path)


@pytest.mark.parametrize("form", ["onnx", "pt2"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_answers_as_pytorch(tmp_path, name, form):
    if form == "onnx":
        pytest.importorskip("onnx")
    torch.manual_seed(3)
    network = NETWORKS[name]().eval()
    x = torch.randn(1, 11, 5 if name == "rows" else 6)
    exported(network, x, tmp_path / f"model.{form}")
    model = el.load(tmp_path / f"model.{form}")
    wanted = network(x).detach().numpy()[0]
    found = reference.run(model, x[0].numpy())
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    assert model.streams == (name != "both sides")


def test_more_answers_than_timesteps_come_with_the_last_one_or_are_refused(tmp_path):
    torch.manual_seed(3)
    network, x, path = Decoder(nn.ConvTranspose2d(4, 2, (2, 1), (2, 1))).eval(), torch.randn(1, 12, 6), tmp_path / "model.pt2"
    exported(network, x, path)
    found, wanted = reference.run(el.load(path), x[0].numpy()), network(x).detach().numpy()
    np.testing.assert_allclose(found, wanted.reshape(1, -1), rtol=0, atol=1e-6)
    torch.jit.trace(network, x).save(tmp_path / "of_any_length.pt")
    with pytest.raises(el.UnsupportedModelError, match="answers each step 2 times"):
        el.load(tmp_path / "of_any_length.pt")


@pytest.mark.parametrize(("taps", "stride"), [(5, 2), (2, 4), (3, 3)])
def test_rows_between_rows(taps, stride):
    """Streamed, a step gives the rows that no later step adds to, as torch gives them of the whole signal."""
    torch.manual_seed(1)
    layer, x = nn.ConvTranspose1d(3, 2, taps, stride), torch.randn(1, 3, 12)
    parameters = (value.detach().numpy() for value in (layer.weight, layer.bias))
    model = el.Model(el.Conv1DTranspose(*parameters, stride=stride))
    wanted = nn.functional.pad(layer(x), (0, stride))[0, :, : 12 * stride].detach().T.reshape(12, -1).numpy()
    if taps < stride:  # torch leaves out the rows behind the last block that the bias alone makes
        wanted[-1, 2 * taps :] = np.tile(layer.bias.detach().numpy(), stride - taps)
    np.testing.assert_allclose(reference.run(model, x[0].T.numpy()), wanted, rtol=0, atol=1e-6)


def test_what_does_not_fit_is_refused():
    for given, told in (
        ({"weight": np.ones((3, 2))}, "must have 3 dimension"),
        ({"weight": np.ones((3, 2, 4)), "bias": np.ones(3)}, r"bias must have shape \(2,\)"),
        ({"weight": np.ones((3, 2, 4)), "stride": 0}, "stride must be a whole number from 1"),
        ({"weight": np.ones((1, 64, 1)), "stride": 2000}, "more than a layer may be wide"),
    ):
        with pytest.raises(el.ShapeError, match=told):
            el.Conv1DTranspose(**given)
