"""Checkpoints as PyTorch users have them step to PyTorch's own numbers, or are refused with what to do."""

import copy

import numpy as np
import pytest
from cli_calls import call, refused

import edgelstm as el
from edgelstm import device
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn, prune = torch.nn, pytest.importorskip("torch.nn.utils.prune")
parametrizations = pytest.importorskip("torch.nn.utils.parametrizations")
utils = torch.nn.utils

#: float32 sums in another order, over 40 steps.
LIMIT = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore")


class Net(nn.Module):
    def __init__(self, inputs=3, layers=1):
        super().__init__()
        self.lstm = nn.LSTM(inputs, 8, layers)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.lstm(x)[0])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


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


# ---------------------------------------------------------------- names of one storage


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


class Siblings(Net):
    def __init__(self):
        super().__init__()
        self.aux, self.conv, self.loss = nn.Linear(8, 4), nn.Conv1d(3, 3, 3), nn.Module()
        self.loss.weight = nn.Parameter(torch.ones(2))
        self.heads = nn.ModuleDict({"a,b": nn.Linear(8, 2), "c:d": nn.Linear(8, 2)})


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


# ---------------------------------------------------------------- the command line


VERBS = {
    "run": ["-i", "rows.csv"],
    "describe": [],
    "build": ["-o", "out.so"],
    "quantize": ["-d", "rows.csv", "-o", "out.elstm"],
    "bench": ["--rate", "900", "--steps", "20"],
    "convert": ["-o", "out.elstm"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_reads_a_checkpoint_with_the_same_words(verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = Siblings()
    torch.save({"model": net.state_dict(), "ema": Net().state_dict()}, "n.pt")
    rows = np.random.default_rng(2).normal(size=(300, 3)).astype(np.float32)
    (tmp_path / "rows.csv").write_text("\n".join(",".join(map(str, row)) for row in rows.tolist()) + "\n")
    several = refused(call(verb, "n.pt", *VERBS[verb]), 1)
    assert "--prefix" in several
    assert "prefix=" not in several
    chosen = ["--prefix", "model", "--without", "aux, conv, loss, heads"]
    if verb == "build":  # its own --prefix is of symbols
        assert 'edgelstm convert … --prefix "NAME"' in several
        chosen = ["--without", "ema, aux, conv, loss, heads"]
    result = call(verb, "n.pt", *VERBS[verb], *chosen, "--layers", "lstm, fc:tanh, softmax")
    assert result.exit_code == 0, result.stderr
    assert "Left out, as --without" in (result.stdout if verb == "convert" else result.stderr)
    if verb == "run":
        given = np.array([line.split(",") for line in result.stdout.splitlines()[-300:]], np.float32)
        expected = torch.softmax(torch.tanh(torch.from_numpy(answers(net, rows))), 1).numpy()
        np.testing.assert_allclose(given, expected, atol=LIMIT)


@pytest.mark.parametrize("link", ["spelling", "symbolic", "hard"])
@pytest.mark.parametrize("verb", ["convert", "build", "quantize"])
def test_no_verb_overwrites_its_source(verb, link, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(Net(), tmp_path / "n.pt")
    before = (tmp_path / "n.pt").read_bytes()
    (tmp_path / "rows.csv").write_text("1,2,3\n" * 50)
    target = {"spelling": tmp_path / ".." / tmp_path.name / "n.pt", "symbolic": tmp_path / "s.elstm", "hard": tmp_path / "h.elstm"}[link]
    if link == "symbolic":
        target.symlink_to(tmp_path / "n.pt")
    elif link == "hard":
        target.hardlink_to(tmp_path / "n.pt")
    data = ["-d", "rows.csv"] if verb == "quantize" else []
    assert "would overwrite" in refused(call(verb, "n.pt", *data, "-o", target), 2)
    assert (tmp_path / "n.pt").read_bytes() == before


@pytest.mark.parametrize("name", ["x.pt", "x.PTH", "x.safetensors", "x.tflite", "x.so"])
def test_a_model_file_is_not_written_under_the_name_of_another_format(name, tmp_path):
    source = saved(Net(), tmp_path / "n.pt")
    assert ".elstm" in refused(call("convert", source, "-o", tmp_path / name), 2)
    assert not (tmp_path / name).exists()


def test_doctor_proposes_no_command_that_overwrites_what_it_was_asked_about(tmp_path):
    source = saved(Net(), tmp_path / "n.pt")
    result = call("doctor", source)
    assert result.exit_code == 1
    assert "-o" not in result.output.split()
    with pytest.raises(el.LibraryError, match="edgelstm build") as caught:
        device.Stream(str(source))
    assert " -o" not in str(caught.value)
