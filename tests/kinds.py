"""One model for every kind of layer, for the laws that hold for all of them (`test_every_kind`), and the records that other tests share."""

from dataclasses import fields, replace
from functools import cache

import numpy as np
from conftest import lstm_layers
from int8_records import dense_int8_static, gru_int8, integers, lstm_int8, lstm_int8_static, rnn_int8, static_of_every_option
from lstm_cells import MODELS as LSTM_MODELS

import edgelstm as el
from edgelstm.layers import KINDS


def uniform(rng, *shape):
    return rng.uniform(-0.5, 0.5, shape)


def three_to_nine(rng):
    """The one LSTM of most models below: a process makes the code of one size once, and that takes seconds."""
    return lstm_layers(rng, 3, 9, 1)


def behind_lstm(layer):
    """The layer behind an LSTM of nine units that reads three values."""
    return lambda rng: [*three_to_nine(rng), layer(rng)]


def conv_lstm(rng, shape, channels, window, **options):
    """Weights as Keras begins, within +-sqrt(6 / (in + out))."""
    k = [np.sqrt(6 / (np.prod(window) * (c + channels))) for c in (shape[-1], channels)]
    weights = [rng.uniform(-a, a, (*window, c, 4 * channels)) for a, c in zip(k, (shape[-1], channels), strict=True)]
    return el.ConvLSTM(*weights, uniform(rng, 4 * channels), shape=shape, **options)


def conv_lstm_int8(rng, shape, channels, window, **options):
    """Kernels of integers whose weights are as those."""
    plain = conv_lstm(rng, shape, channels, window, **options)
    kernels, scales = [], []
    for kernel in (plain.kernel, plain.recurrent_kernel):
        scales.append(rng.uniform(0.5, 1, 4 * channels) * np.abs(kernel).max() / 127)
        kernels.append(rng.integers(-127, 128, kernel.shape).astype(np.int8))
    given = {field.name: getattr(plain, field.name) for field in fields(plain)}
    return el.ConvLSTMInt8(**given | dict(zip(("kernel", "recurrent_kernel", "scale", "recurrent_scale"), kernels + scales, strict=True)))


def before_dense(rng):
    """The maps of a layer with int8 kernels, summed up."""
    return [conv_lstm_int8(rng, (5, 4, 3), 5, (2, 3), peephole=uniform(rng, 3, 5)), el.Dense(uniform(rng, 4, 100) / 5)]


def before_lstm(layer, size):
    """The layer before an LSTM, which reads three sums of its `size` values."""
    return lambda rng: [layer(rng), el.Dense(uniform(rng, 3, size) * np.sqrt(4 / size)), *three_to_nine(rng)]


def lstm(rng):
    return lstm_layers(rng, 5, 13, 2, trained_start=True)


def embedding(rng):
    return [el.Embedding(uniform(rng, 11, 3)), *three_to_nine(rng)]


def normalizer(rng):
    return [el.Normalizer(uniform(rng, 3), rng.uniform(0.5, 2, 3)), *three_to_nine(rng)]


def around_lstm(layer):
    """What joins the input with three sums of an LSTM's units."""
    return lambda rng: [*three_to_nine(rng), el.Dense(uniform(rng, 3, 9), name="sums"), layer(inputs=("sums", "input"))]


def conv1d(rng):
    return [
        el.Conv1D(uniform(rng, 8, 3, 5), uniform(rng, 8), stride=2, dilation=2),
        el.Activation("relu"),
        el.Conv1D(uniform(rng, 6, 4, 3), uniform(rng, 6), groups=2, padding="valid"),
        el.Dense(uniform(rng, 3, 6)),
        *three_to_nine(rng),
    ]


def gru(rng):
    """Both conventions of the reset gate, a trained start, a clip."""
    shapes = (39, 5), (39, 13), (39,), (39,), (13,)
    first = el.GRU(*(uniform(rng, *shape) for shape in shapes))
    shapes = (27, 13), (27, 9), (27,), (27,)
    return [first, el.GRU(*(uniform(rng, *shape) for shape in shapes), reset_after=False, gate_clip=0.7)]


