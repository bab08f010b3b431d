"""Short-time Fourier transforms: convolutions that are one, magnitudes, and a published net whose front end is one."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import TOLERANCE, samples
from documents import ROOT
from golden_files import golden_answers, golden_file

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.lowering import rule
from edgelstm.compiler.targets import host


def transform(size, hop, places, *, sign=-1, window=np.hanning):
    """A convolution whose kernel is a window times cosines and sines, as a file holds it."""
    turns = 2 * np.pi / size * np.outer(np.arange(size), np.arange(size // 2 + 1))
    kernel = window(size)[:, None] * np.concatenate([np.cos(turns), sign * np.sin(turns)], axis=1)
    return el.MapConv(kernel[:, None], shape=(size + hop * (places - 1), 1), strides=hop)


#: Size, hop, places and options: a power of two, vectors with a rest, one frame, a window that is not symmetric, the other sign.
CASES = {
    "powers of two": (64, 16, 5, {}),
    "with a rest": (100, 37, 3, {}),
    "one frame": (16, 1, 1, {}),
    "not symmetric": (48, 48, 2, {"window": lambda size: np.linspace(0.1, 1, size)}),
    "turning the other way": (32, 8, 7, {"sign": 1}),
}


@pytest.fixture(scope="module")
def answers():
    """By case: the layer, samples, and what one stream of all cases answers."""
    layers = {name: transform(*sizes, **options) for name, (*sizes, options) in CASES.items()}
    sizes = np.cumsum([0, *(layer.input_width for layer in layers.values())])
    first = el.Normalizer(np.zeros(sizes[-1]), np.ones(sizes[-1]), name="x")
    parts = [el.Slice(int(a), int(b), name=f"part {a}", inputs=["x"]) for a, b in pairwise(sizes)]
    made = [replace(layer, name=f"stft {part.start}", inputs=[part.name]) for layer, part in zip(layers.values(), parts, strict=True)]
    model = el.Model([first, *parts, *made, el.Concat(inputs=[layer.name for layer in made])])
    xs = samples(np.random.default_rng(3), model, 4)
    ys = el.Stream(model).process(xs)
    ends = np.cumsum([0, *(int(np.prod(layer.answer_shape)) for layer in made)])
    found = zip(layers.values(), sizes, sizes[1:], ends, ends[1:], strict=False)
    return {name: (layer, xs[:, a:b], ys[:, c:d]) for name, (layer, a, b, c, d) in zip(layers, found, strict=True)}


def kernel_of(layer):
    return rule(layer).lower(layer, [layer.input_width], host()).kernel


@pytest.mark.parametrize("case", CASES)
def test_a_folded_transform_answers_as_its_kernel(answers, case):
    layer, xs, ys = answers[case]
    assert kernel_of(layer) == "fourier_f32"
    expected = reference.run(el.Model([layer]), xs)
    assert np.abs(ys - expected).max() <= 2 * TOLERANCE["f32"] * max(1, np.abs(expected).max())


def test_other_kernels_are_multiplied_as_they_are():
    layer = transform(32, 8, 3)
    moved = layer.kernel.copy()
    moved[5, 0, 7] += 1e-5
    others = {
        "another number": {"kernel": moved},
        "a bias": {"bias": np.full(34, 0.1)},
        "padding": {"padding": ((1, 1),)},
        "imaginary parts first": {"kernel": layer.kernel[:, :, ::-1]},
    }
    for name, options in others.items():
        other = el.MapConv(**{"kernel": layer.kernel, "shape": layer.shape, "strides": 8, **options})
        assert kernel_of(other) == "map_conv_f32", name


def test_torch_transforms_alike():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, 400).astype(np.float32)
    model = el.Model([transform(64, 16, 22, window=lambda size: np.hanning(size + 1)[:-1]), el.Magnitude(33)])
    expected = torch.stft(torch.from_numpy(x), 64, 16, window=torch.hann_window(64), center=False, return_complex=True).abs().T
    np.testing.assert_allclose(reference.run(model, x[None])[0].reshape(22, 33), expected.numpy(), atol=2e-6)


def test_magnitudes_say_what_they_cannot_read():
    with pytest.raises(el.ShapeError, match="places of 10 values"):
        el.Model([el.Normalizer(np.zeros(14), np.ones(14)), el.Magnitude(5)])
    with pytest.raises(el.ShapeError, match="bins must be a whole number"):
        el.Magnitude(0)
    with pytest.raises(el.ShapeError, match="squared must be"):
        el.Magnitude(3, squared=1)


def test_silero_vad_whole_answers_as_its_own_runtime():
    """A step reads one chunk of 512 samples: the recipe of examples/voice."""
    model = el.load(golden_file("silero_vad/silero_vad_16k.safetensors"), recipe=ROOT / "examples/voice/silero_vad.toml")
    answers = golden_answers("silero_vad/golden.npz")
    if "audio" not in answers:
        pytest.skip("the audio is in ../shared/golden alone")
    stream = el.Stream(model)
    found = np.array([stream.step(chunk)[0] for chunk in answers["audio"].reshape(-1, 512)])
    assert np.abs(found - answers["st_prob"]).max() < 1e-5


#: Size and hop of blocks.
BLOCKS = [(8, 8), (8, 4), (9, 2), (7, 5), (200, 66), (130, 1)]


@pytest.mark.parametrize(("size", "hop"), BLOCKS, ids=str)
def test_overlapping_blocks_are_added(size, hop):
    xs = np.random.default_rng(size).uniform(-1, 1, (9, size)).astype(np.float32)
    expected = np.zeros(8 * hop + size)
    for t, x in enumerate(xs):
        expected[t * hop : t * hop + size] += x
    layer = el.OverlapAdd(size, hop)
    np.testing.assert_allclose(reference.run(el.Model([layer]), xs).ravel(), expected[: 9 * hop], atol=1e-12)
    if (size, hop) in BLOCKS[2:5]:
        np.testing.assert_allclose(el.Stream(el.Model([layer])).process(xs).ravel(), expected[: 9 * hop], atol=2e-6)


def test_torch_transposes_along_time_alike():
    """A transposed convolution along time: products of each row, laid a stride apart."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(5)
    layer, x = torch.nn.ConvTranspose1d(3, 4, 5, stride=2).double(), torch.randn(1, 3, 11, dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x)[0].T.numpy()
    weight, bias = (parameter.detach().numpy() for parameter in (layer.weight, layer.bias))
    model = el.Model(
        [
            el.Dense(weight.transpose(2, 1, 0).reshape(20, 3)),
            el.OverlapAdd(20, 8),
            el.BatchNorm(np.ones(8), np.tile(bias, 2)),
        ]
    )
    np.testing.assert_allclose(reference.run(model, x[0].T.numpy()).reshape(-1, 4), expected[:22], atol=1e-6)


