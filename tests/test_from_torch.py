"""PyTorch's tensors become models in the stated order, in the only possible one, or not at all."""

import numpy as np
import pytest
from torch_files import Call, conv_arrays, gru_arrays, linear_arrays, lstm_arrays, norm_arrays, rnn_arrays, torch_legacy, torch_zip, under

import edgelstm as el
from edgelstm.importers import chain, import_file
from edgelstm.importers.from_torch.chains import from_torch

WRITERS = {"zip": torch_zip, "legacy": torch_legacy}


def classifier(inputs=6, hidden=8, layers=1, **options):
    lstm = under("lstm", lstm_arrays(inputs, hidden, layers, **options))
    return lstm | under("fc1", linear_arrays(5, hidden)) | under("fc2", linear_arrays(3, 5))


def imported(tmp_path, data, **options):
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    return import_file(path, **options)


@pytest.fixture(params=WRITERS)
def container(request):
    return WRITERS[request.param]


@pytest.mark.parametrize("layers", [1, 3])
def test_a_stack_becomes_records_with_one_bias(tmp_path, container, layers):
    arrays = classifier(layers=layers)
    model = imported(tmp_path, container(arrays), layers="lstm, fc1:relu, fc2:softmax").model
    assert [layer.kind for layer in model.layers] == ["lstm"] * layers + ["dense", "activation", "dense", "softmax"]
    for index, record in enumerate(model.layers[:layers]):
        for name in ("weight_ih", "weight_hh"):
            assert getattr(record, name).tobytes() == arrays[f"lstm.{name}_l{index}"].tobytes()
        both = [arrays[f"lstm.bias_{side}_l{index}"].astype(np.float64) for side in ("ih", "hh")]
        assert record.bias.tobytes() == sum(both).astype(np.float32).tobytes()
    assert model.layers[-2].weight.tobytes() == arrays["fc2.weight"].tobytes()


def test_lstm_without_bias_and_lstm_cells(tmp_path):
    bare = imported(tmp_path, torch_zip(lstm_arrays(3, 4, bias=False)))
    assert (bare.chain, bare.model.layers[0].bias.any()) == ("lstm", False)
    cells = {f"cells.{i}.{n.removesuffix('_l0')}": a for i, width in enumerate((3, 4)) for n, a in lstm_arrays(width, 4).items()}
    model = imported(tmp_path, torch_zip(cells), layers="cells.0, cells.1").model
    assert [layer.name for layer in model.layers] == ["cells.0", "cells.1"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda sd: {"state_dict": sd},
        lambda sd: {"epoch": 7, "anything": {"deep": sd}, "loss": np.array(0.5, np.float32)},
        lambda sd: under("module", sd),
        lambda sd: {"state_dict": under("module.model", sd)},
        lambda sd: {"net": sd, "optimizer": {"state": {"0": {"exp_avg": np.ones((3, 3), np.float32)}}, "param_groups": [{"lr": 0.1}]}},
        lambda sd: [sd, {"steps": 5}],
        lambda sd: {"model": sd, "again": sd["fc1.bias"], "args": Call("argparse.Namespace"), "rng": np.zeros(9, np.uint8)},
    ],
)
def test_the_state_dict_is_found_in_a_checkpoint(tmp_path, container, wrap):
    result = imported(tmp_path, container(wrap(classifier())), layers="lstm, fc1:relu, fc2")
    assert [layer.name for layer in result.model.layers if layer.arrays()] == ["lstm", "fc1", "fc2"]


def test_two_models_in_a_checkpoint_need_a_prefix(tmp_path):
    data = torch_zip({"model": classifier(seed=1), "ema": under("module", classifier(seed=2))})
    with pytest.raises(el.UnsupportedModelError, match=r"model, ema.*prefix"):
        imported(tmp_path, data, layers="lstm, fc1, fc2")
    result = imported(tmp_path, data, layers="lstm, fc1, fc2", prefix="ema")
    assert result.model.layers[0].weight_ih.tobytes() == classifier(seed=2)["lstm.weight_ih_l0"].tobytes()
    with pytest.raises(el.UsageError, match="nothing under the prefix 'em'"):
        imported(tmp_path, data, prefix="em")