def gru_norms(rng):
    """Layer normalisation of x and h together and apart, by groups of gates; the reset gate before the product; a trained start.

    Products are large and gains of h small: dividing by a small deviation enlarges rounding, in whatever order float32 is summed.
    """

    def layer(hidden, start=False, **options):
        rows = 3 * hidden
        options["norm_weight"] = rng.uniform(0.4, 1.2, rows)
        if options["norm"] == "torch":
            options |= {"norm_weight_hh": rng.uniform(0.1, 0.4, rows), "norm_start_hh": uniform(rng, rows)}
        if start:
            options |= {"h0": uniform(rng, hidden), "norm_start_ih": uniform(rng, rows)}
        weights = uniform(rng, rows, 5), uniform(rng, rows, hidden), uniform(rng, rows), uniform(rng, rows)
        return el.GRU(*weights, name=f"gru{hidden}", inputs=["input"], **options)

    layers = [
        layer(13, True, norm="joint"),
        layer(9, norm="joint", norm_groups=(2, 1), reset_after=False, gate_clip=2.0),
        layer(18, True, norm="torch"),
        layer(70, norm="torch", norm_groups=(1, 1, 1), cell_activation="relu"),
    ]
    return [*layers, el.Dense(uniform(rng, 5, 110) / 3, inputs=[one.name for one in layers])]


def intra_rnn(rng):
    """Rows from either end, and what the cell ends with; more rows than a block has, widths that vectors do not divide."""
    (first,) = lstm_layers(rng, 3, 5, 1, trained_start=True)
    last = el.GRU(uniform(rng, 18, 10), uniform(rng, 18, 6), uniform(rng, 18), uniform(rng, 18))
    return [
        el.IntraRNN(first, 19, name="forward", inputs=("input",)),
        el.IntraRNN(replace(first, reverse=True), 19, name="backward", inputs=("input",)),
        el.Add(name="both", inputs=("forward", "backward")),
        el.Gather(np.arange(90)),
        el.IntraRNN(replace(last, reverse=True), 9, last=True),
    ]


def inter_rnn(rng):
    """A state for each row, of two kinds of cells."""
    (first,) = lstm_layers(rng, 3, 5, 1, trained_start=True)
    second = el.RNN(uniform(rng, 6, 5) / 2, uniform(rng, 6, 6) / 4, uniform(rng, 6), uniform(rng, 6))
    return [el.InterRNN(first, 7), el.InterRNN(second, 7), el.Dense(uniform(rng, 4, 42))]


def rnn(rng):
    first = el.RNN(uniform(rng, 13, 5), uniform(rng, 13, 13), uniform(rng, 13), uniform(rng, 13))
    return [first, el.RNN(uniform(rng, 9, 13), uniform(rng, 9, 9) / 4, uniform(rng, 9), activation="relu", gate_clip=3)]


def in_halves(layers):
    """Layers with weights in half precision, where there is such a record of them."""
    records = {record.float_kind: record for record in (el.LSTMHalf, el.GRUHalf, el.DenseHalf)}
    return [
        records[layer.kind](**{f.name: getattr(layer, f.name) for f in fields(layer)}) if layer.kind in records else layer
        for layer in layers
    ]


def lstm_half(rng):
    """A plain cell with a trained start, and one with options: three gates have rows, a norm, a projection."""
    options = {"coupled": "f=1-i", "peephole": uniform(rng, 3, 11), "norm": "tflite", "norm_weight": uniform(rng, 44), "cell_clip": 2.0}
    weights = [uniform(rng, 44, 13), uniform(rng, 44, 6), uniform(rng, 44)]
    return in_halves([*lstm_layers(rng, 5, 13, 1, trained_start=True), el.LSTM(*weights, weight_hr=uniform(rng, 6, 11), **options)])


