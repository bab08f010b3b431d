"""TensorFlow Lite files of other forms are refused by name, and no bytes break the reader."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_files import TYPES, Int8LSTM

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_tflite import file as tflite_file
from edgelstm.importers.from_tflite.chains import from_tflite
from edgelstm.importers.from_tflite.program import NEAR

SETTINGS = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(network, layers=None):
    """The message of the refusal."""
    with pytest.raises(el.UnsupportedModelError) as caught:
        from_tflite(tflite_file.read(network.bytes()), layers)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def constant(dtype, shape, scale=0.01):
    return lambda network: network.constant(np.ones(shape, dtype), scale)


def other(dtype, shape, **options):
    return lambda network: network.tensor(dtype, shape, **options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"replaced": {9: constant(np.int16, 4)}}, "its input 10 is missing"),
        (
            {"replaced": {17: constant(np.int32, 4)}},
            "(int32, 4), belongs to a gate, a norm or a projection that it lacks",
        ),
        ({"replaced": {20: constant(np.int16, 4)}}, "that it lacks"),
        ({"replaced": {1: -1}}, "its input 5,"),
        ({"norm": True, "replaced": {22: constant(np.int16, (4, 1))}}, "not a int16 constant of 1"),
        ({"peephole": True, "replaced": {10: lambda n: n.constant(np.ones(4, np.int16), 0.01, 3)}}, "the zero point 3, not 0"),
        ({"replaced": {6: -1}}, "input 6 is missing"),
        ({"replaced": {2: constant(np.int8, (4, 2))}}, "takes 2 values at once"),
        ({"replaced": {6: constant(np.int8, (4, 5))}}, "differ in shape"),
        ({"replaced": {6: constant(np.float32, (4, 4), None)}}, "not a int8 constant of 2"),
        ({"replaced": {6: other("int8", (4, 4), scale=0.1)}}, "not a int8 constant"),
        ({"replaced": {3: lambda n: n.constant(np.ones((4, 3), np.int8), 0.01, 1)}}, "zero points 0"),
        ({"replaced": {3: lambda n: n.constant(np.ones((4, 3), np.int8), [0.01] * 4)}}, "has a scale a row"),
        ({"replaced": {12: lambda n: n.constant(np.ones(4, np.int32), 1.0)}}, "scale of its bias"),
        ({"replaced": {18: other("int8", (1, 4), scale=0.008, zero_point=-3)}}, "no variable that begins at zero"),
        ({"replaced": {18: other("int8", (1, 4), scale=0.009, zero_point=-3, variable=True)}}, "another scale"),
        ({"replaced": {19: other("int16", (1, 4), scale=2**-12, zero_point=1, variable=True)}}, "scale of its cell"),
        ({"cell": 0.0002}, "scale of its cell is 0.0002, not a power of two"),
        ({"cell": 2.0**-8}, "scale of its cell"),
        ({"clip": float("nan")}, "cell_clip is nan"),
        ({"clip": -1.0}, "cell_clip is -1"),
        ({"options": {0: ("b", 1)}}, "its function is relu, not tanh"),
        ({"options": {0: ("b", 77)}}, "its function is function 77"),
        ({"options": {5: ("B", 1)}}, "diagonal"),
        ({"options": {3: ("B", 1)}}, "not one sequence"),
        ({"x": (0.5, 0), "h": (1e-33, 0)}, "multiplier must lie"),
    ],
)
def test_lstms_of_another_form_are_refused_by_name(wrong, message):
    assert message in refused(Int8LSTM(**wrong).build())


def test_a_hybrid_lstm_that_rounds_otherwise_is_near_and_says_why():
    network = Int8LSTM().build()
    network.tensors[network.inputs[0]] = {**network.tensors[network.inputs[0]], 1: ("b", 0), 4: {}}
    model, _, notes = from_tflite(tflite_file.read(network.bytes()))
    assert notes[-1].startswith(NEAR)
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM, which makes 'sequence20'" in notes[-1]
    assert "are int8, and TensorFlow Lite rounds the numbers that they meet to 8 bits" in notes[-1]
    (scale,) = network.tensors[1][4][2]
    np.testing.assert_allclose(model.layers[0].weight_ih[:4], network.buffers[1][0].view(np.int8).reshape(4, 3) * scale, rtol=1e-6)


def test_gates_of_eight_bits_are_refused_by_name():
    network = Int8LSTM().build()
    network.operators[0][8] = np.repeat(network.operators[0][8], [1, 1, 1, 1, 8])
    assert "12 intermediate tensors, not 5: its gates are not int16" in refused(network)


def after(kind, shape=(1, 5, 4), scale=0.008, zero_point=-3, dtype="int8", more=(), options=None):
    """An LSTM with one more operator behind it."""
    file = Int8LSTM()
    network = file.build()
    y = network.tensor(dtype, shape, scale, zero_point)
    network.operator(kind, [file.last, *(network.constant(np.array(m, np.int32)) for m in more)], [y], options)
    network.outputs = [y]
    return network


SLICE = {0: ("i", 5), 1: ("i", 5), 4: ("i", 2)}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (after("WHILE"), "compares a count of iterations with their number"),
        (after("RESHAPE", (5, 4, 1)), "mixes timesteps"),
        (after("RESHAPE", (1, 4, 5)), "mixes timesteps"),
        (after("RESHAPE", scale=0.009), "changes the type or the scale"),
        (after("SOFTMAX", options={0: ("f", 2.0)}), "beta is 2, not 1"),
        (after("QUANTIZE", scale=0.01), "turns int8 into int8"),
        (after("STRIDED_SLICE", (1, 4), more=([0, 0, 0], [0, 0, 0], [1, 1, 1]), options=SLICE), "than the last step"),
        (after("STRIDED_SLICE", (4,), more=([0, -1, 0], [0, 0, 0], [1, 1, 1]), options={**SLICE, 4: ("i", 3)}), "than the last step"),
        (after("STRIDED_SLICE", (1, 4), more=([0, -1, 0], [0, 0, 0], [1, 2, 1]), options=SLICE), "than the last step"),
        (after("STRIDED_SLICE", (1, 3), more=([0, -1, 1], [0, 0, 0], [1, 1, 1]), options={**SLICE, 0: ("i", 1)}), "than the last step"),
    ],
)
def test_operators_that_cannot_be_stepped_are_refused_by_name(network, message):
    assert message in refused(network)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"function": 3}, "its function is relu6"),
        ({"options": {1: ("b", 1)}}, "stored shuffled"),
        ({"out": (float("inf"), 0)}, "output_scale holds"),
        ({"out": (0.05, 300)}, "whole number from -128 to 127"),
    ],
)
def test_dense_layers_of_another_form_are_refused(wrong, message):
    file = Int8LSTM()
    network = file.build()
    file.dense(2, **wrong)
    with pytest.raises(el.EdgeLSTMError, match=message):
        from_tflite(tflite_file.read(network.bytes()))


def test_graphs_of_integers_say_how_they_are_computed():
    branch = after("TANH")
    branch.outputs = [*branch.outputs, branch.operators[0][2][0]]
    backward = after("REVERSE_V2", more=([1],))
    for network in (branch, backward):
        notes = from_tflite(tflite_file.read(network.bytes()))[2]
        assert any(note.startswith("The file computes in whole numbers, and so does edgelstm") for note in notes)


def test_levels_of_sixteen_bits_are_near_and_say_so():
    """As files have them that keep activations in int16: in an LSTM's input, state and output, or behind it."""
    wide = Int8LSTM().build()
    for index in (wide.inputs[0], wide.operators[0][1][18], wide.operators[0][2][0]):
        wide.tensors[index][1] = ("b", TYPES["int16"])
    for network in (wide, after("REVERSE_V2", dtype="int16", more=([1],))):
        notes = from_tflite(tflite_file.read(network.bytes()))[2]
        assert notes[-1].startswith(NEAR)
        assert "int16" in notes[-1]


