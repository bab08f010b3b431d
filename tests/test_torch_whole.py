"""Whole modules of PyTorch, ``torch.save(model)``: read as their tensors and settings, without their code."""

import functools
import logging
import os
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import edgelstm as el  # noqa: E402
from edgelstm.importers import import_file  # noqa: E402


class Net(nn.Module):
    """Parts by name, in the order of their arguments, and what they compute one behind the other."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        for part in self.children():
            x = part(x.transpose(1, 2)).transpose(1, 2) if isinstance(part, nn.Conv1d) else part(x)
            x = x[0] if isinstance(x, tuple) else x
        return x


class Scale(nn.LSTM):
    """A class of one's own, which computes something else."""


def head(*last):
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(0.3), nn.Linear(5, 2), *last)


def saved(value, path, **how):
    torch.save(value, path, **how)
    return path


def same(model, net, samples):
    with torch.no_grad():
        expected = net.eval()(torch.as_tensor(samples)[None])[0].numpy()
    given = samples.astype(np.float32) if samples.dtype.kind != "i" else samples
    np.testing.assert_allclose(el.Stream(model).process(given), expected, atol=1e-5)


@pytest.fixture
def samples():
    return np.random.default_rng(3).normal(size=(12, 3)).astype(np.float32)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_module_is_read_with_what_stands_in_its_sequential(zipped, tmp_path, samples):
    torch.manual_seed(1)
    net = Net(lstm=nn.LSTM(3, 6, 2, batch_first=True), head=head(nn.LeakyReLU(0.2)))
    taken = import_file(saved(net, tmp_path / "n.pt", _use_new_zipfile_serialization=zipped))
    assert taken.chain == "lstm, head.0:relu, head.3:leaky_relu(0.2)"
    assert any("without the code" in note for note in taken.notes)
    same(taken.model, net, samples)


def test_what_stands_among_the_attributes_is_passed_over(tmp_path, samples):
    net = Net(lstm=nn.LSTM(3, 6, batch_first=True), fc=nn.Linear(6, 2))
    net.optimizer = torch.optim.Adam(net.parameters())
    net.schedule = torch.optim.lr_scheduler.StepLR(net.optimizer, 3)
    net.log, net.clip, net.own = logging.getLogger("net"), functools.partial(torch.clamp, min=0), types.SimpleNamespace(a=1)
    net.hidden, net.device = (torch.zeros(1, 1, 6), torch.zeros(1, 1, 6)), torch.device("cpu")
    same(el.load(saved(net, tmp_path / "n.pt")), net, samples)
    net.clip = os.getcwd
    with pytest.raises(el.ModelFileError, match="getcwd"):
        el.load(saved(net, tmp_path / "n.pt"))


def test_wrapped_modules_and_those_in_dicts_are_the_same(tmp_path, samples):
    torch.manual_seed(2)
    net = Net(lstm=nn.LSTM(3, 6, batch_first=True), head=head())
    for value in (nn.DataParallel(net), {"net": net, "epoch": 3}, [net], {"net": net, "again": net}):
        same(el.load(saved(value, tmp_path / "n.pt")), net, samples)
    with pytest.raises(el.UnsupportedModelError, match="several places: net, ema"):
        el.load(saved({"net": net, "ema": Net(lstm=nn.LSTM(3, 6), head=head())}, tmp_path / "n.pt"))
    same(el.load(tmp_path / "n.pt", prefix="net"), net, samples)


def test_weights_beside_a_whole_module_are_the_model(tmp_path, samples):
    net = Net(lstm=nn.LSTM(3, 6, batch_first=True), fc=nn.Linear(6, 2))
    taken = import_file(saved({"hyper": {"net": Net(rnn=nn.LSTM(3, 4))}, "state_dict": net.state_dict()}, tmp_path / "n.pt"))
    assert any("Passed over: hyper.net" in note for note in taken.notes)
    same(taken.model, net, samples)