def dense_half(rng):
    """Many outputs, an odd number of them in the last tile, and few, of more inputs than one vector has."""
    sizes = (9, 69), (69, 70), (70, 3)
    dense = [el.Dense(uniform(rng, outputs, size) / 3, uniform(rng, outputs)) for size, outputs in sizes]
    return [*lstm_layers(rng, 5, 9, 1), *in_halves(dense)]


def slstm(rng):
    """Heads that vectors divide, and heads that they do not."""
    return [el.SLSTM(uniform(rng, 48, 5), uniform(rng, 48, 4), uniform(rng, 48)), el.SLSTM(uniform(rng, 24, 12), uniform(rng, 24, 3))]


def masked(rng):
    """Padding before, between and behind samples: an index that stands for it, and layers that pass it over."""
    first, second = lstm_layers(rng, 6, 7, 1)[0], lstm_layers(rng, 7, 5, 1)[0]
    return [
        el.Embedding(uniform(rng, 4, 6), name="table", inputs=("input",)),
        el.Mask(1, name="mask", inputs=("input",)),
        replace(first, mask="zero", name="first", inputs=("table", "mask")),
        replace(second, mask="repeat", inputs=("first", "mask")),
    ]


def self_attention(rng):
    """Of two heads over all rows, and by additive scores over those before."""
    (first,) = three_to_nine(rng)
    return [
        replace(first, name="rows"),
        el.Dense(4 * uniform(rng, 8, 9), name="query"),
        el.Dense(4 * uniform(rng, 8, 9), name="key", inputs=("rows",)),
        el.SelfAttention(8, heads=2, scale=0.5, name="all", inputs=("query", "key", "key", "query")),
        el.SelfAttention(9, "additive", vector=4 * uniform(rng, 9), causal=True, name="before", inputs=("rows", "rows", "query")),
        el.Dense(uniform(rng, 4, 24), inputs=("all", "before")),
    ]


def window_attention(rng):
    """Over few rows of two heads, and over more than a block by additive scores."""
    (first,) = three_to_nine(rng)
    few = el.WindowAttention(8, 3, heads=2, scale=0.5, name="few", inputs=("query", "key", "key"))
    more = el.WindowAttention(9, 23, "additive", vector=4 * uniform(rng, 9), name="more", inputs=("rows", "rows", "query"))
    return [
        replace(first, name="rows"),
        el.Dense(4 * uniform(rng, 8, 9), name="query"),
        el.Dense(4 * uniform(rng, 8, 9), name="key", inputs=("rows",)),
        few,
        more,
        el.Dense(uniform(rng, 4, 16), inputs=("few", "more")),
    ]


def conv1d_int8(rng):
    """Both schemes: neighbouring rows calibrated, rows apart by a step of their own, groups, a stride."""

    def drawn(outputs, inputs, taps):
        return integers(rng, outputs, inputs, taps), rng.uniform(0.5, 1, outputs) / (70 * np.sqrt(inputs * taps)), uniform(rng, outputs)

    (head,) = lstm_layers(rng, 5, 9, 1)
    return [
        el.Conv1DInt8("int8-dynamic", *drawn(37, 3, 5), input_scale=[4 / 127]),
        el.Activation("tanh"),
        el.Conv1DInt8("int8-dynamic", *drawn(8, 37, 3), dilation=2, padding="valid"),
        el.Conv1DInt8("int8-dynamic", *drawn(6, 4, 2), groups=2),
        el.Conv1DInt8("int8-weight", *drawn(10, 3, 3), groups=2, dilation=3),
        el.Conv1DInt8("int8-weight", *drawn(5, 10, 2), stride=2),
        head,
    ]


