"""Drafts of recipes for an encoder and a decoder: each becomes its model without an edit of its layers; answered by PyTorch."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import draft_recipe

torch = pytest.importorskip("torch")
nn = torch.nn


class Side(nn.Module):
    def __init__(self, letters, outputs=None):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(letters, 4), nn.GRU(4, 6, 2)
        self.fc_out = None if outputs is None else nn.Linear(6, outputs)

    def forward(self, x, h=None):
        y, h = self.rnn(self.embedding(x), h)
        return (y if self.fc_out is None else self.fc_out(y)), h


def saved(prefix, tmp_path):
    torch.manual_seed(1)
    net = nn.ModuleDict({"encoder": Side(9), "decoder": Side(7, 7)})
    torch.save({prefix + name: value for name, value in net.state_dict().items()}, tmp_path / "m.pt")
    return net


@pytest.mark.parametrize("prefix", ["", "model."])
def test_an_encoder_and_a_decoder_are_two_recipes(tmp_path, prefix):
    net = saved(prefix, tmp_path)
    first, _, second = draft_recipe(tmp_path / "m.pt").partition("# A decoder is a model of its own")
    lines = [line.removeprefix("#") for line in second.splitlines() if line.startswith("#")][1:]
    (tmp_path / "encoder.toml").write_text(first)
    (tmp_path / "decoder.toml").write_text("\n".join(lines))
    encoder, decoder = (el.load(tmp_path / "m.pt", recipe=tmp_path / f"{side}.toml") for side in ("encoder", "decoder"))
    letters, answers = torch.tensor([3, 1, 8, 0]), torch.tensor([2, 6, 1])
    with torch.no_grad():
        y, h = net["encoder"](letters)
        z, _ = net["decoder"](answers, h)
    np.testing.assert_allclose(reference.run(encoder, letters.numpy()[:, None]), y.numpy(), atol=1e-6)
    reader = el.Stream(encoder)
    reader.process(letters.numpy()[:, None].astype(np.float32))
    writer = el.Stream(decoder)
    writer.start_from(reader, {f"{prefix}decoder.rnn{part}": f"{prefix}encoder.rnn{part}" for part in ("_l0", "")})
    np.testing.assert_allclose(writer.process(answers.numpy()[:, None].astype(np.float32)), z.numpy(), atol=1e-5)


def test_an_autoencoder_is_one_recipe(tmp_path):
    net = nn.ModuleDict({"encoder": nn.GRU(3, 4), "decoder": nn.GRU(4, 3)})
    torch.save(net.state_dict(), tmp_path / "m.pt")
    draft = draft_recipe(tmp_path / "m.pt")
    assert "without = [] " in draft
    (tmp_path / "r.toml").write_text(draft)
    assert [layer.name for layer in el.load(tmp_path / "m.pt", recipe=tmp_path / "r.toml").layers] == ["encoder", "decoder"]


class Convolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.gru, self.fc = nn.Conv1d(3, 6, 3), nn.GRU(6, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.gru(torch.relu(self.conv(x.transpose(1, 2))).transpose(1, 2))[0])


@pytest.mark.parametrize("padding", [0, 1])
def test_a_convolution_has_pytorchs_padding(padding, tmp_path):
    torch.manual_seed(2)
    net = Convolved()
    net.conv.padding = (padding,)
    torch.save(net.state_dict(), tmp_path / "m.pt")
    draft = draft_recipe(tmp_path / "m.pt").replace('# activation = "relu"', 'activation = "relu"', 1)
    said = "".join(line for line in draft.splitlines() if line.startswith("padding"))
    assert said.startswith('padding = "valid"')
    (tmp_path / "r.toml").write_text(draft.replace('padding = "valid"', "padding = [1, 1]") if padding else draft)
    model = el.load(tmp_path / "m.pt", recipe=tmp_path / "r.toml")
    xs = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(xs)[None])[0].numpy()
    np.testing.assert_allclose(reference.run(model, xs), expected, atol=1e-5)


def test_a_second_head_stays_behind_its_recurrence(tmp_path):
    net = nn.ModuleDict({"rnn": nn.GRU(3, 6), "a": nn.Linear(6, 2), "b": nn.Linear(6, 3)})
    torch.save(net.state_dict(), tmp_path / "m.pt")
    draft = draft_recipe(tmp_path / "m.pt")
    assert draft.index('prefix = "rnn"') < draft.index('prefix = "a"') < draft.index('prefix = "b"')


def test_a_map_has_the_channels_of_its_weight(tmp_path):
    """What is left to say are its rows and columns, and where the LSTM reads it in PyTorch's order."""
    torch.manual_seed(1)
    net = nn.ModuleDict({"conv": nn.Conv2d(2, 3, 3), "rnn": nn.LSTM(3 * 2 * 4, 5)})
    torch.save(net.state_dict(), tmp_path / "m.pt")
    draft = draft_recipe(tmp_path / "m.pt")
    assert "shape = [0, 0, 2]" in draft
    turned = '[[layers]]\nkind = "transpose"\nshape = [2, 4, 3]\naxes = [2, 0, 1]\n\n# rnn.weight_ih_l0'
    said = draft.replace("[0, 0, 2]", "[4, 6, 2]").replace("# rnn.weight_ih_l0", turned)
    (tmp_path / "r.toml").write_text(said)
    model = el.load(tmp_path / "m.pt", recipe=tmp_path / "r.toml")
    maps = torch.randn(7, 4, 6, 2)
    with torch.no_grad():
        expected = net["rnn"](net["conv"](maps.permute(0, 3, 1, 2)).flatten(1))[0].numpy()
    np.testing.assert_allclose(reference.run(model, maps.flatten(1).numpy()), expected, atol=1e-5)