def test_dicts_of_parts_are_never_taken_in_part(tmp_path):
    data = torch_zip({"lstm": lstm_arrays(3, 4), "head": linear_arrays(2, 4)})
    with pytest.raises(el.UnsupportedModelError, match="lstm, head"):
        imported(tmp_path, data)
    assert imported(tmp_path, data, prefix="").chain == "lstm, head"


def embedding(rows, columns):
    return {"weight": linear_arrays(rows, columns)["weight"]}


@pytest.mark.parametrize(
    ("arrays", "taken"),
    [
        (lstm_arrays(3, 4), "lstm"),
        (under("rnn", lstm_arrays(3, 4, 2)) | under("out", linear_arrays(2, 4)), "rnn, out"),
        (under("out", linear_arrays(2, 4)) | under("rnn", lstm_arrays(3, 4)), "rnn, out"),
        (under("char_embedding", embedding(9, 3)) | under("rnn", lstm_arrays(3, 4)), "char_embedding, rnn"),
        (under("rnn", lstm_arrays(3, 4)) | under("out", linear_arrays(2, 4)) | under("emb", embedding(9, 3)), "emb, rnn, out"),
        (under("rnn", lstm_arrays(1, 4)) | under("out", linear_arrays(1, 4)), "rnn, out"),
        (under("rnn", lstm_arrays(3, 4)) | under("out", embedding(2, 4)), "rnn, out"),
        (under("table", embedding(9, 3)) | under("rnn", lstm_arrays(3, 4)), "table:embedding, rnn"),
        (under("emb", embedding(4, 4)) | under("rnn", lstm_arrays(4, 8)), "emb:embedding, rnn"),
        (under("lstm2", lstm_arrays(4, 4)) | under("lstm1", lstm_arrays(4, 4)) | under("fc", linear_arrays(4, 4)), "lstm1, lstm2, fc"),
        (under("rnn", lstm_arrays(3, 4)) | under("norm", norm_arrays(4)) | under("fc", linear_arrays(2, 4)), "rnn, norm, fc"),
        (
            under("encoder", embedding(9, 3)) | under("rnn", gru_arrays(3, 4)) | under("decoder", linear_arrays(9, 4)),
            "encoder:embedding, rnn, decoder",
        ),
        (under("rnn", rnn_arrays(3, 4)) | under("head.1", linear_arrays(2, 4)), "rnn, head.1"),
    ],
)
def test_the_only_possible_chain_is_taken_and_told(tmp_path, arrays, taken):
    result = imported(tmp_path, torch_zip(arrays))
    assert result.chain == taken
    assert any("No function was assumed" in note for note in result.notes)


@pytest.mark.parametrize(
    "arrays",
    [
        classifier(),
        under("a", lstm_arrays(3, 4)) | under("b", lstm_arrays(4, 4)),
        under("rnn", lstm_arrays(3, 4)) | under("inp", linear_arrays(3, 7)),
        under("rnn", lstm_arrays(3, 4)) | under("embed", embedding(2, 4)),
        under("table", embedding(3, 3)) | under("rnn", lstm_arrays(3, 4)),
        under("encoder", lstm_arrays(4, 4)) | under("decoder", lstm_arrays(4, 4)),
        under("rnn.0", lstm_arrays(4, 4)) | under("rnn.2", lstm_arrays(4, 4)),
        under("rnn", lstm_arrays(4, 4)) | under("norm", norm_arrays(4)),
        under("rnn", lstm_arrays(3, 4)) | under("head.1", norm_arrays(4)) | under("head.2", linear_arrays(2, 4)),
        under("rnn", lstm_arrays(3, 4)) | under("norm", {"weight": np.ones(4, np.float32)}) | under("fc", linear_arrays(2, 4)),
        under("conv", conv_arrays(3, 2)) | under("rnn", lstm_arrays(3, 4)),
        under("emb", embedding(9, 5)) | under("rnn", lstm_arrays(3, 4)),
        under("norm", {"mean": np.zeros(3, np.float32), "std": np.ones(3, np.float32)}) | under("rnn", lstm_arrays(3, 4)),
        under("fc", linear_arrays(3, 4)),
    ],
)
def test_any_other_order_is_refused_with_the_tensors_and_an_example(tmp_path, arrays):
    with pytest.raises(el.UnsupportedModelError) as caught:
        imported(tmp_path, torch_zip(arrays))
    for name, array in arrays.items():
        assert f"{name} {array.shape}" in str(caught.value) or len(arrays) > 20
    assert 'layers="' in str(caught.value)
    assert "--" not in str(caught.value)