def attention_over_memory(rng):
    """Of several heads with projections, and by additive scores of the rows themselves, over memories shorter than there is room for."""
    (first,) = three_to_nine(rng)
    keys = {"key_weight": uniform(rng, 8, 5), "key_bias": uniform(rng, 8), "value_weight": uniform(rng, 6, 5)}
    return [
        replace(first, name="values"),
        el.Dense(4 * uniform(rng, 8, 9), name="query"),
        el.Attention(5, 20, heads=2, scale=3.0, memory=uniform(rng, 13, 5), **keys, name="heads", inputs=("query",)),
        el.Attention(9, 7, "additive", vector=4 * uniform(rng, 9), memory=uniform(rng, 4, 9), name="rows", inputs=("values",)),
        el.Dense(uniform(rng, 4, 15), inputs=("heads", "rows")),
    ]


def attention(rng):
    """Over all samples, and over those that are no padding; the scores reach far."""
    (first,) = three_to_nine(rng)
    return [
        el.Mask(0.5, name="mask", inputs=("input",)),
        replace(first, name="values", inputs=("input",)),
        el.Dense(10 * uniform(rng, 1, 9), name="score", inputs=("values",)),
        el.AttentionPool(name="all", inputs=("values", "score")),
        el.AttentionPool(name="some", inputs=("values", "score", "mask"), mask="repeat"),
        el.Dense(uniform(rng, 4, 18), inputs=("all", "some")),
    ]


def of_levels(rng, size, hidden, **options):
    """A layer that reads levels and their scale."""
    weights = [rng.integers(-127, 128, (4 * hidden, count)) for count in (size, hidden)]
    scales = [rng.uniform(0.5, 1, 4 * hidden) / (90 * np.sqrt(count)) for count in (size, hidden)]
    return el.DynamicLSTM(*weights, *scales, uniform(rng, 4 * hidden), **options)


def levelled(name, reads):
    """Levels of what a layer gives, and their scale."""
    return [el.DynamicFakeQuantize("step", gives=gives, name=f"{name}_{gives}", inputs=(reads,)) for gives in ("levels", "scale")]


def dynamic_lstm(rng):
    """Layers of one tile and of several, of which the second begins in a state of its own."""
    start = {"h0": uniform(rng, 70), "c0": uniform(rng, 70)}
    return [
        el.Normalizer(np.zeros(5), np.ones(5), name="first"),
        *levelled("x", "first"),
        of_levels(rng, 5, 13, name="h", inputs=("x_levels", "x_scale")),
        *levelled("h", "h"),
        of_levels(rng, 13, 70, **start, inputs=("h_levels", "h_scale")),
    ]


def rescale(rng):
    """Sums of more values than vectors have lanes."""
    return [
        el.Normalizer(np.zeros(5), np.ones(5), name="first"),
        *levelled("x", "first"),
        el.Dense(rng.integers(-127, 128, (70, 5)), name="sums", inputs=("x_levels",)),
        el.Rescale(rng.uniform(0.5, 1, 70) / 400, uniform(rng, 70), inputs=("sums", "x_scale")),
    ]


def dynamic_fake_quantize(rng):
    """Rows each over its own range, behind all rows over one."""
    first, second = lstm_layers(rng, 4, 6, 2)
    return [
        el.Normalizer(np.zeros(4), np.ones(4)),
        el.DynamicFakeQuantize(),
        replace(first, name=""),
        el.DynamicFakeQuantize("step"),
        replace(second, name=""),
    ]


def both_ways(rng, **options):
    """Two layers that read a recording from both ends."""
    below, above = (lstm_layers(rng, size, 6, 2)[:1] + lstm_layers(rng, size, 6, 1) for size in (4, 12))
    return [
        *el.Bidirectional(*below, name="below", inputs=("input",)),
        *el.Bidirectional(*above, name="above", inputs=("below",), **options),
    ]