def test_a_transform_and_its_inverse_give_the_samples_back():
    """Later by the size less the hop; Hann's windows, a quarter apart, sum to two."""
    size, hop = 64, 16
    model = el.Model([*el.STFT(size, hop), *el.InverseSTFT(size, hop, window=np.full(size, 0.5), inputs=["stft"])])
    x = np.random.default_rng(6).uniform(-1, 1, (40, hop)).astype(np.float32)
    y = el.Stream(model).process(x).ravel()
    np.testing.assert_allclose(y[size - hop :], x.ravel()[: hop - size], atol=1e-6)


def test_transforms_say_what_they_cannot_be():
    for size, hop in ((7, 7), (8, 3), (8, 0), (True, 1)):
        with pytest.raises(el.ShapeError, match="even and a multiple of hop"):
            el.STFT(size, hop)
    with pytest.raises(el.UsageError, match="window must be one of"):
        el.InverseSTFT(8, 4, window="kaiser", inputs=["x"])
    with pytest.raises(el.ShapeError, match="must have 8 values"):
        el.STFT(8, 4, window=np.ones(7))
    with pytest.raises(el.ShapeError, match="is longer than its blocks"):
        el.OverlapAdd(4, 5)


#: Hz that lie evenly on the mel scale from 0 to 11025, as librosa's documentation of ``mel_frequencies(n_mels=40)`` prints them.
EDGES = """
    0 85.317 170.635 255.952 341.269 426.586 511.904 597.221 682.538 767.855 853.173 938.49 1024.856 1119.114 1222.042 1334.436 1457.167
    1591.187 1737.532 1897.337 2071.84 2262.393 2470.47 2697.686 2945.799 3216.731 3512.582 3835.643 4188.417 4573.636 4994.285 5453.621
    5955.205 6502.92 7101.009 7754.107 8467.272 9246.028 10096.408 11025
"""


def test_bands_of_the_mel_scale():
    edges = np.array(EDGES.split(), float)
    size, rate = 1 << 15, 22050
    layer = el.Mel(38, size, rate, norm=None)
    bins = np.arange(size // 2 + 1) * rate / size
    triangles = [np.interp(bins, edges[k : k + 3], (0, 1, 0)) for k in range(38)]
    np.testing.assert_allclose(layer.weight, triangles, rtol=0, atol=2e-4)
    areas = el.Mel(38, size, rate).weight.sum(axis=1, dtype=np.float64) * rate / size
    np.testing.assert_allclose(areas, 1, rtol=0, atol=1e-4)


def test_bands_of_the_htk_scale():
    """1000 Hz are 1000 mels: ten bands of 100 mels, each highest where the next one begins. A bin is 1 Hz wide."""
    layer = el.Mel(9, 16000, 16000, high=1000, scale="htk", norm=None)
    edges = 700 * (10 ** (np.arange(11) * 100 / 2595) - 1)
    np.testing.assert_allclose(layer.weight.argmax(axis=1), edges[1:-1], rtol=0, atol=0.6)
    assert not layer.weight[:, 1001:].any()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"bands": 0}, "at least one band"),
        ({"high": 9000.0}, "half the rate"),
        ({"scale": "bark"}, "scale is one of"),
        ({"size": 5}, "even"),
    ],
)
def test_bands_that_cannot_be(given, told):
    with pytest.raises(el.EdgeLSTMError, match=told):
        el.Mel(**{"bands": 4, "size": 64, "rate": 16000, **given})


def test_a_front_end_of_log_mels(rng):
    """Samples, hop by hop, to logarithms of bands: as NumPy's transform of each block gives them."""
    size, hop, bands = 64, 16, 7
    front = [*el.STFT(size, hop), el.Magnitude(size // 2 + 1, squared=True), el.Mel(bands, size, 8000), el.Activation("log(1e-4)")]
    model = el.Model(front)
    xs = rng.normal(size=(20, hop)).astype(np.float32)
    xs[12:18] = 0
    padded = np.concatenate([np.zeros(size - hop), xs.ravel()])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    blocks = np.array([padded[t * hop : t * hop + size] for t in range(20)]) * window
    powers = np.abs(np.fft.rfft(blocks)) ** 2
    expected = np.log(np.maximum(powers @ model.layers[-2].weight.T.astype(np.float64), 1e-4))
    assert (expected == np.log(1e-4)).any()
    np.testing.assert_allclose(el.Stream(model).process(xs), expected, rtol=0, atol=2e-5)