def renamed(arrays, old, new):
    return {name.replace(old, new): array for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("extra", "tensor", "feature"),
    [
        (
            {"gru.weight_hh_l0": np.zeros((12, 6), np.float32), "gru.weight_hr_l0": np.zeros((6, 4), np.float32)},
            "gru.weight_hr_l0",
            "a GRU",
        ),
        ({"bn.weight": np.ones(4, np.float32), "bn.running_mean": np.ones(4, np.float32)}, "bn.running_mean", "batch normalization"),
        ({"bn.num_batches_tracked": np.array(3)}, "bn.num_batches_tracked", "batch normalization"),
        ({"conv.weight": np.ones((4, 3, 3, 3), np.float32)}, "conv.weight", "convolution in two dimensions"),
        ({"att.in_proj_weight": np.ones((12, 4), np.float32)}, "att.in_proj_weight", "attention"),
        ({"weight_ih_ln.scale": np.ones(4, np.float32), "weight_ih_ln.weight": np.ones(4, np.float32)}, "weight_ih_ln.scale", "scaler"),
        ({"layernorm_ih_l0": np.ones(4, np.float32)}, "layernorm_ih_l0", "recurrent layer of another kind"),
        ({"h0": np.ones((1, 4), np.float32)}, "h0", "recurrent layer of another kind"),
        ({"own.table": np.ones((1, 4), np.float32)}, "own.table", "does not know"),
        ({"own.bias": np.ones(4, np.float32)}, "own.bias", "does not know"),
    ],
)
def test_what_edgelstm_lacks_is_refused_by_name(tmp_path, extra, tensor, feature):
    with pytest.raises(el.UnsupportedModelError, match=feature) as caught:
        imported(tmp_path, torch_zip(lstm_arrays(3, 4) | extra))
    assert repr(tensor) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_ih_l0": None}, "lacks its weight_ih"),
        ({"bias_hh_l0": None}, "lacks its bias_hh"),
        ({"weight_hh_l0": None}, "lacks its weight_hh"),
        ({"weight_hh_l0": np.zeros(4, np.float32)}, r"4\*hidden_size rows"),
        ({"weight_hh_l0": np.zeros((20, 4), np.float32)}, r"4\*hidden_size rows"),
        ({"weight_hh_l1": np.zeros((12, 4), np.float32)}, "of several kinds"),
        ({"weight_hr_l0": np.zeros((3, 5), np.float32)}, r"4\*hidden_size rows"),
        ({"weight_hh_l0_reverse": np.zeros((16, 4), np.float32)}, "lacks its weight_ih"),
        ({"weight_ih_l1_reverse": np.zeros((16, 4), np.float32), "weight_ih_l1": np.zeros((16, 4), np.float32)}, "lacks a direction"),
        ({"weight_hh_l0": np.zeros((16, 4), np.int8)}, "dtype int8"),
        ({"bias_hh_l0": np.zeros(1, np.float32)}, "must be equal"),
        ({"bias_hh_l0": np.full(16, 3e38, np.float64), "bias_ih_l0": np.full(16, 3e38, np.float64)}, "beyond float32"),
        ({"weight_ih_l0": np.full((16, 3), np.nan, np.float32)}, "NaN"),
        ({"weight_hh_l2": np.zeros((16, 4), np.float32)}, "not 0 to 1"),
        ({"weight_ih": np.zeros((16, 3), np.float32)}, "not 0 to 1"),
    ],
)
def test_lstm_tensors_that_do_not_fit_are_refused(tmp_path, change, message):
    arrays = {name: array for name, array in (lstm_arrays(3, 4) | change).items() if array is not None}
    with pytest.raises((el.UnsupportedModelError, el.ShapeError), match=message):
        imported(tmp_path, torch_zip(arrays))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("lstm, fc1:relu", "leave out fc2"),
        ("lstm, fc1, fc2, fc3", "'fc3', which the file does not hold"),
        ("lstm, fc1:swish, fc2", "'swish'"),
        ("lstm,, fc1, fc2", "item 2"),
        ("lstm, fc1:, fc2", "item 2"),
        ("", "item 1"),
        ("lstm, fc1, fc1, fc2", "'fc1' twice"),
        ("relu:relu, lstm, fc1, fc2", "'relu'"),
        ("lstm, fc1:normalizer, fc2", "fc1"),
        ("lstm, fc1:embedding, fc2", "cannot be an embedding"),
        ("lstm:embedding, fc1, fc2", "cannot be an embedding"),
    ],
)
def test_layers_that_cannot_be_meant_are_a_usage_error(tmp_path, layers, message):
    with pytest.raises(el.UsageError, match=message):
        imported(tmp_path, torch_zip(classifier()), layers=layers)