def looped(rng):
    """An LSTM's cell of its parts: c and h go around, and c is read two steps late beside."""
    return [
        el.Previous(9, uniform(rng, 9), of="h", name="h before", inputs=("input",)),
        el.Previous(9, uniform(rng, 9), of="c", name="c before", inputs=("input",)),
        el.Dense(uniform(rng, 36, 14), uniform(rng, 36), name="gates", inputs=("input", "h before")),
        el.Slice(0, 27, name="ifo"),
        el.Activation("sigmoid", name="open"),
        el.Slice(0, 9, name="i"),
        el.Slice(9, 18, name="f", inputs=("open",)),
        el.Slice(18, 27, name="o", inputs=("open",)),
        el.Slice(27, 36, name="g", inputs=("gates",)),
        el.Activation("tanh", name="new"),
        el.Mul(name="added", inputs=("i", "new")),
        el.Mul(name="kept", inputs=("f", "c before")),
        el.Add(name="c", inputs=("kept", "added")),
        el.Activation("tanh", name="seen"),
        el.Mul(name="h", inputs=("o", "seen")),
        el.Previous(9, of="c before", name="earlier"),
        el.Dense(uniform(rng, 4, 18), uniform(rng, 4), inputs=("h", "earlier")),
    ]


#: By kind: a generator -> the layers of a model that has it.
MAKERS = {
    "lstm": lstm,
    "dense": behind_lstm(lambda rng: el.Dense(uniform(rng, 5, 9), uniform(rng, 5))),
    "activation": behind_lstm(lambda rng: el.Activation("sigmoid")),
    "softmax": behind_lstm(lambda rng: el.Softmax()),
    "log_softmax": behind_lstm(lambda rng: el.LogSoftmax()),
    "embedding": embedding,
    "normalizer": normalizer,
    "add": around_lstm(el.Add),
    "mul": around_lstm(el.Mul),
    "concat": lambda rng: [*three_to_nine(rng), el.Concat(inputs=("input", "lstm0"))],
    "slice": behind_lstm(lambda rng: el.Slice(2, 7)),
    "batch_norm": behind_lstm(lambda rng: el.BatchNorm(uniform(rng, 9), uniform(rng, 9))),
    "prelu": behind_lstm(lambda rng: el.PReLU(uniform(rng, 9))),
    "layer_norm": behind_lstm(lambda rng: el.LayerNorm(uniform(rng, 9), uniform(rng, 9), groups=3)),
    "rms_norm": behind_lstm(lambda rng: el.RMSNorm(uniform(rng, 9))),
    "unit_normalization": behind_lstm(lambda rng: el.UnitNormalization()),
    "gather": behind_lstm(lambda rng: el.Gather(rng.integers(0, 9, 14))),
    "magnitude": lambda rng: [
        el.MapConv(uniform(rng, 4, 1, 10), shape=(13, 1), strides=3),
        el.Magnitude(5),
        el.Dense(uniform(rng, 3, 20)),
        *three_to_nine(rng),
    ],
    "overlap_add": behind_lstm(lambda rng: el.OverlapAdd(9, 2)),
    "map_conv": before_lstm(
        lambda rng: el.MapConv(uniform(rng, 3, 2, 2, 7) / 3, uniform(rng, 7), shape=(5, 4, 2), padding=((1, 1), (0, 1))), 140
    ),
    "map_conv_transpose": before_lstm(lambda rng: el.MapConvTranspose(uniform(rng, 3, 2, 5), uniform(rng, 5), shape=(6, 2), strides=2), 65),
    "map_pool": before_lstm(lambda rng: el.MapPool("max", 2, shape=(5, 4, 3), strides=(1, 2), padding="same"), 30),
    "intra_rnn": intra_rnn,
    "inter_rnn": inter_rnn,
    "conv_lstm": lambda rng: [conv_lstm(rng, (4, 5, 2), 3, (3, 2), peephole=uniform(rng, 3, 4, 5, 3)), el.Dense(uniform(rng, 4, 60) / 5)],
    "grouped_dense": behind_lstm(lambda rng: el.GroupedDense(uniform(rng, 3, 4, 3), uniform(rng, 12))),
    "conv1d": conv1d,
    "max_pool1d": behind_lstm(lambda rng: el.MaxPool1D(3, 2)),
    "average_pool1d": behind_lstm(lambda rng: el.AveragePool1D(4)),
    "global_max_pool1d": behind_lstm(lambda rng: el.GlobalMaxPool1D()),
    "global_average_pool1d": behind_lstm(lambda rng: el.GlobalAveragePool1D()),
    "window": lambda rng: [*three_to_nine(rng), el.Window(4, stride=4, padding="valid"), el.Dense(uniform(rng, 6, 36))],
    "previous": looped,
    "gru": gru,
    "rnn": rnn,
    "last": lambda rng: [*both_ways(rng, sequences=False), el.Dense(uniform(rng, 3, 12))],
    "repeat": lambda rng: [*three_to_nine(rng), el.Repeat(), *lstm_layers(rng, 9, 9, 1)],
    "reverse": lambda rng: [*both_ways(rng), el.Reverse()],
    "mask": masked,
    "fake_quantize": before_lstm(lambda rng: el.FakeQuantize(rng.uniform(0.01, 0.1, 6), np.full(6, -117), np.full(6, 138)), 6),
    "requantize": before_lstm(lambda rng: el.Requantize(rng.uniform(5, 50, 6), np.full(6, -128), np.full(6, 127)), 6),
    "dynamic_fake_quantize": dynamic_fake_quantize,
    "rescale": rescale,
    "dynamic_lstm": dynamic_lstm,
    "min_gru": lambda rng: [el.MinGRU(uniform(rng, 26, 5), uniform(rng, 26), uniform(rng, 13), candidate="positive")],
    "min_lstm": lambda rng: [el.MinLSTM(uniform(rng, 54, 5), uniform(rng, 54))],
    "slstm": slstm,
    "attention_pool": attention,
    "attention": attention_over_memory,
    "self_attention": self_attention,
    "window_attention": window_attention,
    "lstm_half": lstm_half,
    "gru_half": lambda rng: in_halves(gru(rng)),
    "dense_half": dense_half,
    "lstm_int8": lambda rng: [lstm_int8(rng, 5, 14, "int8-dynamic", calibrated=True), lstm_int8(rng, 14, 9, "int8-weight")],
    "gru_int8": gru_int8,
    "rnn_int8": rnn_int8,
    "conv_lstm_int8": before_dense,
    "conv1d_int8": conv1d_int8,
    "dense_int8": behind_lstm(lambda rng: el.DenseInt8("int8-dynamic", integers(rng, 5, 9), rng.uniform(0.5, 1, 5) / 400)),
    "lstm_int8_static": lambda rng: [lstm_int8_static(rng, 4, 11)],
    "dense_int8_static": lambda rng: [dense_int8_static(rng, 6, 5, 0.01, 3)],
}

#: Models that have a kind once more, with other options, by a name that begins with the kind's.
MORE = {
    **LSTM_MODELS,
    "gru, norms": gru_norms,
    "lstm_int8_static, options": static_of_every_option,
    "layer_norm_recording": behind_lstm(lambda rng: el.LayerNorm(uniform(rng, 9), uniform(rng, 9), groups=3, over="recording")),
}

if missing := sorted(set(KINDS) ^ set(MAKERS)):
    raise AssertionError(f"tests/kinds.py and layers.KINDS differ in {', '.join(missing)}: every kind has a maker here, and no other has")


#: Of all these, the models that read whole recordings.
WHOLE = {"dynamic_fake_quantize", "last", "layer_norm_recording", "lstm, both ways", "repeat", "reverse", "self_attention"}


@cache
def _layers_of(kind):
    return tuple({**MAKERS, **MORE}[kind](np.random.default_rng(sum(kind.encode()))))


def model_of(kind):
    """The model in which `kind`, or one of `MORE`, is tested; the same in every process."""
    return el.Model(_layers_of(kind))
