"""Checkpoints as PyTorch users have them step to PyTorch's own numbers, or are refused with what to do."""

import copy

import numpy as np
import pytest
from torch_nets import Net, Siblings, changed, same, saved

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


# ---------------------------------------------------------------- states, skips, norms


def with_state(net, h, c, scope=""):
    holder = net.get_submodule(scope)
    holder.h0, holder.c0 = nn.Parameter(h), nn.Parameter(c)
    return net


@pytest.mark.parametrize(
    ("layers", "shape", "scope"), [(1, (1, 1, 8), ""), (2, (2, 1, 8), ""), (2, (2, 8), ""), (1, (8,), "lstm"), (2, (2, 1, 8), "lstm")]
)
def test_a_learned_state_is_the_one_before_the_first_step(layers, shape, scope, tmp_path):
    net = with_state(Net(layers=layers), torch.randn(shape), torch.randn(shape), scope)
    holder = net.get_submodule(scope)
    net.forward = lambda x: net.fc(net.lstm(x, (holder.h0.view(layers, 1, 8), holder.c0.view(layers, 1, 8)))[0])
    taken = import_file(saved(net, tmp_path / "n.pt"), layers="lstm, fc:linear")
    assert any("the state in which lstm begins" in note for note in taken.notes)
    same(taken.model, net)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"h0": torch.zeros(1, 1, 8)}, "'h0'.*initial state"),
        ({"h0": torch.zeros(1, 4, 8), "c0": torch.zeros(1, 4, 8)}, "one sequence"),
        ({"h0": torch.zeros(8, 1), "c0": torch.zeros(8, 1)}, "one sequence"),
        ({"h0": torch.zeros(2, 1, 8), "c0": torch.zeros(2, 1, 8)}, "one sequence"),
        ({"other.h0": torch.zeros(1, 1, 8), "other.c0": torch.zeros(1, 1, 8)}, "other.h0.*0 recurrent"),
    ],
)
def test_a_state_that_is_not_clear_is_refused(extra, message, tmp_path):
    path = saved({**Net().state_dict(), **extra}, tmp_path / "n.pt")
    with pytest.raises((el.UnsupportedModelError, el.ShapeError), match=message):
        el.load(path)
    assert el.load(path, without=", ".join(extra)).layers[0].h0 is None


class Amplifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.rec, self.mid, self.lin = nn.LSTM(1, 20), nn.Linear(20, 20), nn.Linear(20, 1)

    def forward(self, x):
        h = self.rec(x)[0]
        return torch.tanh(self.lin(torch.relu(self.mid(h)) + h) + x)


def test_skip_connections_have_a_word(tmp_path):
    path = saved(Amplifier(), tmp_path / "n.pt")
    net = Amplifier()
    net.load_state_dict(torch.load(path))
    taken = import_file(path, layers="rec, mid:relu, add:rec, lin, add:input, tanh")
    assert taken.chain == "rec, mid:relu, add:rec, lin, add:input, tanh"
    same(taken.model, net)
    for wrong in ("rec, mid, add:lin, lin", "rec, mid, add:nothing, lin", "add:input, rec, mid, lin"):
        with pytest.raises(el.UsageError, match="add:"):
            el.load(path, layers=wrong)
    with pytest.raises(el.ShapeError, match="one width"):
        el.load(path, layers="rec, mid, add:input, lin")


def test_a_module_called_add_is_a_module(tmp_path):
    net = nn.Module()
    net.lstm, net.add = nn.LSTM(3, 8), nn.Linear(8, 3)
    kinds = [layer.kind for layer in el.load(saved(net, tmp_path / "n.pt"), layers="lstm, add:tanh, add:input").layers]
    assert kinds == ["lstm", "dense", "activation", "add"]


@pytest.mark.parametrize("affine", [True, False])
def test_a_batch_norm_is_one_scale_and_one_offset(affine, tmp_path):
    net = Net()
    net.bn = nn.BatchNorm1d(3, affine=affine)
    net.after = nn.BatchNorm1d(8, affine=affine)
    for norm in (net.bn, net.after):
        norm.running_mean.normal_(2, 3)
        norm.running_var.uniform_(0.3, 4)
        for parameter in norm.parameters():
            nn.init.uniform_(parameter, -2, 2)
    net.forward = lambda x: net.fc(net.after(net.lstm(net.bn(x[:, 0])[:, None])[0][:, 0])[:, None])
    taken = import_file(saved(net, tmp_path / "n.pt"), layers="bn, lstm, after, fc")
    assert [layer.kind for layer in taken.model.layers] == ["batch_norm", "lstm", "batch_norm", "dense"]
    assert any("eps = 1e-05" in note for note in taken.notes)
    same(taken.model, net)