def test_settings_that_tensors_do_not_tell_are_read(tmp_path, samples):
    """Sizes alone would leave open what the table and the scale are, and defaults be taken for the rest."""
    torch.manual_seed(4)
    norm = nn.LayerNorm(3, eps=0.3)
    net = Net(norm=norm, rnn=nn.RNN(3, 6, nonlinearity="relu", batch_first=True), scale=nn.RMSNorm(6, eps=0.2), fc=nn.Linear(6, 2))
    same(el.load(saved(net, tmp_path / "n.pt"), layers="norm, rnn, scale, fc"), net, samples)
    net = Net(table=nn.Embedding(6, 6), lstm=nn.LSTM(6, 6, batch_first=True), out=nn.Linear(6, 6, bias=False))
    same(el.load(saved(net, tmp_path / "n.pt")), net, np.arange(12) % 6)
    net = Net(conv=nn.Conv1d(3, 4, 3, stride=2, dilation=2), relu=nn.ReLU(), gru=nn.GRU(4, 6, batch_first=True))
    same(el.load(saved(net, tmp_path / "n.pt"), layers="conv:relu, gru"), net, samples)
    net = Net(conv=nn.Conv1d(3, 4, 3, padding=1), gru=nn.GRU(4, 6, batch_first=True))
    same(el.load(saved(net, tmp_path / "n.pt"), layers="conv:linear, gru"), net, samples)


def test_a_function_whose_place_is_open_is_asked_for(tmp_path, samples):
    torch.manual_seed(5)
    net = Net(lstm=nn.LSTM(3, 6, batch_first=True), drop=nn.Dropout(), fc=nn.Linear(6, 2), act=nn.Sigmoid())
    path = saved(net, tmp_path / "n.pt")
    with pytest.raises(el.UnsupportedModelError, match=r'act \(Sigmoid\).*layers="lstm, fc, sigmoid" where it is the last'):
        el.load(path)
    same(el.load(path, layers="lstm, fc, sigmoid"), net, samples)
    for odd in (nn.Softmax(1), nn.MaxPool1d(2), Net()):
        with pytest.raises(el.UnsupportedModelError, match="whose place its code alone tells"):
            el.load(saved(Net(lstm=nn.LSTM(3, 6), head=nn.Sequential(nn.Linear(6, 2), odd)), path))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (nn.GroupNorm(1, 6), "is a torch.nn.modules.normalization.GroupNorm"),
        (nn.BatchNorm1d(6, track_running_stats=False), "is a torch.nn.modules.batchnorm.BatchNorm1d"),
        (nn.EmbeddingBag(6, 6), "is a torch.nn.modules.sparse.EmbeddingBag"),
        (nn.ConvTranspose1d(6, 6, 3), "is a torch.nn.modules.conv.ConvTranspose1d"),
        (nn.Embedding(6, 6, max_norm=1.0), "max_norm=1.0"),
        (nn.Conv1d(6, 6, 3, padding=1, padding_mode="circular"), "padding_mode='circular'"),
    ],
)
def test_a_class_whose_tensors_look_like_another_layer_is_refused(part, said, tmp_path):
    path = saved(Net(part=part, lstm=nn.LSTM(6, 6)), tmp_path / "n.pt")
    with pytest.raises(el.UnsupportedModelError, match=said):
        el.load(path, layers="part, lstm")


def test_a_class_of_ones_own_is_named_and_a_contradiction_refused(tmp_path):
    path = saved(Net(rnn=Scale(3, 6), fc=nn.Linear(6, 2)), tmp_path / "n.pt")
    assert any(f"rnn ({__name__}.Scale)" in note for note in import_file(path).notes)
    path = saved(Net(table=nn.Embedding(6, 6), rnn=nn.LSTM(6, 6)), tmp_path / "n.pt")
    with pytest.raises(el.UsageError, match="said to be linear, and is embedding"):
        el.load(path, layers="table:linear, rnn")


@pytest.mark.filterwarnings("ignore")
def test_quantised_modules_are_asked_for_as_a_state_dict(tmp_path):
    net = torch.ao.quantization.quantize_dynamic(Net(lstm=nn.LSTM(3, 6), fc=nn.Linear(6, 2)).eval(), {nn.LSTM, nn.Linear})
    with pytest.raises(el.ModelFileError, match=r"torch quantised, whole .*state_dict\(\)"):
        el.load(saved(net, tmp_path / "n.pt"))


def test_modules_within_themselves_end(tmp_path):
    net = Net(lstm=nn.LSTM(3, 6))
    object.__getattribute__(net, "_modules").update(a=net, b=net)
    with pytest.raises(el.ModelFileError, match="modules of more than"):
        el.load(saved(net, tmp_path / "n.pt"))