def test_an_order_that_does_not_fit_is_a_shape_error(tmp_path):
    with pytest.raises(el.ShapeError, match="is given"):
        imported(tmp_path, torch_zip(classifier()), layers="fc1, lstm, fc2")


def test_functions_stand_after_a_module_or_alone(tmp_path):
    model = imported(tmp_path, torch_zip(classifier()), layers="lstm:tanh, relu, fc1:linear, sigmoid, fc2, softmax").model
    steps = [layer.function if layer.kind == "activation" else layer.kind for layer in model.layers]
    assert steps == ["lstm", "tanh", "relu", "dense", "sigmoid", "dense", "softmax"]


def test_a_module_may_be_called_like_a_function_or_the_input(tmp_path):
    arrays = under("input", linear_arrays(3, 2)) | under("lstm", lstm_arrays(3, 4)) | under("softmax", linear_arrays(2, 4))
    model = imported(tmp_path, torch_zip(arrays), layers="input:relu, lstm, softmax:softmax").model
    assert [layer.kind for layer in model.layers] == ["dense", "activation", "lstm", "dense", "softmax"]


def test_a_table_without_bias_first_must_say_what_it_is(tmp_path):
    data = torch_zip(under("table", embedding(3, 3)) | under("lstm", lstm_arrays(3, 4)))
    with pytest.raises(el.UsageError, match="table:embedding"):
        imported(tmp_path, data, layers="table, lstm")
    assert imported(tmp_path, data, layers="table:embedding, lstm").model.takes_index
    assert not imported(tmp_path, data, layers="table:linear, lstm").model.takes_index


def test_a_normalizer_comes_from_its_buffers(tmp_path):
    buffers = {"mean": np.array([[1.0, 2.0, 3.0]]), "std": np.array([[2.0, 2.0, 4.0]])}
    result = imported(tmp_path, torch_zip(under("norm", buffers) | under("lstm", lstm_arrays(3, 4))), layers="norm:normalizer, lstm")
    np.testing.assert_array_equal(result.model.layers[0].scale, [2, 2, 4])
    assert any("float64" in note for note in result.notes)


