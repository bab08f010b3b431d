"""Small graphs as TensorFlow writes them, untrained, for `tensorflow_files`: what makes each, by name."""

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow as tf
import tf_keras

#: Steps of a recording.
STEPS = 7

#: Inputs by name, and outputs.
Made: TypeAlias = tuple[dict[str, Any], list[Any]]

v1 = tf.compat.v1
cells = v1.nn.rnn_cell


def samples(width: int = 3, steps: int | None = None, time_major: bool = False) -> Any:
    return v1.placeholder(tf.float32, [steps, 1, width] if time_major else [None, steps, width], name="x")


def dense(y: Any, width: int = 2) -> Any:
    weight, bias = v1.get_variable("dense/kernel", [y.shape[-1], width]), v1.get_variable("dense/bias", [width])
    return tf.nn.bias_add(tf.tensordot(y, weight, 1) if len(y.shape) > 2 else tf.matmul(y, weight), bias)


def dynamic(make: Callable[[], Any], last: bool = False, **options: Any) -> Callable[[], Made]:
    def graph() -> Made:
        x = samples()
        y, _ = v1.nn.dynamic_rnn(make(), x, dtype=tf.float32, **options)
        return {"x": x}, [dense(y[:, -1] if last else y)]

    return graph


def block(op: str) -> Callable[[], Made]:
    def graph() -> Made:
        x, hidden = samples(time_major=True), 4
        names = {"w": [3 + hidden, 4 * hidden], "wci": [hidden], "wcf": [hidden], "wco": [hidden], "b": [4 * hidden]}
        given: dict[str, Any] = {name: v1.get_variable(f"{name}_bias", shape) for name, shape in names.items()}
        given |= {"cs_prev": tf.zeros([1, hidden]), "h_prev": tf.zeros([1, hidden])}
        options = {"use_peephole": True, "forget_bias": 0.7, "cell_clip": 0.4} if op == "BlockLSTM" else {"use_peephole": False}
        made = getattr(tf.raw_ops, op)(seq_len_max=tf.cast(tf.shape(x)[0], tf.int64), x=x, **given, **options)
        return {"x": x}, [dense(made.h)]

    return graph


class BlockCell(cells.RNNCell):  # type: ignore[misc, name-defined]
    """LSTMBlockCell or GRUBlockCell as contrib.rnn has it."""

    def __init__(self, op: str) -> None:
        super().__init__()
        self.op = op

    @property
    def output_size(self) -> int:
        return 4

    @property
    def state_size(self) -> Any:
        return (4, 4) if self.op == "LSTMBlockCell" else 4

    def build(self, shape: Any) -> None:
        width = shape[-1] + 4
        names = {"w": [width, 16], "wci": [4], "wcf": [4], "wco": [4], "b": [16]}
        names = names if self.op == "LSTMBlockCell" else {"w_ru": [width, 8], "w_c": [width, 4], "b_ru": [8], "b_c": [4]}
        self.arrays = {name: self.add_weight(f"{name}_bias", shape) for name, shape in names.items()}

    def call(self, x: Any, state: Any) -> Any:
        if self.op == "LSTMBlockCell":
            c, h = state
            made = tf.raw_ops.LSTMBlockCell(x=x, cs_prev=c, h_prev=h, use_peephole=True, cell_clip=0.5, **self.arrays)
            return made.h, (made.cs, made.h)
        made = tf.raw_ops.GRUBlockCell(x=x, h_prev=state, **self.arrays)
        return made.h, made.h


def unrolled(make: Callable[[], Any], every: bool) -> Callable[[], Made]:
    def graph() -> Made:
        x = samples(steps=STEPS)
        y, _ = v1.nn.static_rnn(make(), tf.unstack(x, STEPS, 1), dtype=tf.float32)
        return {"x": x}, [dense(tf.stack(y, 1) if every else y[-1])]

    return graph


def both() -> Made:
    x = samples()
    y, _ = v1.nn.bidirectional_dynamic_rnn(cells.BasicLSTMCell(4), cells.GRUCell(3), x, dtype=tf.float32)
    return {"x": x}, [dense(tf.concat(y, 2))]


def both_unrolled() -> Made:
    x = samples(steps=STEPS)
    made = v1.nn.static_bidirectional_rnn(cells.BasicLSTMCell(4), cells.BasicLSTMCell(4), tf.unstack(x, STEPS, 1), dtype=tf.float32)
    return {"x": x}, [dense(tf.stack(made[0], 1))]


def time_major() -> Made:
    x = samples(time_major=True)
    y, _ = v1.nn.dynamic_rnn(cells.BasicLSTMCell(4), x, dtype=tf.float32, time_major=True)
    return {"x": x}, [dense(y)]


