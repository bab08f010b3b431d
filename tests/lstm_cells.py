"""LSTM layers of every option, for the laws of `test_every_kind` and for `test_lstm_cells`."""

from dataclasses import replace

import numpy as np

import edgelstm as el

#: Options that need no arrays, by what they are called in tests.
CLIPS = {"cell_clip": 0.3, "gate_clip": 0.6}
HARD = {"gate_activation": "hard_sigmoid(0.2, 0.5)"}
RELU = {"cell_activation": "relu", "output_activation": "relu"}
MIXED = {
    "gate_activation": ("relu6", "sigmoid", "hard_sigmoid(0.16666667, 0.5)"),
    "cell_activation": "leaky_relu(0.1)",
    "output_activation": "softsign",
}


def lstm(rng, inputs, hidden, *, projection=None, peephole=False, norm=None, start=True, **options):
    """A layer with weights as PyTorch begins. Where there is a norm they are four times as large, and the gains of h and of the cell
    are small: dividing by a small deviation enlarges rounding, in whatever order float32 is summed.
    """
    spread = 4 if norm else 1

    def uniform(*shape, bound=None):
        most = bound or 1 / np.sqrt(hidden)
        return rng.uniform(-most, most, shape)

    given = projection or hidden
    if peephole:
        options["peephole"] = uniform(3, hidden, bound=0.5)
    if projection:
        options |= {"weight_hr": uniform(projection, hidden), "bias_hr": uniform(projection, bound=0.1)}
    if norm:
        options |= {"norm": norm, "norm_weight": rng.uniform(0.4, 1.2, 4 * hidden)}
    if norm == "torch":
        options["norm_weight_hh"] = rng.uniform(0.1, 0.4, 4 * hidden)
    if norm not in (None, "tflite") and options.get("cell_norm") != "none":
        options |= {"norm_weight_cell": rng.uniform(0.2, 0.5, hidden), "norm_bias_cell": uniform(hidden, bound=0.3)}
    if start:
        options |= {"h0": uniform(given, bound=0.5), "c0": uniform(hidden, bound=0.5)}
    weights = (spread * uniform(4 * hidden, inputs), spread * uniform(4 * hidden, given), uniform(4 * hidden))
    return el.LSTM(*weights, **options)


def norms(rng):
    """One layer of each, side by side."""
    layers = [
        lstm(rng, 5, 20, norm="tflite", peephole=True, projection=6, cell_clip=0.9, coupled="i=1-f", name="tflite"),
        lstm(rng, 5, 13, norm="tf1", peephole=True, name="tf1"),
        lstm(rng, 5, 18, norm="torch", start=False, name="torch"),
        lstm(rng, 5, 14, norm="joint", cell_norm="output", projection=6, cell_clip=0.9, name="joint"),
        lstm(rng, 5, 9, norm="torch", cell_norm="none", name="gates alone"),
    ]
    return [*(replace(layer, inputs=["input"]) for layer in layers), el.Activation("linear", inputs=[layer.name for layer in layers])]


def of_every_option(rng):
    """All of them in one model."""
    first = lstm(rng, 5, 17, peephole=True, projection=7, projection_clip=0.3, coupled="i=1-f", name="projected", **CLIPS)
    second = lstm(rng, 5, 9, name="mixed", **MIXED)
    return [
        *norms(rng)[:-1],
        *(replace(layer, inputs=["input"]) for layer in (first, second)),
        el.Activation("linear", inputs=["tflite", "tf1", "torch", "joint", "gates alone", "projected", "mixed"]),
    ]


def both_ways(rng):
    """A recording from both ends, projected, with padding in it."""
    ends = [replace(lstm(rng, 4, 11, projection=5, peephole=True), mask="repeat") for _ in range(2)]
    units = el.Normalizer(np.zeros(4), np.ones(4), name="units")
    return [units, el.Mask(0, name="mask", inputs=["input"]), *el.Bidirectional(*ends, name="both", inputs=["units", "mask"])]


def quantised(rng):
    """Layers with int8 weights, with and without int8 activations."""
    layers = [
        lstm(rng, 5, 14, peephole=True, projection=7, projection_clip=0.3, coupled="i=1-f", name="first"),
        lstm(rng, 7, 9, peephole=True, coupled="f=1-i", name="second", **CLIPS),
        lstm(rng, 9, 20, peephole=True, projection=18, name="third"),
    ]
    windows = rng.uniform(-1, 1, (4, 300, 5)).astype(np.float32)
    model = el.Model(layers)
    dynamic, weight = (el.quantize(model, windows, scheme=scheme).layers for scheme in ("int8-dynamic", "int8-weight"))
    return [replace(layer, inputs=()) for layer in (dynamic[0], weight[1], dynamic[2])]


#: Models beside the one of `kinds.MAKERS`: a generator -> layers.
MODELS = {
    "lstm, peepholes": lambda rng: [
        lstm(rng, 5, 13, peephole=True, **CLIPS),
        lstm(rng, 13, 20, peephole=True, projection=7, projection_clip=0.2, coupled="i=1-f"),
    ],
    "lstm, norms": norms,
    "lstm, both ways": both_ways,
    "lstm, rounded": lambda rng: [
        lstm(rng, 5, 13, fake_quantize_hidden=True),
        lstm(rng, 13, 70, fake_quantize_hidden=True, projection=6),
        lstm(rng, 6, 9, fake_quantize_hidden=True, norm="torch"),
    ],
    "lstm_int8, options": quantised,
    "lstm, activations": lambda rng: [lstm(rng, 5, 13, **HARD, **RELU), lstm(rng, 13, 7, coupled="f=1-i", peephole=True, **MIXED)],
}
