"""Recipes say what named tensors are, whatever file they came in; what they leave open or get wrong is refused with its place."""

import numpy as np
import pytest
import safetensors.numpy
from cli_calls import call, refused
from golden_files import golden_answers, golden_file
from test_bags import WRITERS, dense, numbers
from torch_files import gru_arrays, linear_arrays, lstm_arrays, norm_arrays, rnn_arrays, torch_zip, under

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import draft_recipe, import_file

LIMIT = 1e-6

XS = np.random.default_rng(3).normal(size=(25, 3)).astype(np.float32)


def made(tmp_path, arrays, recipe, writer="npz"):
    (tmp_path / "m").write_bytes(WRITERS[writer](arrays))
    (tmp_path / "r.toml").write_text(recipe)
    return import_file(tmp_path / "m", recipe=tmp_path / "r.toml")


def layers(*parts, **top):
    head = "".join(f"{name} = {value}\n" for name, value in top.items())
    return head + "".join(f"[[layers]]\n{part}\n" for part in parts)


OWN_NAMES = {
    **{f"enc_{name.removesuffix('_l0')}": array for name, array in gru_arrays(3, 4).items()},
    "fc_w": linear_arrays(2, 4)["weight"],
    "fc_b": linear_arrays(2, 4)["bias"],
    "dec.w": numbers(2, 2),
    "dec.b": numbers(2),
}

OWN = layers(
    'kind = "gru"\nweight_ih = "enc_weight_ih"\nweight_hh = "enc_weight_hh"\nbias_ih = "enc_bias_ih"\nbias_hh = "enc_bias_hh"',
    'kind = "dense"\nname = "out"\nweight = "fc_w"\nbias = "fc_b"\nactivation = "relu"',
    without='["dec"]',
)


@pytest.mark.parametrize("writer", WRITERS)
def test_tensors_of_any_name_in_any_bag(writer, tmp_path):
    taken = made(tmp_path, OWN_NAMES, OWN, writer)
    assert [layer.kind for layer in taken.model.layers] == ["gru", "dense", "activation"]
    assert any("dec.w" in note and "dec.b" in note for note in taken.notes)
    (tmp_path / "t").write_bytes(torch_zip(under("gru", gru_arrays(3, 4)) | under("fc", linear_arrays(2, 4))))
    same = el.load(tmp_path / "t", layers="gru, fc:relu")
    np.testing.assert_array_equal(reference.run(taken.model, XS), reference.run(same, XS))


def test_a_checkpoint_of_pytorch_by_prefixes(tmp_path):
    arrays = under("rnn", lstm_arrays(3, 4, 2)) | under("fc", linear_arrays(2, 4)) | under("ln", norm_arrays(4))
    (tmp_path / "m").write_bytes(torch_zip({"model": arrays, "optimizer": {"state": {"0": numbers(3)}, "param_groups": []}}))
    recipe = layers(
        'kind = "lstm"\nprefix = "model.rnn"', 'kind = "layer_norm"\nprefix = "model.ln"', 'kind = "dense"\nprefix = "model.fc"'
    )
    (tmp_path / "r.toml").write_text(recipe)
    taken = el.load(tmp_path / "m", recipe=tmp_path / "r.toml")
    same = el.load(tmp_path / "m", layers="rnn, ln, fc")
    np.testing.assert_array_equal(reference.run(taken, XS), reference.run(same, XS))


def shuffled(array, order, gates="ifgo"):
    """Rows of gates in another order."""
    blocks = dict(zip(gates, np.split(array, len(gates)), strict=True))
    return np.concatenate([blocks[gate] for gate in order])


ARRAYS = lstm_arrays(3, 4, bias=False) | {"bias": numbers(16)}


@pytest.fixture(scope="module")
def plain():
    return reference.run(el.Model([el.LSTM(ARRAYS["weight_ih_l0"], ARRAYS["weight_hh_l0"], ARRAYS["bias"])]), XS)


