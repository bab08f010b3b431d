"""What a model says of itself is taken as it is meant, or refused by the name of the field."""

from dataclasses import replace

import numpy as np
import pytest
from cli_calls import arrays, make_model

import edgelstm as el


@pytest.mark.parametrize(
    ("field", "given", "says"),
    [
        ("labels", 2, "a sequence of names, one for each output; got 2"),
        ("input_names", b"xyz", "a sequence of names, one for each input"),
        ("rate_hz", "50", "a positive number of samples a second; got '50'"),
        ("rate_hz", True, "a positive number of samples a second; got True"),
        ("rate_hz", float("nan"), "a positive number of samples a second; got nan"),
        ("window", 2.5, "a positive number of steps; got 2.5"),
        ("window", "20", "a positive number of steps; got '20'"),
        ("window", True, "a positive number of steps; got True"),
        ("stateful", "yes", "True, False or None; got 'yes'"),
        ("source", None, "text; got None"),
        ("probe", 3, "an edgelstm.Probe; got 3"),
        ("vocabulary", ["a"], "an edgelstm.Vocabulary; got"),
        ("statistics", 3, "edgelstm.InputStatistics; got 3"),
        ("layers", None, "a sequence of layers"),
        ("layers", 5, "a sequence of layers"),
        ("layers", el.LSTM(np.ones((16, 3)), np.ones((16, 4))), "a sequence of layers, such as [edgelstm.LSTM(…)]; got LSTM("),
    ],
)
def test_a_field_of_another_kind_is_refused(field, given, says):
    with pytest.raises(el.UsageError, match=f"^{field} must be ") as refusal:
        replace(make_model(), **{field: given})
    assert says in str(refusal.value)


def test_no_names_are_none():
    model = replace(make_model(), labels=None, input_names=None)
    assert (model.labels, model.input_names) == ((), ())


def test_numbers_of_numpy_are_numbers(tmp_path):
    el.save(
        replace(make_model(), rate_hz=np.float32(25), window=np.int64(7), stateful=np.bool_(0), labels=np.array(["a", "b"])), tmp_path / "m"
    )
    found = el.load(tmp_path / "m")
    assert (found.rate_hz, found.window, found.stateful, found.labels) == (25, 7, False, ("a", "b"))


def test_save_takes_a_model(tmp_path):
    with pytest.raises(el.UsageError, match="save takes a Model and a path; got Stream"):
        el.save(el.Stream(make_model()), tmp_path / "m.elstm")
    assert not list(tmp_path.iterdir())


def test_a_weight_that_cannot_become_an_array_is_named():
    class Parameter:
        def __array__(self, *_, **__):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")

    with pytest.raises(el.ShapeError, match=r"lstm: weight_ih must be .* tensor.detach\(\).numpy\(\) instead\."):
        el.LSTM(Parameter(), arrays()["lstm.weight_hh_l0"])


def test_layers_that_say_where_they_stand_are_held_as_they_are():
    """They are checked once, which is most of what loading a model takes beside its probe."""
    model = make_model()
    assert all(mine is given for mine, given in zip(el.Model(model.layers).layers, model.layers, strict=True))
