"""Keras networks with maps in every timestep, or with convolutions over (time, features, channels): made and answered by Keras itself."""

import os

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference

pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def video(*layers, shape=(8, 7, 2)):
    """Layers of each frame, then an LSTM over time."""
    return lambda k: k.Sequential(
        [k.Input((6, *shape)), *(k.layers.TimeDistributed(layer(k.layers)) for layer in layers), k.layers.LSTM(4, return_sequences=True)]
    )


def spectrogram(*layers, steps=12):
    """Layers over (time, features, channels), then an LSTM over time."""

    def make(k):
        x = y = k.Input((steps, 9, 2))
        for layer in layers:
            y = layer(k.layers)(y)
        y = k.layers.Reshape((y.shape[1] or -1, y.shape[2] * y.shape[3]))(y)
        return k.Model(x, k.layers.LSTM(4, return_sequences=True)(y))

    return make


def next_frame(**options):
    """Maps from a recurrence over maps and a convolution over time, of which a dense layer takes sums."""
    return lambda k: k.Sequential(
        [
            k.Input((7, 4, 5, 1)),
            k.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True),
            k.layers.Conv3D(3, (3, 2, 3), activation="tanh", **options),
            k.layers.TimeDistributed(k.layers.Flatten()),
            k.layers.Dense(2),
        ]
    )


NETWORKS = {
    "a network of frames": lambda k: k.Sequential(
        [
            k.Input((5, 8, 8, 1)),
            k.layers.TimeDistributed(
                k.Sequential(
                    [
                        k.Input((8, 8, 1)),
                        k.layers.Conv2D(4, 3, activation="relu"),
                        k.layers.BatchNormalization(),
                        k.layers.MaxPooling2D(),
                        k.layers.Flatten(),
                        k.layers.Dense(5),
                    ]
                )
            ),
            k.layers.GRU(3, return_sequences=True),
        ]
    ),
    "strides": video(lambda x: x.Conv2D(3, (3, 2), strides=2, padding="same"), lambda x: x.GlobalAveragePooling2D()),
    "groups": video(lambda x: x.Conv2D(4, 3, groups=2, dilation_rate=2), lambda x: x.GlobalMaxPooling2D()),
    "depthwise": video(lambda x: x.DepthwiseConv2D(3, depth_multiplier=3, padding="same", activation="elu"), lambda x: x.Flatten()),
    "separable": video(lambda x: x.SeparableConv2D(5, 2, depth_multiplier=2), lambda x: x.Flatten()),
    "means": video(lambda x: x.AveragePooling2D((2, 3), strides=1), lambda x: x.Flatten()),
    "transposed": video(lambda x: x.Conv2DTranspose(3, 3, strides=2), lambda x: x.GlobalAveragePooling2D()),
    "transposed, same": video(lambda x: x.Conv2DTranspose(3, (4, 2), strides=(2, 3), padding="same"), lambda x: x.GlobalMaxPooling2D()),
    "zeros around": video(
        lambda x: x.ZeroPadding2D(((1, 0), (2, 1))), lambda x: x.Conv2D(2, 3), lambda x: x.Cropping2D((1, 2)), lambda x: x.Flatten()
    ),
    "larger": video(lambda x: x.AveragePooling2D(2), lambda x: x.UpSampling2D((1, 2)), lambda x: x.Flatten()),
    "along features": video(lambda x: x.Conv1D(3, 4, padding="same"), lambda x: x.MaxPooling1D(2), lambda x: x.Flatten(), shape=(9, 2)),
    "along features, transposed": video(lambda x: x.Conv1DTranspose(3, 2, strides=3), lambda x: x.GlobalMaxPooling1D(), shape=(5, 2)),
    "next frame": next_frame(padding="same"),
    "over time and maps": next_frame(strides=(2, 1, 2), use_bias=False),
    "apart in time": next_frame(dilation_rate=(2, 1, 1), padding="same"),
    "maps from both ends": lambda k: k.Sequential(
        [
            k.Input((6, 5, 4, 1)),
            k.layers.Bidirectional(k.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)),
            k.layers.ConvLSTM2D(2, 2, go_backwards=True, return_sequences=True),
            k.layers.Bidirectional(k.layers.ConvLSTM2D(2, 2), merge_mode="ave"),
            k.layers.Flatten(),
        ]
    ),
    "spectrogram": spectrogram(
        lambda x: x.Conv2D(3, (3, 2)), lambda x: x.MaxPooling2D((1, 2)), lambda x: x.Conv2D(4, (1, 3), padding="same")
    ),
    "spectrogram, both sides": spectrogram(
        lambda x: x.Conv2D(3, 3, padding="same", activation="relu"), lambda x: x.AveragePooling2D((1, 3))
    ),
    "spectrogram, rates": spectrogram(lambda x: x.Conv2D(3, (2, 3), strides=(2, 1)), lambda x: x.MaxPooling2D(2)),
    "spectrogram, beyond the end": spectrogram(lambda x: x.MaxPooling2D((2, 1), padding="same", strides=1)),
    "spectrogram, transposed": spectrogram(lambda x: x.Conv2DTranspose(3, 2, strides=2)),
    "spectrogram, depthwise": spectrogram(lambda x: x.SeparableConv2D(3, (2, 3), dilation_rate=(3, 1))),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_keras_gives_the_same(keras, rng, tmp_path, name):
    network = NETWORKS[name](keras)
    for weight in network.weights:
        values = rng.uniform(-0.5, 0.5, weight.shape)
        weight.assign((abs(values) + 0.1 if "variance" in weight.path else values).astype(np.float32))
    network.save(tmp_path / "model.keras")
    model = el.load(tmp_path / "model.keras")
    x = rng.uniform(-1, 1, network.input_shape[1:]).astype(np.float32)
    expected = keras.ops.convert_to_numpy(network(x[None]))[0]
    found = reference.run(model, x.reshape(len(x), -1))
    assert found.size == expected.size
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (video(lambda x: x.Conv2D(3, 2, data_format="channels_first"), lambda x: x.Flatten()), "data_format"),
        (spectrogram(lambda x: x.MaxPooling2D((2, 1), padding="same", strides=1), steps=None), "beyond the sequence's end"),
        (spectrogram(lambda x: x.Conv2DTranspose(3, 2), steps=None), "inside of TimeDistributed"),
    ],
)
def test_what_edgelstm_lacks_is_refused(keras, tmp_path, make, says):
    make(keras).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match=says):
        el.load(tmp_path / "model.keras")