def forms():
    """One LSTM as other libraries keep it, with what a recipe says of it."""
    ih, hh, bias = ARRAYS["weight_ih_l0"], ARRAYS["weight_hh_l0"], ARRAYS["bias"]
    minus = bias - np.repeat(np.float32([0, 1, 0, 0]), 4)
    tf1 = shuffled(np.hstack([ih, hh]), "igfo").T
    gates = dict(zip("ifgo", np.split(ih, 4), strict=True))
    return {
        "keras": ({"k": ih.T, "r": hh.T, "b": bias}, 'kind = "lstm"\nweight_ih = "k"\nweight_hh = "r"\nbias = "b"', "keras"),
        "keras prefix": ({"l/kernel:0": ih.T, "l/recurrent_kernel:0": hh.T, "l/bias:0": bias}, 'kind = "lstm"\nprefix = "l"', "keras"),
        "tf1": ({"c/kernel": tf1, "c/bias": shuffled(minus, "igfo")}, 'kind = "lstm"\nprefix = "c"', "tf1"),
        "tf1, no forget bias": (
            {"c/kernel": tf1, "c/bias": shuffled(bias, "igfo")},
            'kind = "lstm"\nprefix = "c"\nforget_bias = 0',
            "tf1",
        ),
        "gates": (
            {"w": shuffled(ih, "iogf"), "u": shuffled(hh, "iogf"), "b": shuffled(bias, "iogf")},
            'kind = "lstm"\ngates = "i o c f"\nweight_ih = "w"\nweight_hh = "u"\nbias = "b"',
            "torch",
        ),
        "joint": ({"w": np.hstack([ih, hh]), "b": bias}, 'kind = "lstm"\nweight = "w"\nbias = "b"', "torch"),
        "an array a gate": (
            {**{f"w{gate}": array.T for gate, array in gates.items()}, "u": hh.T, "b": bias},
            'kind = "lstm"\ntranspose = true\nweight_ih = ["wi", "wf", "wg", "wo"]\nweight_hh = "u"\nbias = "b"',
            "torch",
        ),
        "two biases": (
            {"w": ih, "u": hh, "b": bias - 1, "c": np.ones(16, np.float32)},
            'kind = "lstm"\nweight_ih = "w"\nweight_hh = "u"\nbias_ih = "b"\nbias_hh = "c"',
            "torch",
        ),
    }


