"""Every kind of layer beside a framework: those that no other file compares with one are compared with PyTorch here, within 1e-5."""

from pathlib import Path

import int8_records
import numpy as np
import pytest
from int8_records import hidden_int8
from kinds import conv_lstm_int8, in_halves, uniform
from stack_layers import functional, recurrent, tensor
from tflite_files import Network

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_tflite import file as tflite_file
from edgelstm.importers.from_tflite.chains import from_tflite
from edgelstm.layers import KINDS

#: Largest difference from the framework.
TOLERANCE = 1e-5

#: Steps, and the width of most samples; steps of x and h where they are whole numbers, powers of two, so that no product is rounded.
STEPS, WIDTH, X_STEP, H_STEP = 60, 4, 1 / 64, 1 / 128

#: Calibrated steps of a layer.
ROUNDING = {"input_scale": [X_STEP], "hidden_scale": [H_STEP]}

#: The file that compares a kind with a framework or a runtime, by kind.
ELSEWHERE = {
    **dict.fromkeys(("lstm",), "test_lstm_cells"),
    **dict.fromkeys(("dense", "activation"), "stack_layers"),
    **dict.fromkeys(("embedding", "prelu", "unit_normalization", "grouped_dense"), "test_around_layers"),
    **dict.fromkeys(("add", "mul", "concat", "slice", "batch_norm", "layer_norm", "rms_norm", "magnitude", "overlap_add"), "stack_layers"),
    **dict.fromkeys(("map_conv", "map_conv_transpose", "map_pool"), "test_maps"),
    **dict.fromkeys(("conv1d", "max_pool1d", "average_pool1d", "conv1d_int8"), "test_convolution"),
    **dict.fromkeys(("global_max_pool1d", "global_average_pool1d", "window"), "stack_layers"),
    **dict.fromkeys(("intra_rnn", "inter_rnn"), "test_frames"),
    **dict.fromkeys(("last", "attention_pool", "mask"), "test_recordings"),
    **dict.fromkeys(("repeat", "reverse"), "test_autoencoders"),
    **dict.fromkeys(("attention", "window_attention"), "test_attention"),
    **dict.fromkeys(("gru", "rnn"), "test_gru"),
    **dict.fromkeys(("min_gru", "min_lstm", "slstm"), "test_newer_cells"),
    "conv_lstm": "test_conv_lstm",
    "previous": "test_torch_loops_of_no_cell",
    **dict.fromkeys(("dynamic_lstm", "rescale"), "test_onnx_whole_numbers"),
    "lstm_int8_static": "test_int8_static_cells",
}


def normalizer(xs, rng):
    mean, scale = uniform(rng, WIDTH), rng.uniform(0.5, 2, WIDTH)
    layer = el.Normalizer(mean, scale)
    arrays = tensor(np.float32(mean)), tensor(np.float32(scale)) ** 2
    return layer, functional().batch_norm(tensor(xs), *arrays, eps=1e-12)


def softmax(xs, rng):
    return el.Softmax(), tensor(xs).softmax(1)


def log_softmax(xs, rng):
    return el.LogSoftmax(), tensor(xs).log_softmax(1)


def gather(xs, rng):
    numbers = rng.integers(0, WIDTH, 9)
    return el.Gather(numbers), tensor(xs)[:, tensor(numbers).long()]


def fake_quantize(xs, rng):
    torch, scale = pytest.importorskip("torch"), np.float32(rng.uniform(0.01, 0.02, WIDTH))
    layer = el.FakeQuantize(scale, np.full(WIDTH, -37), np.full(WIDTH, 50))
    given = torch.tensor(xs), torch.tensor(scale), torch.full((WIDTH,), 37, dtype=torch.int32)
    return layer, torch.fake_quantize_per_channel_affine(*given, 1, 0, 87)


def requantize(xs, rng):
    multiplier = np.float32(rng.uniform(20, 90, WIDTH))
    layer = el.Requantize(multiplier, np.full(WIDTH, -40), np.full(WIDTH, 33))
    return layer, (tensor(xs) * tensor(multiplier)).round().clamp(-40, 33)


def dynamic_fake_quantize(xs, rng):
    torch, rows = pytest.importorskip("torch"), []
    for row in torch.tensor(xs):
        low, high = row.min().clamp(max=0), row.max().clamp(min=0)
        step = (high - low) / 255
        rows.append(torch.fake_quantize_per_tensor_affine(row, float(step), int((-low / step).round()), 0, 255))
    return el.DynamicFakeQuantize("step"), torch.stack(rows)


def self_attention(xs, rng):
    rows = tensor(xs.repeat(3, axis=1))
    query, key, value = (part.reshape(STEPS, 2, -1).transpose(0, 1) for part in rows.split(WIDTH, dim=1))
    answers = functional().scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.7)
    repeated = el.Gather(np.arange(WIDTH).repeat(3))
    return [repeated, el.SelfAttention(WIDTH, heads=2, scale=0.7, causal=True)], answers.transpose(0, 1).reshape(STEPS, -1)