@pytest.mark.parametrize(
    "text",
    [
        "norm:normalizer, emb:embedding, rnn.lstm, relu, fc:softmax",
        "rec, lin, add:input, add:rec",
        "'a,b':relu, 'c:d', 'it''s', ' blank'",
    ],
)
def test_chains_are_spelled_as_they_are_read(text):
    assert chain.spell(chain.parse(text)) == text
    assert chain.names(text)


@pytest.mark.parametrize(
    ("scaler", "line"),
    [
        ("StandardScaler", 'mean=checkpoint["s"].mean_, scale=checkpoint["s"].scale_'),
        ("MinMaxScaler", 'mean=-checkpoint["s"].min_ / checkpoint["s"].scale_, scale=1 / checkpoint["s"].scale_'),
        ("RobustScaler", "center_"),
        ("MaxAbsScaler", "scale_"),
    ],
)
def test_a_scaler_of_scikit_learn_gets_the_line_that_saves_it(tmp_path, scaler, line):
    data = torch_zip({"model": lstm_arrays(3, 4), "s": Call(f"sklearn.preprocessing._data.{scaler}")})
    (note,) = (note for note in imported(tmp_path, data).notes if scaler in note)
    assert "np.savez(" in note
    assert line in note
    with pytest.raises(el.ModelFileError, match="object of scikit-learn"):
        imported(tmp_path, torch_zip({"model": lstm_arrays(3, 4), "s": Call("sklearn.pipeline.Pipeline")}))


def test_weights_that_are_numpy_arrays_are_never_passed_over(tmp_path):
    array = Call("numpy.core.multiarray._reconstruct")
    data = torch_zip(under("lstm", lstm_arrays(3, 4)) | {"fc.weight": array, "fc.bias": array})
    with pytest.raises(el.ModelFileError, match=r"NumPy arrays \(fc.weight, fc.bias\) in place of tensors"):
        imported(tmp_path, data)
    assert imported(tmp_path, data, without="fc").chain == "lstm"


def test_an_initial_state_beyond_the_prefix_is_noted(tmp_path):
    data = torch_zip(under("lstm", lstm_arrays(3, 4)) | {"h0": np.ones((1, 4), np.float32), "c0": np.ones((1, 4), np.float32)})
    assert any("h0, c0" in note and "zeros" in note for note in imported(tmp_path, data, prefix="lstm").notes)
    assert not any("zeros" in note for note in imported(tmp_path, data).notes)
    assert not any("zeros" in note for note in imported(tmp_path, data, without="h0, c0").notes)


def test_chains_may_be_written_with_blanks_and_either_quote():
    assert chain.spell(chain.parse(" a :relu,b")) == "a:relu, b"
    assert [item.module for item in chain.parse("\"a,'b\" : relu ,'c\"d', don't")] == ["a,'b", 'c"d', "don't"]
    assert chain.names("aux, 'a,b' ,\"c:d\", e.weight") == ("aux", "a,b", "c:d", "e.weight")
    for wrong in ("", "a,", ",a", "a,,b"):
        with pytest.raises(el.UsageError, match="empty name"):
            chain.names(wrong)


@pytest.mark.parametrize(
    ("first", "asked"),
    [
        (embedding(8, 8), True),  # both fit
        (embedding(11, 8), False),  # as a Linear it would give 11 values
        (embedding(8, 5), False),  # as an Embedding it would give 5 values
        (embedding(11, 5), True),  # neither fits
    ],
)
@pytest.mark.parametrize("name", ["embed", "proj"])
def test_a_table_in_front_is_what_its_sizes_allow_whatever_it_is_called(tmp_path, first, asked, name):
    data = torch_zip(under(name, first) | under("lstm", lstm_arrays(8, 4)) | under("fc", linear_arrays(2, 4)))
    layers = f"{name}, lstm, fc"
    if asked:
        with pytest.raises(el.UsageError, match=f"{name}:embedding.*{name}:linear"):
            imported(tmp_path, data, layers=layers)
    else:
        assert imported(tmp_path, data, layers=layers).model.takes_index == (first["weight"].shape == (11, 8))


