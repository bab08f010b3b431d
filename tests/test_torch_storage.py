"""Tensors of a checkpoint that share storage, are made of parts, or are no plain arrays: whole, or refused with what to do."""

import numpy as np
import pytest
from torch_nets import Net, answers, changed, same, saved

import edgelstm as el
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn, prune = torch.nn, pytest.importorskip("torch.nn.utils.prune")
parametrizations = pytest.importorskip("torch.nn.utils.parametrizations")
utils = torch.nn.utils

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


WEIGHT_NORM = [utils.weight_norm, parametrizations.weight_norm]


@pytest.mark.parametrize(
    "how",
    [
        *(lambda net, norm=norm, dim=dim: norm(net.lstm, "weight_hh_l1", dim) for norm in WEIGHT_NORM for dim in (0, 1, None)),
        *(lambda net, norm=norm, dim=dim: norm(net.fc, "weight", dim) for norm in WEIGHT_NORM for dim in (0, 1, None)),
        *(lambda net, norm=norm: [norm(net.lstm, name) for name in ("weight_ih_l0", "weight_hh_l0")] for norm in WEIGHT_NORM),
        lambda net: prune.l1_unstructured(net.lstm, "weight_hh_l0", 0.5),
        lambda net: prune.ln_structured(net.fc, "weight", 0.5, 2, 0),
        lambda net: prune.random_unstructured(net.fc, "bias", 0.5),
        lambda net: [prune.l1_unstructured(net.lstm, name, 0.5) for name in ("weight_ih_l0", "bias_hh_l1")],
    ],
)
def test_weights_in_two_parts_are_their_product(how, tmp_path):
    net = changed(how)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.5)
    answers(net, np.zeros((1, 3), np.float32))  # pruning and weight_norm compute their weight on the way
    taken = import_file(saved(net, tmp_path / "n.pt"))
    assert taken.chain == "lstm, fc"
    assert not any("float64" in note for note in taken.notes)
    same(taken.model, net)


@pytest.mark.parametrize(
    ("how", "kind", "call_to_make"),
    [
        (lambda net: utils.spectral_norm(net.fc), "spectral norm", "remove_spectral_norm"),
        (lambda net: utils.spectral_norm(net.lstm, "weight_hh_l0"), "spectral norm", "remove_spectral_norm"),
        (lambda net: parametrizations.spectral_norm(net.lstm, "weight_hh_l0"), "spectral norm", "remove_parametrizations"),
        (lambda net: parametrizations.orthogonal(net.fc), "orthogonal", "remove_parametrizations"),
        (lambda net: utils.parametrize.register_parametrization(net.fc, "weight", nn.Tanh()), "parametrization", "remove_parametrizations"),
        (
            lambda net: (parametrizations.weight_norm(net.fc), utils.parametrize.register_parametrization(net.fc, "weight", nn.PReLU())),
            "parametrization",
            "remove_parametrizations",
        ),
    ],
)
def test_other_parts_are_refused_with_the_call_that_removes_them(how, kind, call_to_make, tmp_path):
    net = Net()
    how(net)
    with pytest.raises(el.UnsupportedModelError, match=rf"{kind}.*{call_to_make}"):
        el.load(saved(net, tmp_path / "n.pt"))


@pytest.mark.parametrize("wrapped", [False, True])
def test_weight_drop_is_refused_and_its_stale_copy_is_never_taken(wrapped, tmp_path):
    tensors = Net().state_dict()
    inner = "rnn.module" if wrapped else "rnn"
    tensors = {name.replace("lstm", inner): tensor for name, tensor in tensors.items()}
    tensors["rnn.weight_hh_l0_raw"] = tensors[f"{inner}.weight_hh_l0"] + 1
    path = saved(tensors, tmp_path / "n.pt")
    for options in ({}, {"prefix": inner}, {"without": "rnn.weight_hh_l0_raw"}, {"prefix": inner, "without": "weight_hh_l0_raw, fc"}):
        with pytest.raises(el.EdgeLSTMError, match=r"weight drop|is to be read without weight_hh_l0_raw"):
            el.load(path, **options)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.Tensor.to_sparse, r"sparse.*to_dense"),
        (torch.Tensor.to_sparse_csr, r"sparse.*to_dense"),
        (lambda tensor: tensor.to(torch.float8_e4m3fn), r"float8.*\.float\(\)"),
        (lambda tensor: tensor.to(torch.complex64), r"complex"),
    ],
)
def test_tensors_that_are_no_plain_arrays_are_refused_by_their_kind(tensor, message, tmp_path):
    tensor = tensor(torch.eye(3))
    with pytest.raises(el.ModelFileError, match=message):
        el.load(saved({**Net().state_dict(), "fc.weight": tensor}, tmp_path / "n.pt"))
    with pytest.raises(el.UnsupportedModelError, match="plain array"):
        el.from_torch({**Net().state_dict(), "fc.weight": tensor})