def test_damaged_signatures_are_refused():
    two_inputs = Int8LSTM().build()
    two_inputs.inputs *= 2
    with pytest.raises(el.ModelFileError, match="twice"):
        from_tflite(tflite_file.read(two_inputs.bytes()))


def test_a_list_that_is_too_long_is_refused():
    network = Int8LSTM().build()
    network.tensors[0][0] = np.ones(9, np.int32)
    with pytest.raises(el.ModelFileError, match="list of 9 entries where at most 8"):
        tflite_file.read(network.bytes())


def test_another_schema_is_refused():
    with pytest.raises(el.UnsupportedModelError, match="schema version 2"):
        tflite_file.read(Int8LSTM().build().bytes(version=2))


@st.composite
def mutated(draw, data):
    """`data` with some bytes or words changed, or its end cut off."""
    mutable = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(mutable) - 1)))
        kind = draw(st.sampled_from(["byte", "byte", "word", "word", "cut", "remove"]))
        if kind == "byte" and mutable:
            mutable[place] = draw(st.integers(0, 255))
        elif kind == "word":
            word = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0", b"\0\0\xc0\x7f"]))
            mutable[place & ~3 : (place & ~3) + 4] = word
        elif kind == "cut":
            del mutable[place:]
        elif kind == "remove":
            del mutable[place : place + draw(st.integers(1, 40))]
    return bytes(mutable)


def attempt(data, layers=None):
    """A model that steps, or an error of ours with one line."""
    message, found = "", np.zeros(1)
    try:
        model = from_tflite(tflite_file.read(data), layers)[0]
        found = reference.run(model, np.zeros((2, model.input_size)))
    except el.EdgeLSTMError as problem:
        message = str(problem)
    assert "\n" not in message
    assert np.isfinite(found).all()


SOUND = Int8LSTM()
SOUND.build()
SOUND.last_step()
SOUND.dense(3)
SOUND.function("SOFTMAX", options={0: ("f", 1.0)})
SOUND_BYTES = SOUND.network.bytes()


@SETTINGS
@given(mutated(SOUND_BYTES))
def test_hostile_bytes(data):
    attempt(data)


@settings(SETTINGS, max_examples=150)
@given(st.data())
def test_hostile_bytes_of_the_golden_file(golden, data):
    attempt(data.draw(mutated((golden("tflm_mnist_lstm/trained_lstm_int8.tflite")).read_bytes())), "lstm")


def test_every_cut_is_refused():
    for size in range(0, len(SOUND_BYTES), 37):
        with pytest.raises(el.EdgeLSTMError):
            tflite_file.read(SOUND_BYTES[:size])


@pytest.mark.parametrize("word", [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xf0\0\0\0"])
def test_any_word_may_be_anything(word):
    """Words all over the file, as the largest numbers that offsets, lengths and indices can be."""
    for place in range(0, len(SOUND_BYTES), 36):
        attempt(SOUND_BYTES[:place] + word + SOUND_BYTES[place + 4 :])