@pytest.mark.parametrize(
    ("name", "inputs", "hidden"),
    [("embedding", 8, 8), ("member_head", 8, 8), ("proj", 8, 8), ("embedding", 4, 8), ("member_head", 4, 8)],
)
def test_a_table_that_may_be_a_head_is_asked_about(tmp_path, name, inputs, hidden):
    data = torch_zip(under("lstm", lstm_arrays(inputs, hidden)) | under(name, embedding(5, hidden)))
    with pytest.raises(el.UnsupportedModelError, match="in which order"):
        imported(tmp_path, data)
    model = imported(tmp_path, data, layers=f"lstm, {name}").model
    assert [layer.kind for layer in model.layers] == ["lstm", "dense"]


@pytest.mark.parametrize("word", ["linear", "softmax", "tanh"])
def test_a_module_beyond_the_prefix_is_no_function(tmp_path, word):
    data = torch_zip(under("lstm", lstm_arrays(3, 8)) | under(word, linear_arrays(8, 8)))
    for options in ({"prefix": "lstm"}, {"without": word}):
        with pytest.raises(el.UsageError, match=f"{word}.*prefix or without leaves out"):
            imported(tmp_path, data, layers=f"lstm, {word}", **options)
    assert imported(tmp_path, data, layers=f"lstm, {word}").model.layers[1].kind == "dense"
    with pytest.raises(el.UsageError, match="'linear' alone"):
        imported(tmp_path, torch_zip(lstm_arrays(3, 8)), layers="lstm, linear")


def test_tensors_at_the_top_and_a_module_of_their_kind_are_two(tmp_path):
    data = torch_zip(linear_arrays(2, 5) | under("linear", linear_arrays(5, 8)) | under("lstm", lstm_arrays(3, 8)))
    model = imported(tmp_path, data, layers="lstm, linear:relu, top_linear").model
    assert model.layers[-1].weight.tobytes() == linear_arrays(2, 5)["weight"].tobytes()


def test_a_stack_stands_beside_a_module_that_is_called_like_its_layer(tmp_path):
    data = torch_zip(under("lstm", lstm_arrays(3, 8, 2)) | under("lstm_l0", linear_arrays(8, 8)) | under("lstm_l1", linear_arrays(2, 8)))
    model = imported(tmp_path, data, layers="lstm, lstm_l0:relu, lstm_l1").model
    assert [layer.kind for layer in model.layers] == ["lstm", "lstm", "dense", "activation", "dense"]
    assert len({layer.name for layer in model.layers}) == 5


def test_an_example_has_sizes_that_fit_or_is_not_given(tmp_path):
    parts = {"c": linear_arrays(2, 8), "b": linear_arrays(8, 9), "a": linear_arrays(9, 3)}
    tensors = {name: array for module, arrays in parts.items() for name, array in under(module, arrays).items()}
    data = torch_zip(under("lstm", lstm_arrays(8, 8)) | tensors)
    with pytest.raises(el.UnsupportedModelError, match=r'example: layers="a:\?, b, lstm, c"'):
        imported(tmp_path, data)
    with pytest.raises(el.UnsupportedModelError, match="no order of all of them fits") as caught:
        imported(tmp_path, torch_zip(under("lstm", lstm_arrays(8, 8)) | tensors | under("aux", linear_arrays(4, 77))))
    assert "without=" in str(caught.value)
    many = {name: array for index in range(400) for name, array in under(f"l{index}", linear_arrays(8, 8)).items()}
    with pytest.raises(el.UnsupportedModelError) as caught:
        imported(tmp_path, torch_zip(many))
    assert len(str(caught.value)) < 2200


def test_named_arrays_need_no_file():
    model, taken, _ = from_torch(under("lstm", lstm_arrays(3, 4)))
    assert (taken, model.input_size) == ("lstm", 3)