def words() -> Made:
    x = v1.placeholder(tf.int32, [None, None], name="x")
    table = v1.get_variable("table", [9, 5])
    y, _ = v1.nn.dynamic_rnn(cells.GRUCell(4), tf.nn.embedding_lookup(table, x), dtype=tf.float32)
    return {"x": x}, [tf.nn.softmax(dense(y[:, -1]))]


def flat() -> Made:
    x = samples(steps=STEPS)
    y, _ = v1.nn.dynamic_rnn(cells.BasicLSTMCell(4), x, dtype=tf.float32)
    return {"x": x}, [dense(tf.reshape(y, [-1, STEPS * 4]))]


def heads() -> Made:
    x = samples()
    y, _ = v1.nn.dynamic_rnn(cells.BasicLSTMCell(4), x, dtype=tf.float32)
    second = tf.nn.relu(tf.tensordot(y, v1.get_variable("other", [4, 3]), 1))
    return {"x": x}, [tf.tanh(dense(y)), tf.minimum(tf.maximum(second, 0.0), 0.3)]


def states() -> Made:
    x, c, h = v1.placeholder(tf.float32, [1, 1, 3], name="x"), *(v1.placeholder(tf.float32, [1, 4], name=name) for name in ("c_in", "h_in"))
    y, after = v1.nn.dynamic_rnn(cells.BasicLSTMCell(4), x, initial_state=cells.LSTMStateTuple(c, h))
    return {"x": x, "c_in": c, "h_in": h}, [dense(y), after.c, after.h]


def windows_with_states() -> Made:
    x, c, h = samples(), *(v1.placeholder(tf.float32, [1, 4], name=name) for name in ("c_in", "h_in"))
    y, after = v1.nn.dynamic_rnn(cells.LSTMCell(4), x, initial_state=cells.LSTMStateTuple(c, h))
    return {"x": x, "c_in": c, "h_in": h}, [dense(y), after.c, after.h]


def lengths() -> Made:
    x, n = samples(), v1.placeholder(tf.int32, [None], name="sequence_length")
    y, _ = v1.nn.dynamic_rnn(cells.GRUCell(4), x, sequence_length=n, dtype=tf.float32)
    return {"x": x, "sequence_length": n}, [dense(y)]


def dropped() -> Made:
    x, keep = samples(), v1.placeholder_with_default(1.0, [], name="keep_prob")
    y, _ = v1.nn.dynamic_rnn(cells.BasicLSTMCell(4), x, dtype=tf.float32)
    return {"x": x}, [dense(v1.nn.dropout(y, rate=1 - keep))]


def training() -> Made:
    x, flag = samples(), v1.placeholder_with_default(False, [], name="is_training")
    y, _ = v1.nn.dynamic_rnn(cells.BasicLSTMCell(4), x, dtype=tf.float32)
    weight = v1.get_variable("other", [4, 2])
    return {"x": x}, [v1.cond(flag, lambda: tf.tensordot(y * 2, weight, 1), lambda: dense(y))]


def block_states() -> Made:
    x, (c, h) = samples(time_major=True), (v1.placeholder(tf.float32, [1, 4], name=f"previous_state_{name}") for name in "ch")
    zeros, weight, bias = tf.zeros([4]), v1.get_variable("w", [7, 16]), v1.get_variable("w_bias", [16])
    given = {"x": x, "cs_prev": c, "h_prev": h, "w": weight, "b": bias, "wci": zeros, "wcf": zeros, "wco": zeros}
    made = tf.raw_ops.BlockLSTM(seq_len_max=tf.cast(tf.shape(x)[0], tf.int64), cell_clip=-1, **given)
    return {"x": x, "previous_state_c": c, "previous_state_h": h}, [dense(made.h), made.cs[-1], made.h[-1]]


def normalised() -> Made:
    x = samples()
    y, _ = v1.nn.dynamic_rnn(cells.BasicLSTMCell(4), x, dtype=tf.float32)
    scale, offset = v1.get_variable("scale_bias", [4]), v1.get_variable("offset_bias", [4])
    return {"x": x}, [dense(tf.nn.batch_normalization(y, *tf.nn.moments(y, [2], keepdims=True), offset, scale, 1e-12))]


def attention() -> Made:
    x = samples(steps=STEPS)
    y, _ = v1.nn.dynamic_rnn(cells.MultiRNNCell([cells.GRUCell(3), cells.ResidualWrapper(cells.GRUCell(3))]), x, dtype=tf.float32)
    scores = tf.tensordot(tf.tanh(tf.tensordot(y, v1.get_variable("w", [3, 5]), 1)), v1.get_variable("v", [5]), 1)
    return {"x": x}, [dense(tf.reduce_sum(y * tf.nn.softmax(scores)[:, :, None], 1))]