def test_a_dead_channel_of_a_batch_norm_is_its_bias(tmp_path):
    net = Net()
    net.bn = nn.BatchNorm1d(3)
    with torch.no_grad():
        net.bn.weight[1] = 0
        net.bn.bias.fill_(0.25)
    net.forward = lambda x: net.fc(net.lstm(net.bn(x[:, 0])[:, None])[0])
    same(el.load(saved(net, tmp_path / "n.pt"), layers="bn, lstm, fc"), net)


# ---------------------------------------------------------------- parts left out


def test_what_is_no_weight_is_passed_over(tmp_path):
    net = Net()
    extra = {"step": torch.tensor(3), "ready": torch.tensor(True), "_extra_state": torch.ones(2, 2), "lstm._extra_state": torch.zeros(4)}
    same(el.load(saved({**net.state_dict(), **extra}, tmp_path / "n.pt")), net)
    same(el.load(saved(torch.optim.swa_utils.AveragedModel(net), tmp_path / "a.pt")), net)
    for name in ("temperature", "lstm.gain"):
        with pytest.raises(el.UnsupportedModelError, match=name):
            el.load(saved({**net.state_dict(), name: torch.tensor(0.5)}, tmp_path / "f.pt"))


@pytest.mark.parametrize("wrap", [lambda net: net, nn.DataParallel, lambda net: {"epoch": 3, "model": net.state_dict()}])
def test_parts_are_left_out_by_name(wrap, tmp_path):
    net = Siblings()
    path = saved(wrap(net), tmp_path / "n.pt")
    taken = import_file(path, without="aux, conv, loss.weight, heads")
    assert taken.chain == "lstm, fc"
    (note,) = (note for note in taken.notes if "Left out" in note)
    assert all(name in note for name in ("aux.weight", "aux.bias", "conv.weight", "loss.weight", "heads.a,b.bias"))
    same(taken.model, net)
    quoted = el.load(path, layers="lstm, 'heads.a,b':tanh", without="aux, conv, loss, fc, 'heads.c:d'")
    np.testing.assert_array_equal(quoted.layers[1].weight, net.heads["a,b"].weight.detach())
    with pytest.raises(el.UsageError, match=r"without nothing, which it does not hold"):
        el.load(path, without="aux, nothing")
    with pytest.raises(el.ModelFileError, match="no weights but those"):
        el.load(path, without="lstm, aux, conv, loss, fc, heads" if wrap(net) is net else "lstm, aux, conv, loss, fc, heads, model, module")


def test_a_dict_of_the_checkpoint_can_be_left_out(tmp_path):
    net, ema = Net(), Net()
    path = saved({"model": net.state_dict(), "ema": ema.state_dict()}, tmp_path / "n.pt")
    same(el.load(path, without="ema"), net)
    same(el.load(path, without="model"), ema)


def test_a_prefix_may_begin_within_the_one_dict_that_has_it(tmp_path):
    net = Net()
    tensors = {f"model.{n}": t for n, t in net.state_dict().items()} | {f"teacher.{n}": t for n, t in Net().state_dict().items()}
    same(el.load(saved({"state_dict": tensors, "epoch": 3}, tmp_path / "n.pt"), prefix="model"), net)


# ---------------------------------------------------------------- scalers beside the weights


