"""ONNX Loop and Scan whose body is any cell; how often a Loop runs, and what it knows of the number of an iteration."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.errors import UnsupportedModelError
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import parse

helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")
ort = pytest.importorskip("onnxruntime")

STEPS, INPUTS, HIDDEN, LIMIT = 9, 3, 4, 1e-5

node = helper.make_node


def value(name, kind, shape=()):
    return helper.make_tensor_value_info(name, kind, list(shape))


#: ``h = tanh(x W + h U)``, and ``h = sigmoid(tanh(x W + h U) V) h + tanh(x W + h U)``.
KNOWN = [
    node("MatMul", ["x", "W"], ["xW"]),
    node("MatMul", ["h", "U"], ["hU"]),
    node("Add", ["xW", "hU"], ["z"]),
    node("Tanh", ["z"], ["made"]),
]
UNKNOWN = [
    *KNOWN[:-1],
    node("Tanh", ["z"], ["g"]),
    node("MatMul", ["g", "V"], ["gV"]),
    node("Sigmoid", ["gV"], ["gate"]),
    node("Mul", ["gate", "h"], ["kept"]),
    node("Add", ["kept", "g"], ["made"]),
]
CELLS = {"a known cell": KNOWN, "any cell": UNKNOWN}


def model_of(nodes, begin=0.0, time="T", **constants):
    rng = np.random.default_rng(4)
    weights = {name: rng.normal(size=(INPUTS if name == "W" else HIDDEN, HIDDEN)).astype(np.float32) * 0.3 for name in "WUV"}
    given = {**weights, "h0": np.full((1, HIDDEN), begin, np.float32), "true": np.array(True), "zero": np.array(0), "one": np.array(1)}
    arrays = [numpy_helper.from_array(np.asarray(array), name) for name, array in {**given, **constants}.items()]
    graph = helper.make_graph(nodes, "g", [value("in", 1, (1, time, INPUTS))], [value("out", 1, (1, None, HIDDEN))], arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def looped(cell, *more, running="on", trips="trips", **options):
    """A Loop over the rows. more: nodes of its body, of which the last may give ``h_next``; running: what says that it goes on."""
    made = {name for one in more for name in one.output}
    after = [] if "h_next" in made else [node("Identity", ["made"], ["h_next"])]
    body = [node("Gather", ["rows", "i"], ["x"], axis=0), *cell, *more, *after, node("Identity", ["h_next"], ["y"])]
    body += [node("Identity", [running], ["goes_on"])]
    inputs = [value("i", 7), value("on", 9), value("h", 1, (1, HIDDEN))]
    graph = helper.make_graph(body, "b", inputs, [value("goes_on", 9), value("h_next", 1, (1, HIDDEN)), value("y", 1, (1, HIDDEN))])
    nodes = [
        node("Transpose", ["in"], ["rows"], perm=[1, 0, 2]),
        node("Shape", ["rows"], ["sizes"]),
        node("Gather", ["sizes", "zero"], ["trips"], axis=0),
        node("Loop", [trips, "true", "h0"], ["end", "ys"], body=graph),
        node("Transpose", ["ys"], ["out"], perm=[1, 0, 2]),
    ]
    return model_of(nodes, **options)


def both_ways(cell):
    """The sum of a scan and one from the end."""
    inputs = [value("h", 1, (1, HIDDEN)), value("x", 1, (1, INPUTS))]
    outputs = [value("made", 1, (1, HIDDEN)), value("y", 1, (1, HIDDEN))]
    body = helper.make_graph([*cell, node("Identity", ["made"], ["y"])], "b", inputs, outputs)
    nodes = [node("Transpose", ["in"], ["rows"], perm=[1, 0, 2])]
    for way in (0, 1):
        ways = {"scan_input_directions": [way], "scan_output_directions": [way]}
        nodes.append(node("Scan", ["h0", "rows"], [f"end{way}", f"ys{way}"], body=body, num_scan_inputs=1, **ways))
    return model_of([*nodes, node("Add", ["ys0", "ys1"], ["both"]), node("Transpose", ["both"], ["out"], perm=[1, 0, 2])])


def scanned(cell, backward=False, begin=0.0):
    inputs = [value("h", 1, (1, HIDDEN)), value("x", 1, (1, INPUTS))]
    outputs = [value("made", 1, (1, HIDDEN)), value("y", 1, (1, HIDDEN))]
    body = helper.make_graph([*cell, node("Add", ["made", "h"], ["y"])], "b", inputs, outputs)
    ways = {"scan_input_directions": [int(backward)], "scan_output_directions": [int(backward)]}
    nodes = [
        node("Transpose", ["in"], ["rows"], perm=[1, 0, 2]),
        node("Scan", ["h0", "rows"], ["end", "ys"], body=body, num_scan_inputs=1, **ways),
        node("Transpose", ["ys"], ["out"], perm=[1, 0, 2]),
    ]
    return model_of(nodes, begin)


def check(data, steps=(STEPS, 60)):
    model = from_onnx(parse(data))[0]
    for count in steps:
        x = np.random.default_rng(count).normal(size=(1, count, INPUTS)).astype(np.float32)
        wanted = ort.InferenceSession(data).run(None, {"in": x})[0][0]
        found = reference.run(model, x[0])
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= LIMIT
    return model


@pytest.mark.parametrize("begin", [0.0, 0.7])
@pytest.mark.parametrize("cell", CELLS)
def test_loops_and_scans_answer_as_the_file(cell, begin):
    kinds = [{layer.kind for layer in check(data).layers} for data in (looped(CELLS[cell], begin=begin), scanned(CELLS[cell], begin=begin))]
    assert ("previous" in kinds[0]) is (cell == "any cell")
    assert "previous" in kinds[1] or (cell, begin) == ("a known cell", 0.0)
    assert check(looped(CELLS[cell], begin=begin, time=STEPS), (STEPS,)).window == STEPS


@pytest.mark.parametrize("cell", CELLS)
def test_a_condition_over_the_state_chooses_within_a_loop(cell):
    below = [node("ReduceSum", ["made"], ["total"], keepdims=0), node("Less", ["total", "limit"], ["below"])]
    check(looped(CELLS[cell], *below, node("Where", ["below", "h", "made"], ["h_next"]), limit=np.float32(0.5)))


STOPS = {
    "as soon as a number is large": (
        [node("ReduceSum", ["made"], ["total"], keepdims=0), node("Less", ["total", "limit"], ["less"])],
        {"running": "less", "limit": np.float32(0.5)},
        "runs as long as numbers of the recording say",
    ),
    "after five rows": ([], {"trips": "five", "five": np.array(5)}, "runs 5 times"),
    "when its number is three": ([node("Less", ["i", "three"], ["less"])], {"running": "less", "three": np.array(3)}, "runs 4 times"),
    "at once": ([], {"running": "no", "no": np.array(False)}, "runs 1 times"),
}


@pytest.mark.parametrize("name", STOPS)
@pytest.mark.parametrize("cell", CELLS)
def test_loops_that_stop_before_the_recording_does_are_refused(cell, name):
    more, options, why = STOPS[name]
    with pytest.raises(UnsupportedModelError, match=why):
        from_onnx(parse(looped(CELLS[cell], *more, **options)))


NUMBERED = {
    "the state is kept in the first rows": [node("Less", ["i", "three"], ["early"]), node("Where", ["early", "h", "made"], ["h_next"])],
    "the number is added": [node("Cast", ["i"], ["number"], to=1), node("Add", ["made", "number"], ["h_next"])],
    "the number is a factor": [node("Cast", ["i"], ["number"], to=1), node("Mul", ["made", "number"], ["h_next"])],
    "every third row": [
        node("Mod", ["i", "three"], ["rest"]),
        node("Equal", ["rest", "zero"], ["third"]),
        node("Where", ["third", "h", "made"], ["h_next"]),
    ],
}


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("cell", CELLS)
def test_what_hangs_on_the_number_of_an_iteration_is_refused(cell, name):
    with pytest.raises(UnsupportedModelError, match="computes with the number of a loop's iteration"):
        from_onnx(parse(looped(CELLS[cell], *NUMBERED[name], three=np.array(3))))


BACKWARD = {
    "a known cell and its state": (KNOWN, 0.0),
    "a known cell that begins elsewhere": (KNOWN, 0.5),
    "any cell": (UNKNOWN, 0.0),
    "any cell that begins elsewhere": (UNKNOWN, 0.5),
    "what was one row later": ([node("MatMul", ["x", "W"], ["made"])], 0.0),
}


@pytest.mark.parametrize("name", BACKWARD)
def test_a_scan_from_the_end_reads_what_was_one_row_later(name):
    cell, begin = BACKWARD[name]
    model = check(scanned(cell, True, begin))
    assert {"previous", "reverse"} <= {layer.kind for layer in model.layers}


def test_loops_in_both_directions():
    data = both_ways(UNKNOWN)
    model = check(data)
    x = np.random.default_rng(1).normal(size=(1, 20, INPUTS)).astype(np.float32)
    wanted = ort.InferenceSession(data).run(None, {"in": x})[0][0]
    assert np.abs(el.Stream(model).process(x[0]) - wanted).max() <= LIMIT


def gathered(*more, at=(), cell=KNOWN):
    """A Loop that adds its answers to a sequence. at: the place where it puts them; more: nodes of its body."""
    body = [node("Gather", ["rows", "i"], ["x"], axis=0), *cell, *more]
    body += [node("SequenceInsert", ["seq", "made", *at], ["seq_next"]), node("Identity", ["on"], ["goes_on"])]
    sequence = [helper.make_tensor_sequence_value_info(name, 1, None) for name in ("seq", "seq_next")]
    inputs = [value("i", 7), value("on", 9), value("h", 1, (1, HIDDEN)), sequence[0]]
    graph = helper.make_graph(body, "b", inputs, [value("goes_on", 9), value("made", 1, (1, HIDDEN)), sequence[1]])
    nodes = [
        node("Transpose", ["in"], ["rows"], perm=[1, 0, 2]),
        node("Shape", ["rows"], ["sizes"]),
        node("Gather", ["sizes", "zero"], ["trips"], axis=0),
        node("SequenceEmpty", [], ["empty"], dtype=1),
        node("Loop", ["trips", "true", "h0", "empty"], ["end", "all"], body=graph),
        node("ConcatFromSequence", ["all"], ["out"], axis=1, new_axis=1),
    ]
    return model_of(nodes)


def test_a_sequence_that_a_loop_adds_to():
    for cell in CELLS.values():
        check(gathered(cell=cell))
    length = [node("SequenceLength", ["seq"], ["count"]), node("Cast", ["count"], ["number"], to=1), node("Add", ["h", "number"], ["k"])]
    twice = node("SequenceInsert", ["seq", "made"], ["unread"])
    for data in (gathered(at=["zero"]), gathered(cell=[*length, KNOWN[0], node("MatMul", ["k", "U"], ["hU"]), *KNOWN[2:]])):
        with pytest.raises(UnsupportedModelError, match="a sequence to which a loop adds arrays"):
            from_onnx(parse(data))
    check(gathered(twice))


def carrying(states, *body, **constants):
    """A scan whose states, with what they begin as, become ``<name>_next``, and whose answer is ``y``."""
    kinds = {name: 9 if array.dtype == bool else 1 for name, array in states.items()}
    inputs = [*(value(name, kinds[name], array.shape) for name, array in states.items()), value("x", 1, (1, INPUTS))]
    outputs = [*(value(f"{name}_next", kinds[name], array.shape) for name, array in states.items()), value("y", 1, (1, HIDDEN))]
    graph = helper.make_graph([node("MatMul", ["x", "W"], ["made"]), *body], "b", inputs, outputs)
    begins = {f"{name}_begin": array for name, array in states.items()}
    nodes = [
        node("Transpose", ["in"], ["rows"], perm=[1, 0, 2]),
        node("Scan", [*begins, "rows"], [*(f"{name}_end" for name in states), "ys"], body=graph, num_scan_inputs=1),
        node("Transpose", ["ys"], ["out"], perm=[1, 0, 2]),
    ]
    return model_of(nodes, **begins, **constants)


ROW = np.full((1, HIDDEN), 0.5, np.float32)

STATES = {
    "a number that is on once and for all": carrying(
        {"on": np.array(False)},
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Greater", ["sum", "limit"], ["now"]),
        node("Or", ["on", "now"], ["on_next"]),
        node("Where", ["on_next", "made", "zeros"], ["y"]),
        limit=np.float32(3),
        zeros=0 * ROW,
    ),
    "rows that move on, the last of which is fed back": carrying(
        {"q": np.repeat(ROW, 3, 0)},
        node("ReduceMean", ["q"], ["mean"], axes=[0], keepdims=1),
        node("Tanh", ["mean"], ["gate"]),
        node("Mul", ["gate", "made"], ["gated"]),
        node("Add", ["gated", "made"], ["y"]),
        node("Slice", ["q", "first", "last", "axis"], ["kept"]),
        node("Concat", ["kept", "y"], ["q_next"], axis=0),
        first=np.array([1]),
        last=np.array([3]),
        axis=np.array([0]),
    ),
    "the answer is what was before": carrying(
        {"h": ROW},
        node("Tanh", ["made"], ["g"]),
        node("Mul", ["g", "h"], ["k"]),
        node("Add", ["k", "g"], ["h_next"]),
        node("Identity", ["h"], ["y"]),
    ),
    "states that change places": carrying(
        {"p": ROW, "q": -ROW},
        node("Tanh", ["made"], ["g"]),
        node("Sub", ["p", "g"], ["moved"]),
        node("Mul", ["moved", "half"], ["q_next"]),
        node("Identity", ["q"], ["p_next"]),
        node("Add", ["p_next", "q_next"], ["y"]),
        half=np.float32(0.5),
    ),
    "mean and spread of what was, by which rows are divided": carrying(
        {"m": 0 * ROW, "v": ROW},
        node("Sub", ["made", "m"], ["off"]),
        node("Mul", ["off", "tenth"], ["moved"]),
        node("Add", ["m", "moved"], ["m_next"]),
        node("Mul", ["off", "moved"], ["square"]),
        node("Mul", ["v", "rest"], ["less"]),
        node("Add", ["less", "square"], ["v_next"]),
        node("Sqrt", ["v_next"], ["spread"]),
        node("Add", ["spread", "tenth"], ["divisor"]),
        node("Div", ["off", "divisor"], ["y"]),
        tenth=np.float32(0.1),
        rest=np.float32(0.9),
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_states_of_any_kind_go_round(name):
    assert "previous" in {layer.kind for layer in check(STATES[name]).layers}


@pytest.mark.parametrize("way", [0, 1])
def test_a_state_that_no_sample_reaches(way):
    """It goes on by itself; no other axis is taken for time because of it."""
    own = [node("MatMul", ["h", "V"], ["hV"]), node("Tanh", ["hV"], ["made"])]
    body = [*own, node("MatMul", ["x", "W"], ["xW"]), node("Sub", ["xW", "h"], ["y"])]
    inputs, outputs = [value("h", 1, (1, HIDDEN)), value("x", 1, (1, INPUTS))], [value("made", 1, (1, HIDDEN)), value("y", 1, (1, HIDDEN))]
    ways = {"scan_input_directions": [way], "scan_output_directions": [way]}
    nodes = [
        node("Transpose", ["in"], ["rows"], perm=[1, 0, 2]),
        node("Scan", ["h0", "rows"], ["end", "ys"], body=helper.make_graph(body, "b", inputs, outputs), num_scan_inputs=1, **ways),
        node("Transpose", ["ys"], ["out"], perm=[1, 0, 2]),
    ]
    assert check(model_of(nodes, begin=0.5)).input_size == INPUTS