def convolved() -> Made:
    x = samples(steps=12)
    y = tf.nn.relu(tf.nn.conv1d(x, v1.get_variable("kernel", [3, 3, 4]), 1, "SAME") + v1.get_variable("kernel_bias", [4]))
    y = v1.nn.fused_batch_norm(y[:, :, None], *(tf.constant([0.5, 2, 1, 3.0]) for _ in range(4)), is_training=False)[0][:, :, 0]
    y, _ = v1.nn.dynamic_rnn(cells.BasicLSTMCell(4), tf.nn.max_pool1d(y, 2, 2, "VALID"), dtype=tf.float32)
    return {"x": x}, [dense(y[:, -1])]


def keras(*parts: Callable[[], Any], words: bool = False) -> Callable[[], Made]:
    """A Keras model in TensorFlow 1, whose recurrent layers are loops of single nodes."""

    def graph() -> Made:
        x = y = v1.keras.layers.Input((STEPS,) if words else (STEPS, 3), name="x")
        for part in parts:
            y = part()(y)
        return {"x": x}, [y]

    return graph


def projected() -> Any:
    return cells.LSTMCell(6, use_peepholes=True, num_proj=4, cell_clip=0.4, proj_clip=0.3)


def several() -> Any:
    return cells.MultiRNNCell([cells.BasicLSTMCell(4), cells.BasicLSTMCell(5, forget_bias=0.3)])


k1 = v1.keras.layers

#: By name, what makes a graph.
GRAPHS: dict[str, Callable[[], Made]] = {
    "basic": dynamic(lambda: cells.BasicLSTMCell(4)),
    "basic_last": dynamic(lambda: cells.BasicLSTMCell(4), last=True),
    "lstm_relu": dynamic(lambda: cells.LSTMCell(4, activation=tf.nn.relu)),
    "gru": dynamic(lambda: cells.GRUCell(4)),
    "rnn": dynamic(lambda: cells.BasicRNNCell(4)),
    "peephole": dynamic(lambda: cells.LSTMCell(4, use_peepholes=True)),
    "projected": dynamic(lambda: cells.LSTMCell(6, num_proj=4)),
    "all_options": dynamic(projected),
    "cell_clip": dynamic(lambda: cells.LSTMCell(4, cell_clip=0.4)),
    "several": dynamic(several),
    "lstm_block_cell": dynamic(lambda: BlockCell("LSTMBlockCell")),
    "gru_block_cell": dynamic(lambda: BlockCell("GRUBlockCell")),
    "block": block("BlockLSTM"),
    "block_v2": block("BlockLSTMV2"),
    "unrolled": unrolled(lambda: cells.BasicLSTMCell(4), False),
    "unrolled_several": unrolled(lambda: cells.MultiRNNCell([cells.GRUCell(4), projected()]), True),
    "both": both,
    "both_unrolled": both_unrolled,
    "time_major": time_major,
    "words": words,
    "flat": flat,
    "heads": heads,
    "states": states,
    "windows_with_states": windows_with_states,
    "lengths": lengths,
    "dropped": dropped,
    "training": training,
    "convolved": convolved,
    "block_states": block_states,
    "normalised": normalised,
    "attention": attention,
    "keras1_linear": keras(
        lambda: k1.GRU(4, activation="linear", recurrent_activation="hard_sigmoid", dropout=0.2), lambda: k1.Dense(1, activation="sigmoid")
    ),
    "keras1_dilated": keras(
        lambda: k1.Conv1D(5, 3, dilation_rate=2, padding="causal"), lambda: k1.LSTM(4, return_sequences=True), lambda: k1.Dense(2)
    ),
    "keras1_words": keras(lambda: k1.Embedding(9, 5), lambda: k1.Bidirectional(k1.LSTM(4)), lambda: k1.Dense(2), words=True),
}


def keras_models() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """By name, a Keras model, and how its function is frozen."""
    layers, every = tf_keras.layers, {"return_sequences": True}

    def model(*parts: Any, steps: int | None = STEPS) -> Any:
        x = y = layers.Input((steps, 3), batch_size=1)
        for part in parts:
            y = part(y)
        return tf_keras.Model(x, y)

    yield "keras_lstm", model(layers.LSTM(4, **every), layers.LayerNormalization(), layers.Dense(2)), {}
    yield "keras_gru", model(layers.GRU(4), layers.Dense(2, activation="softmax"), steps=None), {}
    yield "keras_both", model(layers.Bidirectional(layers.LSTM(4, **every)), layers.Dense(2)), {}
    yield "keras_while", model(layers.LSTM(4, **every), layers.GRU(3, reset_after=False), layers.Dense(2)), {"lower_control_flow": False}
    yield "keras_loop", model(layers.GRU(4, reset_after=False, **every), layers.LSTM(3, recurrent_activation="hard_sigmoid")), {}
    yield "keras_unrolled", model(layers.LSTM(4, unroll=True, **every), layers.Dense(2)), {}