class TwoNames(Net):
    def __init__(self):
        super().__init__()
        self.rnn = self.lstm
        self.alias = nn.ModuleDict({"deep": self.lstm, "head": self.fc})


def test_two_names_of_one_storage_are_one_module(tmp_path):
    net = TwoNames()
    path = saved(net, tmp_path / "n.pt")
    for layers in (None, "lstm, fc", "rnn, fc", "alias.deep, alias.head"):
        same(el.load(path, layers=layers), net)
    assert any("rnn is the same module as lstm" in note for note in import_file(path).notes)
    same(el.from_torch(net.state_dict(), "rnn, fc"), net)


def test_equal_numbers_in_two_storages_are_two_modules(tmp_path):
    net = Net()
    tensors = net.state_dict() | {
        name.replace("lstm", "rnn"): tensor.clone() for name, tensor in net.state_dict().items() if "lstm" in name
    }
    path = saved(tensors, tmp_path / "n.pt")
    with pytest.raises(el.UsageError, match='without="rnn"'):
        el.load(path, layers="lstm, fc")
    same(el.load(path, without="rnn"), net)


def test_views_of_one_storage_at_other_places_are_two_tensors(tmp_path):
    flat = torch.randn(400)
    net = nn.Module()
    net.lstm, net.a, net.b = nn.LSTM(3, 8), nn.Linear(8, 8), nn.Linear(8, 8)
    net.a.weight, net.b.weight = (nn.Parameter(flat[start : start + 64].view(8, 8)) for start in (0, 64))
    net.a.bias, net.b.bias = (nn.Parameter(flat[start : start + 8]) for start in (300, 320))
    model = el.load(saved(net, tmp_path / "n.pt"), layers="lstm, a:tanh, b")
    np.testing.assert_array_equal(model.layers[1].weight, flat[:64].view(8, 8))
    np.testing.assert_array_equal(model.layers[3].weight, flat[64:128].view(8, 8))


def language_model(first, last, bias):
    net = nn.Module()
    setattr(net, first, nn.Embedding(11, 8))
    net.lstm = nn.LSTM(8, 8)
    setattr(net, last, nn.Linear(8, 11, bias=bias))
    getattr(net, last).weight = getattr(net, first).weight
    net.forward = lambda i: getattr(net, last)(net.lstm(getattr(net, first)(i[..., 0].long()))[0])
    return net


@pytest.mark.parametrize("container", ["pt", "safetensors"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("first", "last"), [("emb", "dec"), ("encoder", "decoder"), ("embedding", "fc"), ("a", "z"), ("z", "a")])
def test_a_tied_network_is_whole_or_refused(first, last, bias, container, tmp_path):
    net = language_model(first, last, bias)
    path = tmp_path / f"n.{container}"
    if container == "pt":
        saved(net, path)
    else:
        pytest.importorskip("safetensors.torch").save_model(net, path)
    words = np.random.default_rng(1).integers(0, 11, (30, 1)).astype(np.float32)
    same(el.load(path, layers=f"{first}:embedding, lstm, {last}"), net, words)
    for layers in (f"{first}:embedding, lstm", f"lstm, {last}"):
        with pytest.raises((el.UnsupportedModelError, el.UsageError)):
            el.load(path, layers=layers)
    if bias:  # else either of two tables of one size may stand in front
        same(el.load(path), net, words)
    else:
        with pytest.raises(el.UnsupportedModelError):
            el.load(path)


def test_nested_and_chained_second_names_are_found(tmp_path):
    torch_file = pytest.importorskip("safetensors.torch")
    net = nn.Module()
    net.body = Net()
    net.rnn, net.again, net.head = net.body.lstm, net.body.lstm, net.body.fc
    torch_file.save_model(net, tmp_path / "n.safetensors")
    same(el.load(tmp_path / "n.safetensors", layers="body.lstm, head"), net.body)
    arrays = {"lstm." + name: tensor for name, tensor in nn.LSTM(3, 8).state_dict().items()} | {"fc.bias": torch.zeros(3)}
    arrays["c.weight"] = torch.randn(3, 8)
    torch_file.save_file(arrays, tmp_path / "c.safetensors", {"fc.weight": "b.weight", "b.weight": "c.weight", "format": "pt"})
    model = el.load(tmp_path / "c.safetensors", layers="lstm, fc", without="b, c")
    np.testing.assert_array_equal(model.layers[1].weight, arrays["c.weight"])
    torch_file.save_file(arrays, tmp_path / "o.safetensors", {"fc.weight": "b.weight", "b.weight": "fc.weight"})
    with pytest.raises(el.ModelFileError, match="circle"):
        el.load(tmp_path / "o.safetensors")
