"""Recipes of networks with branches, as papers and packages build them, against the same networks in PyTorch."""

import numpy as np
import pytest
from test_recipes import layers, made

import edgelstm as el
from edgelstm import reference

torch = pytest.importorskip("torch")
nn = torch.nn

LIMIT = 2e-6


def state(*modules):
    """The tensors of modules by names, as one state_dict has them."""
    return {f"{name}.{key}": part.numpy() for name, module in modules for key, part in module.state_dict().items()}


def close(tmp_path, arrays, recipe, xs, expected):
    model = made(tmp_path, arrays, recipe).model
    np.testing.assert_allclose(reference.run(model, xs), expected, atol=LIMIT)
    return model


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(5)
    with torch.no_grad():
        yield


def indices(*sizes, steps=11):
    return np.stack([np.random.default_rng(size).integers(0, size, steps) for size in sizes], axis=1)


def test_two_embeddings_parallel_convolutions_and_their_largest(tmp_path):
    letters, tags = nn.Embedding(9, 5), nn.Embedding(4, 3)
    convs = [nn.Conv1d(8, 6, taps, dilation=apart, padding=(taps // 2) * apart) for taps, apart in ((3, 1), (5, 3), (9, 2))]
    norms = [nn.BatchNorm1d(6).eval() for _ in convs]
    for norm in norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    head = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
    xs = indices(9, 4)
    ids = torch.from_numpy(xs)
    both = torch.cat([letters(ids[:, 0]), tags(ids[:, 1])], 1).T[None]
    tops = torch.stack([norm(conv(both))[0].T for conv, norm in zip(convs, norms, strict=True)])
    arrays = state(("letters", letters), ("tags", tags), ("head", head))
    arrays |= state(*((f"c{n}.conv", conv) for n, conv in enumerate(convs)), *((f"c{n}.bn", norm) for n, norm in enumerate(norms)))
    branches = [
        part
        for n, (_, apart) in enumerate(((3, 1), (5, 3), (9, 2)))
        for part in (
            f'kind = "conv1d"\nprefix = "c{n}.conv"\npadding = "same"\ndilation = {apart}\ninputs = ["letters", "tags"]',
            f'kind = "batch_norm"\nprefix = "c{n}.bn"',
        )
    ]
    recipe = layers(
        'kind = "slice"\nname = "l"\ninputs = "input"\nstart = 0\nstop = 1',
        'kind = "embedding"\nprefix = "letters"',
        'kind = "slice"\nname = "t"\ninputs = "input"\nstart = 1\nstop = 2',
        'kind = "embedding"\nprefix = "tags"',
        *branches,
        '{kind}\ninputs = ["c0.bn", "c1.bn", "c2.bn"]\nname = "top"',
        'kind = "dense"\nprefix = "head.0"\nactivation = "relu"',
        'kind = "dense"\nprefix = "head.2"',
    )
    largest, smallest = (recipe.replace("{kind}", f'kind = "{kind}"') for kind in ("maximum", "minimum"))
    model = close(tmp_path, arrays, largest, xs, head(tops.amax(0)).numpy())
    assert model.vocabularies == (9, 4)
    close(tmp_path, arrays, smallest, xs, head(tops.amin(0)).numpy())
    close(tmp_path, arrays, recipe.replace("{kind}", 'kind = "average"'), xs, head(tops.mean(0)).numpy())
    less = recipe.replace("{kind}", 'kind = "subtract"').replace(', "c2.bn"]', "]")
    less = less.replace('name = "top"', 'name = "top"\n[[layers]]\nkind = "subtract"\ninputs = ["top", "c2.bn"]')
    close(tmp_path, arrays, less, xs, head(tops[0] - tops[1] - tops[2]).numpy())


def test_stacked_layers_beside_each_other_into_attention_over_time(tmp_path):
    table, first, second, score, out = nn.Embedding(7, 4), nn.LSTM(4, 5), nn.LSTM(5, 5), nn.Linear(14, 1, bias=False), nn.Linear(14, 7)
    xs = indices(7)[:, 0]
    rows = table(torch.from_numpy(xs))
    one = first(rows)[0]
    every = torch.cat([rows, one, second(one)[0]], 1)
    expected = [out(torch.softmax(score(every[:end]), 0).T @ every[:end])[0] for end in range(1, len(xs) + 1)]
    recipe = layers(
        'kind = "embedding"\nprefix = "emb"',
        'kind = "lstm"\nprefix = "r1"',
        'kind = "lstm"\nprefix = "r2"',
        'kind = "dense"\nname = "score"\nweight = "w.weight"\ninputs = ["emb", "r1", "r2"]',
        'kind = "attention_pool"\ninputs = ["emb", "r1", "r2", "score"]',
        'kind = "dense"\nprefix = "out"',
    )
    arrays = state(("emb", table), ("r1", first), ("r2", second), ("w", score), ("out", out))
    close(tmp_path, arrays, recipe, xs, torch.stack(expected).numpy())
    stacked = nn.LSTM(4, 5, num_layers=2)
    lower = {name: part for name, part in stacked.state_dict().items() if name.endswith("_l0")}
    first.load_state_dict(lower)
    both = torch.cat([first(rows)[0], stacked(rows)[0]], 1)
    recipe = layers('kind = "embedding"\nprefix = "emb"', 'kind = "lstm"\nprefix = "r"', 'kind = "concat"\ninputs = ["r_l0", "r"]')
    close(tmp_path, state(("emb", table), ("r", stacked)), recipe, xs, both.numpy())


def test_both_ends_of_a_recording_ask_all_of_its_rows(tmp_path):
    """Additive attention of the final states to every row, and of every row to all."""
    rnn, w1, w2, v, out = nn.LSTM(3, 4, bidirectional=True), nn.Linear(8, 6), nn.Linear(8, 6), nn.Linear(6, 1), nn.Linear(8, 2)
    xs = np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)
    rows, (h, _) = rnn(torch.from_numpy(xs))
    ends = torch.cat([h[0], h[1]])
    weights = torch.softmax(v(torch.tanh(w1(rows) + w2(ends))), 0)
    names = (("rnn", rnn), ("w1", w1), ("w2", w2), ("v", v), ("out", out))
    recipe = layers(
        'kind = "lstm"\nprefix = "rnn"',
        'kind = "dense"\nprefix = "w1"',
        'kind = "last"\ninputs = ["rnn.forward", "rnn.backward"]\nends = ["last", "first"]',
        'kind = "dense"\nprefix = "w2"',
        'kind = "repeat"\nname = "asked"',
        'kind = "add"\ninputs = ["w1", "asked"]\nactivation = "tanh"',
        'kind = "dense"\nprefix = "v"',
        'kind = "attention_pool"\ninputs = ["rnn", "v"]',
        'kind = "last"',
        'kind = "dense"\nprefix = "out"\nactivation = "unit_norm"',
    )
    expected = nn.functional.normalize(out((weights * rows).sum(0)), dim=0)
    close(tmp_path, state(*names), recipe, xs, expected[None].numpy())
    scores = torch.tanh(w1(rows)[:, None] + w2(rows)[None]) @ v.weight[0]
    context = torch.softmax(scores, 1) @ rows
    recipe = layers(
        'kind = "lstm"\nprefix = "rnn"',
        'kind = "dense"\nprefix = "w1"\ninputs = "rnn"',
        'kind = "dense"\nprefix = "w2"\ninputs = "rnn"',
        'kind = "self_attention"\nquery_size = 6\nscore = "additive"\nvector = { tensor = "v.weight", shape = [6] }\n'
        'inputs = ["w1", "w2", "rnn"]',
        'kind = "dense"\nprefix = "out"\nactivation = "log_softmax"',
        without='["v.bias"]',
    )
    close(tmp_path, state(*names), recipe, xs, torch.log_softmax(out(context), 1).numpy())
    recipe = layers('kind = "lstm"\nprefix = "rnn"\nfinal = true', 'kind = "dense"\nprefix = "out"')
    close(tmp_path, state(("rnn", rnn), ("out", out)), recipe, xs, out(ends)[None].numpy())


def test_a_frame_is_convolved_flattened_and_read_along_its_rows(tmp_path):
    conv, linear, rnn = nn.Conv1d(1, 2, 4), nn.Linear(2 * 4, 5), nn.LSTM(5, 3)
    xs = np.random.default_rng(2).normal(size=(6, 12)).astype(np.float32)
    maps = nn.functional.max_pool1d(torch.relu(conv(torch.from_numpy(xs)[:, None])), 2)
    front = [
        'kind = "map_conv"\nprefix = "conv"\nshape = [12, 1]\nactivation = "relu"',
        'kind = "map_pool"\nfunction = "max"\nsize = 2\nshape = [9, 2]',
    ]
    recipe = layers(*front, 'kind = "transpose"\nshape = [4, 2]', 'kind = "dense"\nprefix = "linear"', 'kind = "lstm"\nprefix = "rnn"')
    close(tmp_path, state(("conv", conv), ("linear", linear), ("rnn", rnn)), recipe, xs, rnn(linear(maps.flatten(1)))[0].numpy())
    cell = nn.GRU(2, 3)
    along = layers(*front, 'kind = "intra_rnn"\ncell = "gru"\nrows = 4\nprefix = "cell"')
    expected = cell(maps.permute(2, 0, 1))[0].permute(1, 0, 2).flatten(1)
    close(tmp_path, state(("conv", conv), ("cell", cell)), along, xs, expected.numpy())
    names = "\n".join(f'{part} = "cell.{part}_l0"' for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    last = layers(*front, f'kind = "intra_rnn"\ncell = "gru"\nrows = 4\nlast = true\nreverse = true\n{names}')
    expected = cell(maps.permute(2, 0, 1).flip(0))[1][0]
    close(tmp_path, state(("conv", conv), ("cell", cell)), last, xs, expected.numpy())


def test_convolutions_over_time_and_frequency_before_a_recurrent_layer(tmp_path):
    conv, norm, rnn = nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2).eval(), nn.GRU(6, 4, bidirectional=True)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    xs = np.random.default_rng(2).normal(size=(8, 6)).astype(np.float32)
    maps = nn.functional.max_pool2d(torch.relu(norm(conv(torch.from_numpy(xs)[None, None]))), (1, 2))[0]
    recipe = layers(
        'kind = "samples"\nsize = 6',
        'kind = "window"\nsteps = 3\npadding = [1, 1]',
        'kind = "map_conv"\nprefix = "conv"\nshape = [3, 6, 1]\npadding = [[0, 0], [1, 1]]',
        'kind = "batch_norm"\nprefix = "norm"\nrows = 6\nactivation = "relu"',
        'kind = "map_pool"\nfunction = "max"\nsize = 2\nshape = [6, 2]',
        'kind = "transpose"\nshape = [3, 2]',
        'kind = "gru"\nprefix = "rnn"',
    )
    expected = rnn(maps.permute(1, 0, 2).flatten(1))[0]
    arrays = state(("conv", conv), ("norm", norm), ("rnn", rnn))
    close(tmp_path, arrays, recipe, xs, expected.numpy())
    arrays["conv.weight"] = arrays["conv.weight"].transpose(0, 1, 3, 2)
    turned = recipe.replace('prefix = "conv"', 'kernel = { tensor = "conv.weight", axes = [0, 1, 3, 2] }\nbias = "conv.bias"')
    close(tmp_path, arrays, turned, xs, expected.numpy())


def test_words_of_letters_beside_measurements_and_a_decoder_left_out(tmp_path):
    letters, word, gram, first, last = nn.Embedding(9, 3), nn.Linear(12, 5), nn.Linear(2, 4), nn.LSTM(9, 3), nn.Linear(3, 2)
    packed = nn.LSTM(9, 3)
    ids, values = indices(9, 8, 7, 6), np.random.default_rng(4).normal(size=(11, 2)).astype(np.float32)
    rows = torch.relu(word(letters(torch.from_numpy(ids)).flatten(1)))
    back = first(torch.cat([torch.tanh(gram(torch.from_numpy(values))), rows], 1).flip(0))[0].flip(0)
    recipe = layers(
        'kind = "slice"\nname = "word"\ninputs = "input"\nstart = 0\nstop = 4',
        'kind = "embedding"\ncount = 4\nname = "letters"\nweight = "letters.weight"',
        'kind = "dense"\nname = "rows"\nprefix = "word"\nactivation = "relu"',
        'kind = "slice"\nname = "values"\ninputs = "input"\nstart = 4\nstop = 6',
        'kind = "dense"\nprefix = "gram"\nactivation = "tanh"',
        'kind = "lstm"\nreverse = true\ninputs = ["gram", "rows"]\nbias_ih = "f.bias_ih_l0"\nbias_hh = "f.bias_hh_l0"\n'
        'weight_ih = { tensor = "f.weight_ih_l0", rows = "12:24", columns = "1:10" }\nweight_hh = "f.weight_hh_l0"',
        'kind = "dense"\nprefix = "out"',
        without='["decoder_*"]',
    )
    names = (("letters", letters), ("word", word), ("gram", gram), ("f", first), ("out", last), ("decoder_rnn", packed))
    arrays = state(*names)
    arrays["f.weight_ih_l0"] = np.pad(arrays["f.weight_ih_l0"], ((12, 0), (1, 0)))
    close(tmp_path, arrays, recipe, np.hstack([ids, values]), last(back).numpy())


RNN = 'kind = "lstm"\nprefix = "rnn"'


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ('kind = "maximum"\ninputs = "rnn"', r"layer 2 of the recipe \(maximum, line 4\) joins two or more layers; name them"),
        ('kind = "subtract"\ninputs = ["rnn", "rnn", "input"]', "line 4.* joins two layers"),
        ('kind = "average"\ninputs = ["rnn", "rnn"]\nweight = 3', "has 'weight'; it may have name, inputs, activation"),
        ('kind = "transpose"\nshape = [4]', "takes shape, the two or three axes"),
        ('kind = "transpose"\nshape = [2, 2]\naxes = [0, 2]', "axes must name each of 0 to 1 once"),
        ('kind = "transpose"\nshape = [3, 3]', "takes place 8 of 4 values"),
        ('kind = "embedding"\ncount = 0\nweight = "w"', "count must be a whole number"),
        ('kind = "dense"\nweight = { tensor = "w", rows = "0:9" }', "takes rows up to 8 of a tensor of shape"),
        ('kind = "dense"\nweight = { tensor = "w", shape = [3, 3] }', "whose product is 8"),
        ('kind = "dense"\nweight = { tensor = "w", axes = [0, 0] }', "axes must name each of 0 to 1 once"),
        ('kind = "dense"\nweight = { tensor = "w", slices = 3 }', "is a table of tensor, rows, columns, shape, axes"),
        ('kind = "intra_rnn"\ncell = "dense"\nrows = 2', "cell must be one of lstm, gru, rnn"),
        ('kind = "intra_rnn"\nrows = 2\ncell = "lstm"\nprefix = "both"', "its cell has one layer and one direction"),
        ('kind = "gru"\nfinal = true\nweight_ih = "w"', "final is for bidirectional layers"),
        ('kind = "dense"\nweight = "w"\ninputs = "rnn.backward"', "reads 'rnn.backward'; the layers before it are input, rnn"),
    ],
)
def test_what_branches_cannot_mean_is_refused_with_its_line(part, message, tmp_path):
    both = nn.LSTM(3, 4, bidirectional=True)
    arrays = state(("rnn", nn.LSTM(3, 4)), ("both", both)) | {"w": np.ones((2, 4), np.float32)}
    with pytest.raises(el.EdgeLSTMError, match=message) as caught:
        made(tmp_path, arrays, layers(RNN, part))
    assert "\n" not in str(caught.value)
