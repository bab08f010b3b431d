"""Modules whose weights torch has quantised are imported as the numbers that their integers stand for, and a note says so."""

import numpy as np
import pytest

from edgelstm import reference
from edgelstm.errors import EdgeLSTMError
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn = torch.nn
ao = pytest.importorskip("torch.ao.quantization")

pytestmark = pytest.mark.filterwarnings("ignore")


class Net(nn.Module):
    def __init__(self, rnn, inputs=3, layers=2, both=False):
        super().__init__()
        self.rnn, self.fc = rnn(inputs, 8, layers, batch_first=True, bidirectional=both), nn.Linear(16 if both else 8, 2)

    def forward(self, x):
        return self.fc(self.rnn(x)[0])


def quantised(net, dtype=torch.qint8):
    return ao.quantize_dynamic(net.eval(), {nn.LSTM, nn.GRU, nn.Linear}, dtype=dtype)


def saved(net, how, path):
    if how == "state_dict":
        torch.save({"epoch": 1, "model": net.state_dict()}, path)
    else:
        torch.jit.save(torch.jit.script(net) if how == "script" else torch.jit.trace(net, torch.zeros(1, 5, 3)), path)
    return path


def rounded(net, small):
    """A float network whose weights are those that a quantised one has."""
    with torch.no_grad():
        for place, packed in enumerate(small.rnn._all_weight_values):
            layer, back = divmod(place, 2) if net.rnn.bidirectional else (place, 0)
            state = packed.param.__getstate__()[0][4]
            for name, part in zip(("weight_ih", "weight_hh"), state, strict=True):
                value = part.__getstate__()[0][0].dequantize()
                getattr(net.rnn, f"{name}_l{layer}{'_reverse' if back else ''}").copy_(value)
        net.fc.weight.copy_(small.fc.weight().dequantize())
    return net


@pytest.mark.parametrize("how", ["state_dict", "script", "trace"])
@pytest.mark.parametrize(
    "options", [{"rnn": nn.LSTM}, {"rnn": nn.LSTM, "both": True}, {"rnn": nn.LSTM, "layers": 1, "both": True}, {"rnn": nn.GRU}]
)
def test_quantised_modules_are_imported_as_what_their_integers_stand_for(options, how, tmp_path):
    torch.manual_seed(1)
    net = Net(**options)
    small = quantised(net)
    taken = import_file(saved(small, how, tmp_path / "n.pt"))
    xs = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    with torch.no_grad():
        expected, theirs = rounded(net, small)(torch.from_numpy(xs)[None])[0].numpy(), small(torch.from_numpy(xs)[None])[0].numpy()
    answers = reference.run(taken.model, xs)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    np.testing.assert_allclose(answers, theirs, atol=0.02)
    assert any("quantised these weights to 8 bits" in note for note in taken.notes)


def test_weights_with_a_scale_for_each_row(tmp_path):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).eval()
    way = ao.per_channel_dynamic_qconfig
    small = ao.quantize_dynamic(net, {nn.Linear: way}, dtype=torch.qint8)
    torch.save(small.state_dict(), tmp_path / "n.pt")
    model = import_file(tmp_path / "n.pt", layers="0:linear, 1").model
    for layer, module in zip(model.layers, small, strict=True):
        np.testing.assert_allclose(layer.weight, module.weight().dequantize().numpy(), rtol=1e-6)


def test_two_layers_or_two_directions_are_not_guessed(tmp_path):
    torch.save(quantised(Net(nn.LSTM, inputs=8)).state_dict(), tmp_path / "n.pt")
    with pytest.raises(EdgeLSTMError, match="two layers or of two directions"):
        import_file(tmp_path / "n.pt")


def test_half_precision_in_packed_cells_is_refused(tmp_path):
    torch.save(quantised(Net(nn.LSTM), torch.float16).state_dict(), tmp_path / "n.pt")
    with pytest.raises(EdgeLSTMError, match="quantized by torch"):
        import_file(tmp_path / "n.pt")
