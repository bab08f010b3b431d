"""Arguments of another kind than a function takes are refused by their name, not by whatever line they reach."""

import numpy as np
import pytest
from cli_calls import arrays, make_model

import edgelstm as el

MODEL = make_model()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"period": "1"}, "period must be a number of seconds; got '1'"),
        ({"period": None}, "period must be a number of seconds; got None"),
        ({"max_gap": "1"}, "max_gap must be a number of seconds; got '1'"),
        ({"jitter": [1]}, "jitter must be a number of seconds"),
    ],
)
def test_a_grid_is_made_of_numbers(given, says):
    with pytest.raises(el.UsageError, match=says):
        el.Timed(el.Stream(MODEL), **{"period": 0.02, **given})
    assert el.Timed(el.Stream(MODEL), np.float32(0.5), max_gap=None).step([0, 0, 0], 1).shape == (1, 2)


def test_time_is_for_streams():
    with pytest.raises(el.UsageError, match=r"Timed steps a Stream; got Model.*edgelstm\.Stream\(model\)"):
        el.Timed(MODEL, 0.02)
    with pytest.raises(el.UsageError, match=r"TimedBank steps a StreamBank; got Model"):
        el.TimedBank(MODEL, 0.02)


@pytest.mark.parametrize("windows", [None, 3])
def test_windows_are_arrays(windows):
    with pytest.raises(el.InputError, match=rf"windows must be arrays of samples, \(time, 3\) each; got {windows}"):
        el.quantize(MODEL, windows)


def test_names_of_layers_are_names(rng):
    windows = rng.normal(size=(4, 100, 3))
    with pytest.raises(el.UsageError, match="keep takes names of layers; got 3"):
        el.quantize(MODEL, windows, keep=3)
    assert el.quantize(MODEL, windows, keep=None).scheme == "int8-dynamic"


@pytest.mark.parametrize("model", [None, "gesture.elstm"])
def test_build_takes_a_model(model):
    with pytest.raises(el.UsageError, match="build takes a Model; got "):
        el.build(model)


@pytest.mark.parametrize("target", [None, 4])
def test_build_takes_the_name_of_a_target(target):
    with pytest.raises(el.UsageError, match=f"target is the name of a target, or a Target; got {target}"):
        el.build(MODEL, target)


@pytest.mark.parametrize(("option", "given"), [("layers", ["lstm", "fc"]), ("layers", 3), ("prefix", 3), ("without", ["aux"])])
def test_what_is_said_of_a_file_is_text(option, given, tmp_path):
    with pytest.raises(el.UsageError, match=f"{option} is text, as in {option}=") as refusal:
        el.from_torch(arrays(), **{option: given})
    assert repr(given) in str(refusal.value)
    np.savez(tmp_path / "m.npz", **arrays())
    with pytest.raises(el.UsageError, match=f"{option} is text"):
        el.load(tmp_path / "m.npz", **{option: given})
    with pytest.raises(el.UsageError, match="sizes is text"):
        el.load(tmp_path / "m.npz", sizes={"input": 3})


@pytest.mark.parametrize(
    ("kind", "said", "told"),
    [
        (TypeError, "Got unsupported ScalarType BFloat16", "got unsupported ScalarType BFloat16."),
        (RuntimeError, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.", "; Can't call numpy() on"),
    ],
)
def test_what_others_say_of_their_samples_is_a_sentence(kind, said, told):
    class Tensor:
        def __array__(self, *_, **__):
            raise kind(said)

    with pytest.raises(el.InputError) as refusal:
        el.Stream(MODEL).step(Tensor())
    assert told in str(refusal.value)
    assert "got Can" not in str(refusal.value)
