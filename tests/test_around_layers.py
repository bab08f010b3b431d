"""Layers around recurrent ones: their twins against frameworks, and their kernels against their twins in odd sizes."""

import numpy as np
import pytest
from conftest import TOLERANCE

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.reach import input_limit


def uniform(rng, *shape):
    return rng.uniform(-1, 1, shape)


#: Makes a layer of `size` inputs.
MAKERS = {
    "slice": lambda rng, size, **way: el.Slice(size // 3, size, **way),
    "batch_norm": lambda rng, size, **way: el.BatchNorm(uniform(rng, size), uniform(rng, size), **way),
    "prelu": lambda rng, size, **way: el.PReLU(uniform(rng, size), **way),
    "layer_norm": lambda rng, size, **way: el.LayerNorm(uniform(rng, size), uniform(rng, size), epsilon=1e-3, **way),
    "two groups": lambda rng, size, **way: el.LayerNorm(uniform(rng, size), groups=2 - size % 2, **way),
    "rms_norm": lambda rng, size, **way: el.RMSNorm(uniform(rng, size), **way),
    "unit_normalization": lambda rng, size, **way: el.UnitNormalization(**way),
    "grouped_dense": lambda rng, size, **way: el.GroupedDense(uniform(rng, 3 - size % 3, 5, size // (3 - size % 3)) / np.sqrt(size), **way),
}


@pytest.mark.parametrize("size", [2, 15, 64, 131])
def test_kernels_stay_with_their_twins(rng, size):
    """All kinds in one model, which multiplies and joins them."""
    layers = [el.Normalizer(np.zeros(size), np.ones(size), name="x"), el.Dense(uniform(rng, size, size) / size, name="d")]
    layers += [el.Mul(inputs=("x", "d", "x"), name="product")]
    fitting = [name for name in MAKERS if name != "grouped_dense" or size % (3 - size % 3) == 0]
    layers += [MAKERS[name](rng, size, name=name, inputs=("x",)) for name in fitting]
    model = el.Model([*layers, el.Concat(inputs=[layer.name for layer in layers[1:]])])
    xs = rng.normal(size=(60, size)).astype(np.float32)
    xs[3], xs[4] = 0, 1e-12  # nothing to scale: epsilon alone
    expected = reference.run(model, xs)
    error = np.abs(el.Stream(model).process(xs) - expected) / np.maximum(1, np.abs(expected))
    assert error.max() <= TOLERANCE["f32"]


def answer(layer, x):
    """The twin's answer to one vector."""
    return reference.twin(layer).step(layer, [np.asarray(x, np.float64)], ())[0]


def test_torch_has_the_same_norms(rng):
    torch = pytest.importorskip("torch")
    nn, functional = torch.nn, torch.nn.functional
    x = rng.normal(1, 2, 24)
    batch = torch.from_numpy(x.astype(np.float32))[None]
    layers = {
        "layer": (nn.LayerNorm(24, eps=1e-4), lambda m: el.LayerNorm(m.weight.numpy(), m.bias.numpy(), 1e-4)),
        "group": (nn.GroupNorm(4, 24, eps=1e-4), lambda m: el.LayerNorm(m.weight.numpy(), m.bias.numpy(), 1e-4, groups=4)),
        "rms": (nn.RMSNorm(24, eps=1e-4), lambda m: el.RMSNorm(m.weight.numpy(), 1e-4)),
        "prelu": (nn.PReLU(24), lambda m: el.PReLU(m.weight.numpy())),
    }
    with torch.no_grad():
        for name, (module, made) in layers.items():
            for parameter in module.parameters():
                parameter.copy_(torch.from_numpy(uniform(rng, *parameter.shape)))
            np.testing.assert_allclose(answer(made(module), x), module(batch)[0].numpy(), atol=2e-6, err_msg=name)
        np.testing.assert_allclose(answer(el.UnitNormalization(1e-24), x), functional.normalize(batch)[0].numpy(), atol=2e-6)
        norm = nn.BatchNorm1d(24).eval()
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            values.copy_(torch.from_numpy(rng.uniform(0.1, 1, 24)))
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        made = el.BatchNorm(scale.numpy(), (norm.bias - scale * norm.running_mean).numpy())
        np.testing.assert_allclose(answer(made, x), norm(batch)[0].numpy(), atol=2e-6)
        weight = uniform(rng, 4, 5, 6)
        expected = torch.einsum("gi,goi->go", torch.from_numpy(x.reshape(4, 6)), torch.from_numpy(weight)).numpy()
        np.testing.assert_allclose(answer(el.GroupedDense(weight), x), expected.ravel(), atol=2e-6)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_keras_has_the_same_norms(rng, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    keras = pytest.importorskip("keras")
    x = rng.normal(1, 2, 24)
    cases = [
        (keras.layers.UnitNormalization(), lambda m: el.UnitNormalization()),
        (keras.layers.LayerNormalization(), lambda m: el.LayerNorm(*m.get_weights(), epsilon=1e-3)),
        (keras.layers.RMSNormalization(), lambda m: el.RMSNorm(*m.get_weights(), epsilon=1e-6)),
    ]
    for module, made in cases:
        module.build((1, 24))
        module.set_weights([uniform(rng, *w.shape) for w in module.get_weights()])
        expected = keras.ops.convert_to_numpy(module(x[None].astype(np.float32)))[0]
        np.testing.assert_allclose(answer(made(module), x), expected, atol=2e-6)


def test_dtlns_instant_layer_norm_is_a_layer_norm(rng):
    """The formula of the DTLN package, written out."""
    x, gamma, beta = rng.normal(3, 1, 16), uniform(rng, 16), uniform(rng, 16)
    variance = np.mean(np.square(x - x.mean()))
    expected = (x - x.mean()) / np.sqrt(variance + 1e-7) * gamma + beta
    np.testing.assert_allclose(answer(el.LayerNorm(gamma, beta, epsilon=1e-7), x), expected, atol=1e-6)


def test_products_of_large_inputs_stay_finite():
    """Squares bound what a stream accepts."""
    identity = el.Normalizer([0, 0], [1, 1], name="x")
    for layers in ([el.Mul(inputs=("x", "x"))], [el.LayerNorm([1, 1])], [el.UnitNormalization()]):
        model = el.Model([identity, *layers])
        limit = input_limit(model)
        assert 2.0**50 <= limit <= 2.0**63
        assert np.isfinite(el.Stream(model).process(np.array([[limit, -limit], [limit, limit]], np.float32))).all()


def test_squares_of_squares_bound_inputs():
    """Of large inputs they are beyond float64 too."""
    squares = [el.Magnitude(bins, squared=True) for bins in (8, 4, 2, 1)]
    model = el.Model([el.Normalizer(np.zeros(16), np.ones(16)), *squares])
    limit = input_limit(model)
    assert 2.0**5 <= limit <= 2.0**7
    assert np.isfinite(el.Stream(model).process(np.full((2, 16), limit, np.float32))).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: el.Mul(inputs=("a",)), "two or more layers that it multiplies"),
        (lambda: el.Slice(3, 3), "stop must be above start"),
        (lambda: el.Slice(-1, 3), "start must be a whole number"),
        (lambda: el.Slice(1.0, 3), "start must be a whole number"),
        (lambda: el.Model([el.Dense(np.ones((4, 2))), el.Slice(2, 5)]), "takes the values 2 to 5 of 4"),
        (lambda: el.BatchNorm(np.ones(3), np.ones(2)), r"offset must have shape \(3,\)"),
        (lambda: el.LayerNorm(np.ones(6), groups=4), "groups must divide the 6 channels"),
        (lambda: el.LayerNorm(np.ones(6), groups=True), "groups must be a whole number"),
        (lambda: el.LayerNorm(np.ones(6), epsilon=0), "epsilon must be a number from 1e-30"),
        (lambda: el.RMSNorm(np.ones(6), epsilon=float("nan")), "epsilon must be a number from 1e-30"),
        (lambda: el.GroupedDense(np.ones((3, 2))), r"weight must have 3 dimension"),
        (lambda: el.GroupedDense(np.ones((2, 3, 4)), np.ones(5)), r"bias must have shape \(6,\)"),
        (lambda: el.Model([el.Normalizer([0] * 4, [1] * 4), el.PReLU(np.ones(3))]), "takes 3 inputs because slope has shape"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(el.ShapeError, match=says):
        make()


def test_tables_of_many_words():
    """A vocabulary beyond 65536, as trained taggers have; its last rows are looked up as its first ones."""
    weight = np.arange(100_000, dtype=np.float32)[:, None] * [1, -1]
    rows = np.array([0, 65_536, 99_999])
    assert np.array_equal(reference.run(el.Model((el.Embedding(weight),)), rows), weight[rows])
    with pytest.raises(el.ShapeError, match="dimensions beyond 2097152"):
        el.Embedding(np.ones((1 << 21 | 1, 1), np.float32))