@pytest.mark.parametrize(
    "beside",
    [
        {"mean": np.zeros(3), "std": np.ones(3)},
        {"hyper": {"x_mean": np.zeros(3, np.float32), "x_scale": np.ones(3, np.float32)}},
        {"rows": [np.arange(4)]},
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_numpy_arrays_beside_the_weights_are_passed_over_with_a_note(beside, protocol, tmp_path):
    net = Net()
    torch.save({"state_dict": net.state_dict(), **beside}, tmp_path / "n.pt", pickle_protocol=protocol)
    taken = import_file(tmp_path / "n.pt")
    same(taken.model, net)
    (note,) = (note for note in taken.notes if "NumPy" in note)
    assert "np.savez(" in note
    assert ('mean=checkpoint["mean"], scale=checkpoint["std"]' in note) == ("mean" in beside)
    assert ('checkpoint["hyper"]["x_scale"]' in note) == ("hyper" in beside)


class Vocabulary:
    """An object as training scripts keep it beside the weights."""

    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_and_vocabularies_beside_the_weights_are_passed_over(zipped, tmp_path):
    """Their classes are named in a note; of what their dicts are called, nothing is asked."""
    net, path = Net(), tmp_path / "n.pt"
    beside = {"vocabulary": Vocabulary([Net()]), "letters": {"\t": 0, "\x7f": [1], 1: 2, "1": 3}}
    torch.save({"state_dict": net.state_dict(), **beside}, path, _use_new_zipfile_serialization=zipped)
    taken = import_file(path)
    same(taken.model, net)
    assert any(f"vocabulary ({__name__}.Vocabulary)" in note for note in taken.notes)
    torch.save({"state_dict": {**net.state_dict(), "fc1.weight": Vocabulary(1)}}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(el.ModelFileError, match=r"its pickle asks for .*no plain data"):
        el.load(path)


def test_tensors_that_scale_inputs_are_named_in_a_note(tmp_path):
    net = Net()
    beside = {"model_state_dict": net.state_dict(), "scaler_mean": torch.zeros(3), "scaler_std": torch.ones(1, 3), "offsets": torch.ones(3)}
    taken = import_file(saved({**beside, "loss": torch.tensor(0.5), "classes": torch.ones(5)}, tmp_path / "n.pt"))
    same(taken.model, net)
    (note,) = (note for note in taken.notes if "Not used" in note)
    assert all(name in note for name in ("scaler_mean (3,)", "scaler_std (1, 3)", "offsets", "with_normalizer"))
    assert "classes" not in note
    assert not any("Not used" in note for note in import_file(saved(net, tmp_path / "p.pt")).notes)


def test_a_mean_and_a_scale_of_one_name_are_a_normalizer_where_the_layers_say_so(tmp_path):
    net, mean, scale = Net(), torch.tensor([1.0, 2, 3]), torch.tensor([2.0, 4, 8])
    path = saved({**net.state_dict(), "in_mean": mean, "in_scale": scale}, tmp_path / "n.pt")
    with pytest.raises(el.UnsupportedModelError, match=r'in_mean \(3,\).*layers="in:normalizer, lstm, fc"'):
        el.load(path)
    with pytest.raises(el.UsageError, match='without="in_mean, in_scale"'):
        el.load(path, layers="lstm, fc")
    same(el.load(path, without="in_mean, in_scale"), net)
    plain = copy.deepcopy(net)
    net.forward = lambda x: plain((x - mean) / scale)
    same(el.load(path, layers="in:normalizer, lstm, fc"), net)


# ---------------------------------------------------------------- without a file


def test_a_state_dict_in_memory_becomes_a_model(caplog):
    net = Net(layers=2)
    same(el.from_torch(net.state_dict()), net)
    assert "No function was assumed" in caplog.text
    same(el.from_torch(dict(net.named_parameters()), layers="lstm, fc"), net)
    same(el.from_torch({"model": net.state_dict(), "ema": Net().state_dict()}, prefix="model"), net)
    same(el.from_torch({name: tensor.numpy() for name, tensor in net.state_dict().items()}), net)
    halved = copy.deepcopy(net).bfloat16()
    same(el.from_torch(halved.state_dict()), halved.float())
    pruned = changed(lambda net: prune.l1_unstructured(net.fc, "weight", 0.5))
    same(el.from_torch(pruned.state_dict(), "lstm, fc"), pruned)
    with pytest.raises(el.UsageError, match=r"state_dict\(\).*got Net"):
        el.from_torch(net)
    with pytest.raises(el.UsageError, match=r"edgelstm\.from_torch") as caught:
        el.load(net.state_dict())
    assert len(str(caught.value)) < 300


# ---------------------------------------------------------------- the proposed chain


@pytest.mark.parametrize(
    ("head", "proposed"),
    [
        ([nn.Linear(8, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 2)], "lstm, head.0:?, head.3"),
        ([nn.Dropout(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2)], "lstm:?, head.1:?, head.3"),
        ([nn.Linear(8, 6), nn.Linear(6, 2)], "lstm, head.0:?, head.1"),
        ([nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 2)], None),
    ],
)
def test_a_proposed_chain_leaves_open_what_the_file_does_not_say(head, proposed, tmp_path):
    net = nn.Module()
    net.lstm, net.head = nn.LSTM(3, 8), nn.Sequential(*head)
    path = saved(net, tmp_path / "n.pt")
    with pytest.raises(el.UnsupportedModelError) as caught:
        el.load(path)
    chain = str(caught.value).partition('layers="')[2].partition('"')[0]
    assert chain == proposed or proposed is None
    if "?" in chain:
        with pytest.raises(el.UsageError, match="only you know"):
            el.load(path, layers=chain)
        bare = chain.replace(":?", "")
        assert any("nothing stands between" in note for note in import_file(path, layers=bare).notes)
        meant = chain.replace(":?", ":linear")
        assert not any("nothing stands between" in note for note in import_file(path, layers=meant).notes)


def test_the_factors_of_a_loss_are_passed_over_and_named(tmp_path):
    net = Net()
    state = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    for name in ("criterion.weight", "loss_fn.pos_weight", "val_loss.weight"):
        taken = import_file(saved({"state_dict": {**state, name: torch.ones(2)}}, tmp_path / "n.pt"))
        assert any(name in note and "training alone" in note for note in taken.notes)
        same(taken.model, net)
    with pytest.raises(el.UnsupportedModelError):
        el.load(saved({"state_dict": {**state, "loss_fn.weight": torch.ones(4, 5)}}, tmp_path / "n.pt"))


def test_weights_that_were_never_loaded_are_refused():
    with pytest.raises(el.UnsupportedModelError, match="the device meta, which has a shape and no numbers"):
        el.from_torch(torch.nn.ModuleDict({"lstm": torch.nn.LSTM(2, 3)}).to("meta").state_dict())
