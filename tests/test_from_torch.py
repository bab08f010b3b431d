"""PyTorch's tensors become models in the stated order, in the only possible one, or not at all."""

import numpy as np
import pytest
from torch_files import (
    Call,
    classifier,
    imported,
    linear_arrays,
    lstm_arrays,
    torch_legacy,
    torch_zip,
    under,
)

import edgelstm as el
from edgelstm.importers.from_torch.chains import from_torch

WRITERS = {"zip": torch_zip, "legacy": torch_legacy}


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
        ({"block.learnable_skip": np.ones(4, np.float32)}, "block.learnable_skip", "mLSTM of xLSTM"),
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


def test_a_normalizer_comes_from_its_buffers(tmp_path):
    buffers = {"mean": np.array([[1.0, 2.0, 3.0]]), "std": np.array([[2.0, 2.0, 4.0]])}
    result = imported(tmp_path, torch_zip(under("norm", buffers) | under("lstm", lstm_arrays(3, 4))), layers="norm:normalizer, lstm")
    np.testing.assert_array_equal(result.model.layers[0].scale, [2, 2, 4])
    assert any("float64" in note for note in result.notes)


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


def test_named_arrays_need_no_file():
    model, taken, _ = from_torch(under("lstm", lstm_arrays(3, 4)))
    assert (taken, model.input_size) == ("lstm", 3)
