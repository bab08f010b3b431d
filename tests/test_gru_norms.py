"""GRU layers with layer normalisation: what fits, what is refused, and a table in front of one."""

import numpy as np
import pytest
from conftest import TOLERANCE
from test_gru import worst

import edgelstm as el


def normed(**options):
    return el.GRU(np.ones((9, 2)), np.ones((9, 3)), **{"norm": "joint", "norm_weight": np.ones(9), **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"norm": "tf1"}, "norm 'tf1' is not one of joint, torch"),
        ({"norm": "torch"}, "needs a norm_weight_hh"),
        ({"norm_weight_hh": np.ones(9)}, "takes no norm_weight_hh"),
        ({"norm_start_hh": np.ones(9)}, "takes no norm_start_hh"),
        ({"norm_weight": np.ones(8)}, "norm_weight must have shape"),
        ({"norm_groups": (1, 1)}, "norm_groups"),
        ({"reset_after": False}, "n by itself in norm_groups"),
        ({"norm": None, "norm_weight": None, "norm_epsilon": 1e-3}, "belong to a norm"),
        ({"gate_activation": "relu"}, "gates of sigmoid"),
    ],
)
def test_a_norm_that_does_not_fit_is_refused(options, said):
    with pytest.raises(el.errors.EdgeLSTMError, match=said):
        normed(**options)


def test_no_scheme_has_a_gru_with_a_norm():
    windows = np.zeros((2, 8, 2), np.float32)
    for scheme in ("f16-weight", "int8-weight"):
        with pytest.raises(el.errors.UnsupportedModelError, match="no scheme has a GRU with norm='joint'"):
            el.quantize(el.Model([normed()]), windows, scheme=scheme)


def test_a_table_in_front_of_a_norm_is_folded(rng):
    """Into the products of x, to which what is added inside the norm belongs."""
    table, options = rng.uniform(-1, 1, (7, 4)), {"norm": "torch", "norm_weight": np.full(15, 0.8), "norm_weight_hh": np.full(15, 0.3)}
    options |= {"norm_start_ih": rng.uniform(-1, 1, 15), "norm_start_hh": rng.uniform(-1, 1, 15)}
    layer = el.GRU(rng.uniform(-1, 1, (15, 4)), rng.uniform(-1, 1, (15, 5)), **options)
    model, xs = el.Model([el.Embedding(table), layer]), rng.integers(7, size=(30, 1))
    assert worst(model, xs.astype(np.float32)) <= TOLERANCE["golden"]