def halved(array):
    return tensor(array).half().double().numpy()


def lstm_half(xs, rng):
    arrays = [uniform(rng, *shape) for shape in ((12, WIDTH), (12, 3), (12,))]
    weights = halved(arrays[0]), halved(arrays[1]), np.float32(arrays[2])
    return in_halves([el.LSTM(*arrays)]), recurrent("LSTM", WIDTH, *weights, 0 * arrays[2])(tensor(xs.T)).T


def gru_half(xs, rng):
    arrays = [uniform(rng, *shape) for shape in ((9, WIDTH), (9, 3), (9,), (9,))]
    weights = halved(arrays[0]), halved(arrays[1]), *map(np.float32, arrays[2:])
    return in_halves([el.GRU(*arrays)]), recurrent("GRU", WIDTH, *weights)(tensor(xs.T)).T


def dense_half(xs, rng):
    weight, bias = uniform(rng, 5, WIDTH), uniform(rng, 5)
    return in_halves([el.Dense(weight, bias)]), functional().linear(tensor(xs), tensor(halved(weight)), tensor(np.float32(bias)))


def rounded(x, step):
    """Values as whole numbers of steps, by torch's own quantiser."""
    torch = pytest.importorskip("torch")
    return torch.fake_quantize_per_tensor_affine(x.float(), step, 0, -127, 127).double()


def dense_int8(xs, rng):
    weight, scale, bias = int8_records.integers(rng, 5, WIDTH), np.float32(rng.uniform(0.5, 1, 5) / 100), np.float32(uniform(rng, 5))
    layer = el.DenseInt8("int8-dynamic", weight, scale, bias, [X_STEP])
    return layer, functional().linear(rounded(tensor(xs), X_STEP), tensor(weight * scale[:, None].astype(np.float64)), tensor(bias))


def floats_of(layer, scale_ih):
    """Weights of x and h as the numbers that they stand for."""
    pairs = (layer.weight_ih, scale_ih), (layer.weight_hh, layer.scale_hh)
    return [tensor(weight * scale[:, None].astype(np.float64)) for weight, scale in pairs]


def lstm_int8_of_floats(xs, rng):
    layer = int8_records.lstm_int8(rng, WIDTH, 3, "int8-weight")
    return layer, recurrent("LSTM", WIDTH, *floats_of(layer, layer.scale_ih), layer.bias, 0 * layer.bias)(tensor(xs.T)).T


def lstm_int8(xs, rng):
    torch, layer = pytest.importorskip("torch"), int8_records.lstm_int8(rng, WIDTH, 3, "int8-dynamic", calibrated=True)
    layer = el.LSTMInt8("int8-dynamic", layer.weight_ih, layer.weight_hh, layer.scale_hh, layer.bias, **ROUNDING)
    cell = torch.nn.LSTMCell(WIDTH, 3).double()
    arrays = *floats_of(layer, layer.weight_scale_ih), tensor(layer.rounded_bias), tensor(0 * layer.bias)
    with torch.no_grad():
        for parameter, array in zip(cell.parameters(), arrays, strict=True):
            parameter.copy_(array)
        h, c, rows = tensor(np.zeros((1, 3))), tensor(np.zeros((1, 3))), []
        for x in rounded(tensor(xs), X_STEP):
            h, c = cell(x[None], (rounded(h, H_STEP), c))
            rows.append(h[0])
    return layer, torch.stack(rows)


def gru_int8_of_floats(xs, rng):
    layer = hidden_int8(rng, el.GRUInt8, WIDTH, 3, "int8-weight")
    return layer, recurrent("GRU", WIDTH, *floats_of(layer, layer.scale_ih), layer.bias_ih, layer.bias_hh)(tensor(xs.T)).T


def gru_int8(xs, rng):
    torch, layer = pytest.importorskip("torch"), hidden_int8(rng, el.GRUInt8, WIDTH, 3, "int8-dynamic", **ROUNDING)
    weight_ih, weight_hh = floats_of(layer, layer.scale_ih)
    h, rows = tensor(np.zeros(3)), []
    for x in rounded(tensor(xs), X_STEP):
        of_x, of_h = weight_ih @ x + tensor(layer.bias_ih), weight_hh @ rounded(h, H_STEP) + tensor(layer.bias_hh)
        r, z = (of_x + of_h)[:6].sigmoid().split(3)
        h = z * h + (1 - z) * (of_x[6:] + r * of_h[6:]).tanh()
        rows.append(h)
    return layer, torch.stack(rows)