@pytest.mark.parametrize("form", forms())
def test_one_lstm_in_every_layout(form, plain, tmp_path):
    arrays, recipe, layout = forms()[form]
    taken = made(tmp_path, arrays, layers(recipe, layout=f'"{layout}"'))
    np.testing.assert_allclose(reference.run(taken.model, XS), plain, atol=LIMIT)


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_gru_of_keras_resets_as_its_bias_says(reset_after, tmp_path):
    rows = gru_arrays(3, 4)
    ih, hh, a, b = (rows[name] for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
    bias = np.stack([shuffled(a, "zrn", "rzn"), shuffled(b, "zrn", "rzn")]) if reset_after else shuffled(a, "zrn", "rzn")
    arrays = {"g/kernel": shuffled(ih, "zrn", "rzn").T, "g/recurrent_kernel": shuffled(hh, "zrn", "rzn").T, "g/bias": bias}
    taken = made(tmp_path, arrays, layers('kind = "gru"\nprefix = "g"', layout='"keras"'))
    same = el.GRU(ih, hh, a, b if reset_after else None, reset_after=reset_after)
    np.testing.assert_allclose(reference.run(taken.model, XS), reference.run(el.Model([same]), XS), atol=LIMIT)


@pytest.mark.parametrize("merge", ["concat", "sum"])
def test_directions_said_apart_and_by_a_prefix(merge, tmp_path):
    forward, backward = rnn_arrays(3, 4, seed=1), rnn_arrays(3, 4, seed=2)
    cells = {f"{side}.{name.removesuffix('_l0')}": a for side, arrays in (("f", forward), ("b", backward)) for name, a in arrays.items()}
    names = ", ".join(f'{part} = "b.{part}"' for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    own = "\n".join(f'{part} = "f.{part}"' for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    taken = made(tmp_path, cells, layers(f'kind = "rnn"\nnonlinearity = "relu"\nmerge = "{merge}"\n{own}\nbackward = {{ {names} }}'))
    module = under("r", forward | {f"{name}_reverse": array for name, array in backward.items()})
    by_prefix = made(tmp_path, module, layers(f'kind = "rnn"\nnonlinearity = "relu"\nmerge = "{merge}"\nprefix = "r"'))
    np.testing.assert_array_equal(reference.run(taken.model, XS), reference.run(by_prefix.model, XS))


def test_parts_of_a_tensor_and_norms_over_the_rows_of_a_map(tmp_path):
    w, b = numbers(5, 9), numbers(3, 4)
    arrays = {"w": w, "b": b, "n.running_mean": numbers(3, 1).ravel(), "n.running_var": np.abs(numbers(3, 2)[:, 1]) + 0.1}
    parts = [
        'weight = {tensor = "w", rows = [4, 0, 2, 1, 3, 0], columns = [7, 1, 4]}',
        'bias = {tensor = "b", rows = [2, 0], columns = [3, 1, 2], shape = [6]}',
    ]
    with pytest.raises(el.ShapeError, match="rows up to 5 of a tensor of shape"):
        made(tmp_path, arrays, layers('kind = "dense"\nweight = {tensor = "w", rows = [5]}'))
    norm = 'kind = "batch_norm"\nmean = "n.running_mean"\nvariance = "n.running_var"\nrows = 2'
    taken = made(tmp_path, arrays, layers("\n".join(['kind = "dense"', *parts]), norm))
    y = XS.astype(np.float64) @ w[np.ix_([4, 0, 2, 1, 3, 0], [7, 1, 4])].T + b[np.ix_([2, 0], [3, 1, 2])].ravel()
    y = (y.reshape(-1, 2, 3) - arrays["n.running_mean"]) / np.sqrt(arrays["n.running_var"] + 1e-5)  # two rows of three channels
    np.testing.assert_allclose(reference.run(taken.model, XS), y.reshape(-1, 6), atol=LIMIT)


def test_norms_convolutions_and_branches(tmp_path):
    arrays = under("a", linear_arrays(5, 3)) | under("b", linear_arrays(5, 3, seed=2)) | under("c", linear_arrays(2, 5))
    arrays |= {"n.running_mean": numbers(5), "n.running_var": np.abs(numbers(5)) + 0.1, "n.weight": numbers(5), "n.bias": numbers(5)}
    recipe = layers(
        'kind = "dense"\nprefix = "a"\nactivation = "leaky_relu(0.1)"',
        'kind = "dense"\nprefix = "b"\ninputs = "input"',
        'kind = "add"\ninputs = ["a", "b"]\nname = "both"',
        'kind = "batch_norm"\nprefix = "n"\nepsilon = 0.5',
        'kind = "dense"\nprefix = "c"\nactivation = "softmax"',
    )
    taken = made(tmp_path, arrays, recipe)
    x = XS.astype(np.float64)
    a, b = (x @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"] for name in "ab")
    y = np.where(a > 0, a, 0.1 * a) + b
    y = (y - arrays["n.running_mean"]) / np.sqrt(arrays["n.running_var"] + 0.5) * arrays["n.weight"] + arrays["n.bias"]
    e = np.exp(y @ arrays["c.weight"].T + arrays["c.bias"])
    np.testing.assert_allclose(reference.run(taken.model, XS), e / e.sum(1, keepdims=True), atol=LIMIT)


def test_numbers_may_stand_in_the_recipe(tmp_path):
    norm = 'kind = "normalizer"\nmean = [1, 2.5, 3]\nscale = [1, 2, 4]'
    taken = made(tmp_path, dense(3, 2), layers(norm, 'kind = "dense"\nweight = "kernel"\nbias = "bias"', layout='"keras"'))
    np.testing.assert_array_equal(taken.model.layers[0].mean, [1, 2.5, 3])


GRU = 'kind = "gru"\nprefix = "rnn"'
FC = 'kind = "dense"\nprefix = "fc"'


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("layers = 3", "needs its layers"),
        ("\n", "needs its layers"),
        ("[[layers]]", "layer 1 of the recipe has no kind"),
        (layers(GRU), r"what becomes of fc.weight \(2, 4\), fc.bias"),
        (layers(GRU, FC, without='["aux"]'), "leaves out 'aux'"),
        (layers(GRU, FC, layout='"caffe"'), "layout must be one of"),
        (layers(GRU, FC, author='"me"'), "has 'author'"),
        (layers(GRU, 'kind = "swish"'), r"layer 2 of the recipe \(swish, line 4\) is of no kind"),
        (layers(GRU, 'kind = "dense"\nweight = "fc.wieght"'), "takes 'fc.wieght'.*fc.weight"),
        (layers(GRU, FC + "\ncolour = 3"), "has 'colour'; it may have weight, bias"),
        (layers(GRU, FC + '\ninputs = "lstm"'), "reads 'lstm'"),
        (layers(GRU, FC + "\ninputs = 3"), "inputs must be a list"),
        (layers(GRU, FC + "\nactivation = 3"), "must be text"),
        (layers(GRU, FC + '\nactivation = "swash"'), "swash"),
        (layers(GRU, FC + '\nname = "rnn"'), "two layers of the recipe are called 'rnn'"),
        (layers('kind = "lstm"\nprefix = "rnn"', FC), "is of kind gru"),
        (layers(GRU + '\ngates = "r z n"', FC), "takes a whole module"),
        (layers('kind = "gru"\nweight_ih = "rnn.weight_ih_l0"\nweight_hh = "rnn.weight_hh_l0"\ngates = "r r n"', FC), "gates must name"),
        (layers(GRU, 'kind = "dense"\nprefix = "nothing"'), "nothing there"),
        (layers('kind = "dense"\nprefix = "rnn"', FC), "Name the tensors one by one"),
        (layers(GRU, 'kind = "dense"\nweight = "fc.bias"'), "2 dimension"),
        (layers(GRU, 'kind = "dense"\nweight = []'), "names of tensors or a list of numbers"),
        (layers(GRU, FC + "\ntranspose = 3"), "must be true or false"),
        (layers('kind = "lstm"\nweight_ih = "rnn.weight_ih_l0"\nforget_bias = "x"', FC), "forget_bias is a number"),
        (layers('kind = "rnn"\nweight = "rnn.weight_hh_l0"', FC), "no columns left"),
        (layers('kind = "gru"\nprefix = "rnn"\nbackward = 3', FC), "backward must be a table"),
        (layers(FC, GRU), "is given"),
        ("[[layers]", "is no recipe"),
        ("a = " + "[" * 5000, "is no recipe"),
        ("\x00", "is no recipe"),
    ],
)
def test_what_a_recipe_cannot_mean_is_refused_with_its_place(recipe, message, tmp_path):
    with pytest.raises(el.EdgeLSTMError, match=message) as caught:
        made(tmp_path, under("rnn", gru_arrays(3, 4)) | under("fc", linear_arrays(2, 4)), recipe)
    assert "\n" not in str(caught.value)


def test_a_recipe_says_everything_and_is_for_bags(tmp_path):
    (tmp_path / "m").write_bytes(WRITERS["npz"](OWN_NAMES))
    (tmp_path / "r.toml").write_text(OWN)
    with pytest.raises(el.UsageError, match='leave out layers="gru"'):
        el.load(tmp_path / "m", recipe=tmp_path / "r.toml", layers="gru")
    with pytest.raises(el.ModelFileError, match=r"nothing\.toml"):
        el.load(tmp_path / "m", recipe=tmp_path / "nothing.toml")
    el.save(el.Model([el.Dense(numbers(2, 3))]), tmp_path / "a.elstm")
    with pytest.raises(el.UsageError, match="recipe="):
        el.load(tmp_path / "a.elstm", recipe=tmp_path / "r.toml")
    (tmp_path / "j").write_text('{"architecture": "LSTM", "weights": []}')
    with pytest.raises(el.UnsupportedModelError, match="recipes are for named tensors"):
        el.load(tmp_path / "j", recipe=tmp_path / "r.toml")


def test_a_draft_is_a_recipe_once_its_tensors_are_known(tmp_path):
    arrays = under("fc", linear_arrays(2, 4)) | under("rnn", lstm_arrays(3, 4, 2)) | under("emb", {"weight": numbers(9, 3)})
    (tmp_path / "m.safetensors").write_bytes(safetensors.numpy.save(arrays))
    draft = draft_recipe(tmp_path / "m.safetensors")
    places = [draft.index(f'prefix = "{name}"') for name in ("emb", "rnn", "fc")]
    assert places == sorted(places)
    taken = made(tmp_path, arrays, draft, "safetensors")
    assert [layer.kind for layer in taken.model.layers] == ["embedding", "lstm", "lstm", "dense"]
    tables = {"a_emb.weight": numbers(9, 3), "b_emb.weight": numbers(5, 3)} | under("rnn", lstm_arrays(6, 4))
    draft = made_draft(tmp_path, tables).replace('prefix = "rnn"', 'prefix = "rnn"\ninputs = ["a_emb", "b_emb"]')
    assert made(tmp_path, tables, draft).model.vocabularies == (9, 5)
    strange = made_draft(tmp_path, OWN_NAMES)
    assert all(name in strange for name in ("# enc_weight_ih (12, 3)", '"fc_w"', 'kind = "gru"'))
    keras = {f"l/{n}:0": a for n, a in {"kernel": numbers(3, 16), "recurrent_kernel": numbers(4, 16), "bias": numbers(16)}.items()}
    assert made(tmp_path, keras, made_draft(tmp_path, keras)).model.layers[0].kind == "lstm"


def made_draft(tmp_path, arrays):
    (tmp_path / "d").write_bytes(WRITERS["npz"](arrays))
    return draft_recipe(tmp_path / "d")


def test_a_front_end_is_told_by_places_and_maps(tmp_path):
    """Samples by ranges of places, and a kernel as torch has it: (channels, inputs, taps)."""
    weight, bias = numbers(5, 2, 3), numbers(5)
    recipe = layers(
        'kind = "samples"\nsize = 6',
        'kind = "gather"\nindices = "0:6, 4:0:-2, 5, 5"',
        'kind = "map_conv"\nprefix = "conv"\nshape = [5, 2]\nstrides = 2\npadding = [[1, 0]]\nactivation = "relu"',
    )
    model = made(tmp_path, under("conv", {"weight": weight, "bias": bias}), recipe).model
    assert [layer.kind for layer in model.layers] == ["normalizer", "gather", "map_conv", "activation"]
    assert model.layers[1].indices.tolist() == [0, 1, 2, 3, 4, 5, 4, 2, 5, 5]
    np.testing.assert_array_equal(model.layers[2].kernel, weight.transpose(2, 1, 0))
    said = layers('kind = "samples"\nsize = 6', 'kind = "gather"\nindices = [5, 0]', without='["w"]')
    assert made(tmp_path, {"w": bias}, said).model.layers[1].indices.tolist() == [5, 0]


@pytest.mark.parametrize("indices", ['"5:2"', '"a"', '"1:2:0"', '"-1"', '""', "[0.5]", "[-1]", "true", '"0:99999"', "{}"])
def test_places_that_are_none_are_refused(tmp_path, indices):
    recipe = layers('kind = "samples"\nsize = 6', f'kind = "gather"\nindices = {indices}', without='["w"]')
    with pytest.raises((el.UsageError, el.ShapeError), match=r"indices are places|whole numbers|takes place"):
        made(tmp_path, {"w": numbers(2)}, recipe)


@pytest.mark.parametrize("size", ["0", "1.5", '"six"', "true", "99999"])
def test_samples_of_no_size_are_refused(tmp_path, size):
    with pytest.raises(el.UsageError, match="takes size, a whole number"):
        made(tmp_path, {"w": numbers(2)}, layers(f'kind = "samples"\nsize = {size}', without='["w"]'))


def test_the_command_line_drafts_and_takes_recipes(tmp_path):
    (tmp_path / "m.npz").write_bytes(WRITERS["npz"](OWN_NAMES))
    (tmp_path / "r.toml").write_text(OWN)
    result = call("convert", tmp_path / "m.npz", "--draft-recipe")
    assert (result.exit_code, "[[layers]]" in result.stdout) == (0, True)
    assert "--output" in refused(call("convert", tmp_path / "m.npz", "--recipe", tmp_path / "r.toml"), 2)
    result = call("convert", tmp_path / "m.npz", "--recipe", tmp_path / "r.toml", "-o", tmp_path / "m.elstm")
    assert result.exit_code == 0, result.stderr
    assert [layer.kind for layer in el.load(tmp_path / "m.elstm").layers] == ["gru", "dense", "activation"]


def test_silero_vad_behind_its_encoder(tmp_path):
    """A cell, ReLU, a convolution of one tap, sigmoid; the rest of the file is left out by name."""
    recipe = layers(
        'kind = "lstm"\nprefix = "lstm_cell"\nactivation = "relu"',
        'kind = "conv1d"\nprefix = "final_conv"\nactivation = "sigmoid"',
        without='["stft_conv", "conv1", "conv2", "conv3", "conv4"]',
    )
    (tmp_path / "r.toml").write_text(recipe)
    model = el.load(golden_file("silero_vad/silero_vad_16k.safetensors"), recipe=tmp_path / "r.toml")
    answers = golden_answers("silero_vad/golden.npz")
    assert np.abs(reference.run(model, answers["st_lstm_in"])[:, 0] - answers["st_prob"]).max() < 1e-5
