"""Parts of random stacks that Keras has too: layers, and what its own give of a whole signal. Makers are as those of `stack_layers`."""

import numpy as np
from kinds import uniform

import edgelstm as el


def layer_of(name, *arrays, **options):
    """A function of a whole signal (width, time): Keras' layer in float64 with these arrays, on the backend torch."""
    import keras

    layer = getattr(keras.layers, name)(dtype="float64", **options)

    def whole(x):
        layer.build((1, x.shape[1], x.shape[0]))
        if arrays:
            layer.set_weights([np.asarray(array, np.float64) for array in arrays])
        return layer(x.T[None], training=False)[0].detach().T

    return whole


def convolution(rng, width, before):
    groups = int(rng.choice([g for g in (1, 2, width) if width % g == 0]))
    outputs, taps, stride = groups * int(rng.integers(1, 4)), *(int(n) for n in rng.integers(1, 4, 2))
    dilation = int(rng.integers(1, 4)) if stride == 1 else 1
    padding = str(rng.choice(["causal", "valid"]))
    layer = el.Conv1D(
        uniform(rng, outputs, width // groups, taps),
        uniform(rng, outputs),
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding=padding,
    )
    options = {"strides": stride, "dilation_rate": dilation, "groups": groups, "padding": padding}
    kernel = layer.weight.transpose(2, 1, 0)
    return [layer], outputs, layer_of("Conv1D", kernel, layer.bias, filters=outputs, kernel_size=taps, **options)


def depthwise(rng, width, before):
    """Of each channel alone, some outputs a channel."""
    each, taps = (int(n) for n in rng.integers(1, 4, 2))
    layer = el.Conv1D(uniform(rng, width * each, 1, taps), uniform(rng, width * each), groups=width, padding="valid")
    kernel = layer.weight[:, 0].reshape(width, each, taps).transpose(2, 0, 1)
    whole = layer_of("DepthwiseConv1D", kernel, layer.bias, kernel_size=taps, depth_multiplier=each, padding="valid")
    return [layer], width * each, whole


def transposed(rng, width, before):
    """Keras' valid transposed convolution, whose rows behind the last step's block are left out."""
    outputs, taps, stride = (int(n) for n in rng.integers(1, 4, 3))
    weight, bias = np.float32(uniform(rng, width, outputs, taps)), np.float32(uniform(rng, outputs))
    layers = el.Conv1DTranspose(weight, bias, stride=stride, inputs=(before,), name=f"{before}.wider")
    run = layer_of("Conv1DTranspose", weight.transpose(2, 1, 0), bias, filters=outputs, kernel_size=taps, strides=stride)

    def whole(x):
        y = run(x)[:, : x.shape[1] * stride]
        return y.reshape(outputs, -1, stride).permute(2, 0, 1).reshape(stride * outputs, -1)

    return layers, stride * outputs, whole


def pool(rng, width, before):
    size, stride, largest = int(rng.integers(1, 4)), int(rng.integers(1, 4)), rng.random() < 0.5
    name, record = ("MaxPooling1D", el.MaxPool1D) if largest else ("AveragePooling1D", el.AveragePool1D)
    return [record(size, stride)], width, layer_of(name, pool_size=size, strides=stride)


def norm(rng, width, before):
    weight, bias = np.float32(uniform(rng, width)), np.float32(uniform(rng, width))
    if rng.random() < 0.5:
        layer = el.RMSNorm(weight, epsilon=0.1)
        return [layer], width, layer_of("RMSNormalization", weight, epsilon=float(layer.epsilon))
    layer = el.LayerNorm(weight, bias, epsilon=0.1)
    return [layer], width, layer_of("LayerNormalization", weight, bias, epsilon=float(layer.epsilon))


def scaled(rng, width, before):
    """BatchNorm as importers fold it."""
    gamma, beta, mean, variance = uniform(rng, width), uniform(rng, width), uniform(rng, width), rng.uniform(0.5, 2, width)
    scale = gamma / np.sqrt(variance + 1e-3)
    layer = el.BatchNorm(scale, beta - mean * scale)
    # Its numbers are float32: the same affine function in Keras' words.
    return [layer], width, layer_of("BatchNormalization", layer.scale, layer.offset, 0 * mean, 0 * mean + 1, epsilon=1e-30)


def function(rng, width, before):
    name = str(rng.choice(["tanh", "sigmoid", "relu", "softplus"]))
    return [el.Activation(name)], width, layer_of("Activation", activation=name)


def dense(rng, width, before):
    layer = el.Dense(uniform(rng, 5, width), uniform(rng, 5))
    return [layer], 5, layer_of("Dense", layer.weight.T, layer.bias, units=5)


def gru(rng, width, before):
    layer = el.GRU(uniform(rng, 9, width), uniform(rng, 9, 3), uniform(rng, 9), uniform(rng, 9))
    order = [1, 0, 2]  # Keras' gates are z r n
    w, r, b, c = (a.reshape(3, 3, -1)[order].reshape(9, -1) for a in (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh))
    biases = np.stack([b[:, 0], c[:, 0]])
    return [layer], 3, layer_of("GRU", w.T, r.T, biases, units=3, return_sequences=True, reset_after=True)


def lstm(rng, width, before):
    layer = el.LSTM(uniform(rng, 12, width), uniform(rng, 12, 3), uniform(rng, 12))
    return [layer], 3, layer_of("LSTM", layer.weight_ih.T, layer.weight_hh.T, layer.bias, units=3, return_sequences=True)


MAKERS = (convolution, depthwise, transposed, pool, norm, scaled, function, dense, gru, lstm)
