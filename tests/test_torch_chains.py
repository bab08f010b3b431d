"""The order of layers in a checkpoint of PyTorch: taken where there is one, refused or asked about where there are several."""

import numpy as np
import pytest
from torch_files import (
    classifier,
    conv_arrays,
    gru_arrays,
    imported,
    linear_arrays,
    lstm_arrays,
    norm_arrays,
    rnn_arrays,
    torch_zip,
    under,
)

import edgelstm as el
from edgelstm.importers import chain


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
    with pytest.raises(el.UnsupportedModelError, match=r'example: layers="a:\?, b:\?, lstm, c"'):
        imported(tmp_path, data)
    with pytest.raises(el.UnsupportedModelError, match="no order of all of them fits") as caught:
        imported(tmp_path, torch_zip(under("lstm", lstm_arrays(8, 8)) | tensors | under("aux", linear_arrays(4, 77))))
    assert "without=" in str(caught.value)
    many = {name: array for index in range(400) for name, array in under(f"l{index}", linear_arrays(8, 8)).items()}
    with pytest.raises(el.UnsupportedModelError) as caught:
        imported(tmp_path, torch_zip(many))
    assert len(str(caught.value)) < 2200


def test_of_a_crf_the_scores_that_it_decodes_are_the_answer(tmp_path):
    tagger = under("emb", embedding(9, 5)) | under("lstm", lstm_arrays(5, 4)) | under("tags", linear_arrays(3, 4))
    ends = {"start_transitions": np.ones(3, np.float32), "end_transitions": np.ones(3, np.float32)}
    for crf in ({"crf.transitions": np.ones((3, 3), np.float32)} | under("crf", ends), {"transitions": np.ones((3, 3), np.float32)}):
        taken = imported(tmp_path, torch_zip(tagger | crf))
        assert taken.chain == imported(tmp_path, torch_zip(tagger)).chain
        assert any("crf.transitions" in note or "transitions: a CRF" in note for note in taken.notes)
    for other in (np.ones((4, 4), np.float32), np.ones((3, 4), np.float32)):
        with pytest.raises(el.UnsupportedModelError, match="CRF"):
            imported(tmp_path, torch_zip(tagger | {"crf.transitions": other}))


def test_an_encoder_and_a_decoder_that_attends_are_two_networks(tmp_path):
    arrays = under("encoder.emb", embedding(12, 5)) | under("encoder.rnn", lstm_arrays(5, 8))
    arrays |= under("decoder.emb", embedding(9, 5)) | under("decoder.rnn", lstm_arrays(13, 8)) | under("decoder.attn", linear_arrays(8, 8))
    arrays |= under("decoder.linear", linear_arrays(9, 8))
    with pytest.raises(el.UnsupportedModelError, match=r'two networks.*prefix="encoder.rnn"|two networks.*prefix="encoder"') as refused:
        imported(tmp_path, torch_zip(arrays))
    prefix = str(refused.value).partition('prefix="')[2].partition('"')[0]
    assert len(imported(tmp_path, torch_zip(arrays), prefix=prefix).model.layers) == 2


def test_of_a_head_that_would_fit_before_its_recurrence_is_said_that_it_may_be_one(tmp_path):
    arrays = under("rnn", gru_arrays(3, 6)) | under("a", linear_arrays(2, 6)) | under("b", linear_arrays(3, 6))
    with pytest.raises(el.UnsupportedModelError, match="in another order: if several read one layer, as heads do"):
        imported(tmp_path, torch_zip(arrays))