def rnn_int8_of_floats(xs, rng):
    layer = hidden_int8(rng, el.RNNInt8, WIDTH, 3, "int8-weight")
    return layer, recurrent("RNN", WIDTH, *floats_of(layer, layer.scale_ih), layer.bias, 0 * layer.bias)(tensor(xs.T)).T


def rnn_int8(xs, rng):
    torch, layer = pytest.importorskip("torch"), hidden_int8(rng, el.RNNInt8, WIDTH, 3, "int8-dynamic", **ROUNDING)
    weight_ih, weight_hh = floats_of(layer, layer.scale_ih)
    h, rows = tensor(np.zeros(3)), []
    for x in rounded(tensor(xs), X_STEP):
        h = (weight_ih @ x + weight_hh @ rounded(h, H_STEP) + tensor(layer.bias)).tanh()
        rows.append(h)
    return layer, torch.stack(rows)


def conv_lstm_int8_of_floats(xs, rng):
    """Maps of two rows and two columns of one channel."""
    torch, layer = pytest.importorskip("torch"), conv_lstm_int8(rng, (2, 2, 1), 3, (3, 3))
    kernels = (layer.kernel, layer.scale), (layer.recurrent_kernel, layer.recurrent_scale)
    of_x, of_h = (tensor(kernel * scale.astype(np.float64)).permute(3, 2, 0, 1) for kernel, scale in kernels)
    h, c, rows = tensor(np.zeros((1, 3, 2, 2))), tensor(np.zeros((1, 3, 2, 2))), []
    for x in tensor(xs).reshape(STEPS, 1, 1, 2, 2):
        sums = functional().conv2d(x, of_x, tensor(layer.bias), padding=1) + functional().conv2d(h, of_h, padding=1)
        i, f, g, o = sums.split(3, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        rows.append(h[0].permute(1, 2, 0).reshape(-1))
    return layer, torch.stack(rows)


MAKERS = (
    *(normalizer, softmax, log_softmax, gather, fake_quantize, requantize, dynamic_fake_quantize, self_attention),
    *(lstm_half, gru_half, dense_half, dense_int8, lstm_int8, lstm_int8_of_floats, gru_int8, gru_int8_of_floats),
    *(rnn_int8, rnn_int8_of_floats, conv_lstm_int8_of_floats),
)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_kind_answers_as_torch_does(make, rng):
    pytest.importorskip("torch")
    xs = rng.uniform(-1, 1, (STEPS, WIDTH)).astype(np.float32)
    made, expected = make(xs, rng)
    plain = el.Normalizer(np.zeros(WIDTH), np.ones(WIDTH))  # says how wide samples are
    found = reference.run(el.Model([plain, *(made if isinstance(made, list) else [made])]), xs)
    assert np.ptp(found) > 0.1
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=0, atol=TOLERANCE)


def dense_int8_static(rng):
    """A file's dense layer in integers alone, and its samples: (file, levels of x)."""
    network, scales = Network(), rng.uniform(0.003, 0.01, 5).astype(np.float32)
    x, y = network.tensor("int8", (1, WIDTH), 0.02, 7), network.tensor("int8", (1, 5), 0.05, 11)
    weight = network.constant(int8_records.integers(rng, 5, WIDTH), scales)
    network.tensors[weight][4][6] = ("i", 0)
    bias = network.constant(rng.integers(-3000, 3000, 5).astype(np.int32), scales * np.float32(0.02))
    network.operator("FULLY_CONNECTED", [x, weight, bias], [y], {0: ("b", 0)}, options_type=8)
    network.inputs, network.outputs = [x], [y]
    return network.bytes(), rng.integers(-128, 128, (STEPS, WIDTH)).astype(np.int8)


def test_a_dense_layer_in_integers_answers_as_litert(rng):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    data, levels = dense_int8_static(rng)
    interpreter = litert.Interpreter(model_content=data, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    x, y = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    expected = []
    for row in levels:
        interpreter.set_tensor(x, row[None])
        interpreter.invoke()
        expected.append(interpreter.get_tensor(y)[0])
    model = from_tflite(tflite_file.read(data))[0]
    assert [layer.kind for layer in model.layers] == ["dense_int8_static"]
    found = reference.run(model, np.float32(0.02) * (levels.astype(np.float32) - 7))
    np.testing.assert_array_equal(np.rint(found / 0.05) + 11, expected)


def test_every_kind_is_compared_with_a_framework():
    """A kind that comes is compared here, or says where it is."""
    here = {make.__name__.removesuffix("_of_floats") for make in (*MAKERS, dense_int8_static)}
    assert here | set(ELSEWHERE) == set(KINDS)
    assert not here & set(ELSEWHERE)
    for kind, file in ELSEWHERE.items():
        text = Path(__file__).with_name(f"{file}.py").read_text(encoding="utf-8")
        assert f"el.{KINDS[kind][1]}" in text or kind in text, f"{file} knows no {kind}"
        assert "importorskip" in text, f"{file} asks no framework"
