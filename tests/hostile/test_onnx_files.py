"""ONNX files made to hurt: each ends in one of edgelstm's errors, soon, with little memory, and reads nothing outside of its folder."""

import contextlib
import os
import resource
import time

import numpy as np
import pytest
from hostile_limits import BYTES, SECONDS, seconds

import edgelstm as el
from edgelstm.importers import import_file
from edgelstm.importers.from_onnx import file as onnx_file

onnx = pytest.importorskip("onnx")
helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")


def lstm_file(rng, **attributes):
    """A sound model: one LSTM of 3 inputs and 4 units."""
    arrays = {"W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32)}
    weights = [numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name) for name, shape in arrays.items()]
    node = helper.make_node("LSTM", ["x", "W", "R", "B"], ["y"], hidden_size=4, **attributes)
    return model_of([node], weights, {"x": ("time", 1, 3)}, {"y": ("time", 1, 1, 4)})


def model_of(nodes, weights, inputs, outputs):
    infos = [[helper.make_tensor_value_info(n, 1, shape) for n, shape in named.items()] for named in (inputs, outputs)]
    return helper.make_model(helper.make_graph(nodes, "g", *infos, weights), opset_imports=[helper.make_opsetid("", 17)])


def refused(path, data, match):
    """The file of these bytes is refused within the limits, for this reason."""
    path.write_bytes(data)
    began, most = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((el.ModelFileError, el.UnsupportedModelError, el.ShapeError), match=match):
        import_file(path)
    took = time.process_time() - began
    assert took < SECONDS or took < seconds()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) << 10 < BYTES


@pytest.mark.parametrize(
    ("location", "match"),
    [
        ("../secret.bin", "outside"),
        ("/etc/hostname", "outside"),
        ("link.bin", "outside"),
        ("absent.bin", "not there"),
        ("", "outside"),
        ("a\0b", "outside"),
    ],
)
def test_external_data_stay_in_the_folder(tmp_path, location, match):
    """Paths that climb out of the folder, absolute ones, and links that lead out of it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    os.symlink(tmp_path / "secret.bin", folder / "link.bin")
    model = lstm_file(np.random.default_rng(0))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value=location)
    refused(folder / "model.onnx", model.SerializeToString(), match)


@pytest.mark.parametrize(("offset", "length"), [("-1", "192"), ("0", "99999999999"), ("x", "192"), ("4000", "192")])
def test_external_data_lie_within_their_file(tmp_path, offset, length):
    """Places before the beginning, behind the end, and words instead of numbers."""
    (tmp_path / "weights.bin").write_bytes(bytes(4096))
    model = lstm_file(np.random.default_rng(0))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in (("location", "weights.bin"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    refused(tmp_path / "model.onnx", model.SerializeToString(), "has its numbers at")


def test_external_data_beside_the_model_are_read(tmp_path):
    """The sound case, to which the others are the contrast."""
    model = lstm_file(np.random.default_rng(0))
    tensor = model.graph.initializer[0]
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
    expected = np.frombuffer(tensor.raw_data, np.float32)
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="weights.bin")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    weights = import_file(tmp_path / "model.onnx").model.layers[0].weight_ih
    assert np.array_equal(np.sort(weights.ravel()), np.sort(expected))


def nested(depth):
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [], [helper.make_tensor_value_info("y", 1, None)])
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", 1, None)])
    return graph


def test_graphs_do_not_nest_without_end(tmp_path):
    """Ten levels double a branch ten times: counted as they are read."""
    graph = nested(onnx_file.DEEPEST + 1)
    graph.input.append(helper.make_tensor_value_info("x", 1, ("time", 1, 3)))
    refused(tmp_path / "model.onnx", helper.make_model(graph).SerializeToString(), "deeper|more than")


def test_bytes_that_nest_without_end(tmp_path):
    """A length-delimited field in itself, thousands of times."""
    data = b""
    for _ in range(3000):
        size, length = len(data), b""
        while True:
            length += bytes([size & 127 | (128 if size > 127 else 0)])
            size >>= 7
            if not size:
                break
        data = b"\x3a" + length + data
    refused(tmp_path / "model.onnx", b"\x08\x07" + data, "no ONNX|no graph|no input")


def test_functions_that_call_themselves(tmp_path):
    """A function whose body is a call of it."""
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    function = helper.make_function("f", "again", ["a"], ["b"], [helper.make_node("again", ["a"], ["b"], domain="f")], opset)
    model = model_of([helper.make_node("again", ["x"], ["y"], domain="f")], [], {"x": ("time", 1, 3)}, {"y": ("time", 1, 3)})
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("f", 1))
    refused(tmp_path / "model.onnx", model.SerializeToString(), "deeper")


def huge_shape(model):
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]


def wrong_bytes(model):
    model.graph.initializer[0].raw_data = bytes(8)


def many_nodes(model):
    model.graph.node.extend([helper.make_node("Identity", ["x"], ["z"])] * (onnx_file.MOST_NODES + 1))


def made_large(model):
    """A few bytes that ask for a constant of 2^60 numbers."""
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["s"], ["big"]))
    model.graph.initializer.append(numpy_helper.from_array(np.full(2, 1 << 30), "s"))


def expanded(model):
    model.graph.node.insert(0, helper.make_node("Expand", ["x", "s"], ["big"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 20, 1 << 20, 1, 1, 3]), "s"))


def long_recording(model):
    """A window of 2^40 steps, fixed by the file."""
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1 << 40


def long_range(model):
    model.graph.node.insert(0, helper.make_node("Range", ["a", "b", "c"], ["big"]))
    for name, value in (("a", 0), ("b", 1 << 62), ("c", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))


def long_chain(model):
    """Twelve thousand products, each of two others before it."""
    names = ["x", *(f"p{i}" for i in range(12_000))]
    nodes = [helper.make_node("Mul", [names[i], names[i // 2]], [names[i + 1]]) for i in range(12_000)]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def doubled(model):
    """Arrays joined with themselves, again and again."""
    for i in reversed(range(18)):
        model.graph.node.insert(0, helper.make_node("Concat", [f"d{i}" if i else "x"] * 2, [f"d{i + 1}"], axis=2))
    for i in reversed(range(60)):
        model.graph.node.insert(18, helper.make_node("Concat", ["d18", f"d{i % 9}" if i % 9 else "x"], [f"e{i}"], axis=2))


def outer_sum(model):
    """A column and a row of constants, a sum of 2^40 numbers."""
    model.graph.node.insert(0, helper.make_node("Add", ["column", "row"], ["big"]))
    for name, shape in (("column", (1 << 20, 1)), ("row", (1, 1 << 20))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.int8), name))


def outer_product(model):
    outer_sum(model)
    model.graph.node[0].op_type = "MatMul"


def gathered(model):
    """A row of constants taken a million times."""
    model.graph.node.insert(0, helper.make_node("Gather", ["row", "column"], ["big"]))
    for name, shape in (("column", (1 << 20, 1)), ("row", (1, 1 << 16))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.int32), name))


def cycle(model):
    """Two nodes that read each other."""
    model.graph.node.insert(0, helper.make_node("Add", ["x", "v"], ["u"]))
    model.graph.node.insert(1, helper.make_node("Add", ["x", "u"], ["v"]))


def no_output(model):
    model.graph.output[0].name = "nowhere"


def other_height(model):
    """W of 16 rows under hidden_size 5."""
    model.graph.node[0].attribute[0].i = 5


def infinite(model):
    model.graph.initializer[0].raw_data = np.full(48, np.inf, np.float32).tobytes()


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (huge_shape, "numbers are read"),
        (wrong_bytes, "damaged"),
        (many_nodes, "operators"),
        (made_large, "at most"),
        (expanded, "at most"),
        (long_range, "at most"),
        (long_recording, "at most"),
        (long_chain, "larger than is imported"),
        (doubled, "larger than is imported"),
        (outer_sum, "at most"),
        (outer_product, "at most"),
        (gathered, "at most"),
        (cycle, "nothing before it makes"),
        (no_output, "nothing before it makes"),
        (other_height, "hidden_size"),
        (infinite, "NaN, infinity"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_models_that_contradict_themselves_or_ask_for_too_much(tmp_path, spoil, match):
    model = lstm_file(np.random.default_rng(0))
    sound = made(model)
    spoil(model)
    read = {name for node in model.graph.node for name in node.input}
    more = [name for name in made(model) if name not in sound]
    needed = [name for name in more if name not in read] or more[-1:]  # what no output depends on is not looked at
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in needed)
    refused(tmp_path / "model.onnx", model.SerializeToString(), match)


def made(model):
    return [name for node in model.graph.node for name in node.output if name]


def test_an_attribute_that_nobody_knows_is_named(tmp_path):
    refused(tmp_path / "model.onnx", lstm_file(np.random.default_rng(0), zoneout=0.1).SerializeToString(), "zoneout")


@pytest.mark.parametrize("seed", range(20))
def test_mutations(tmp_path, seed):
    """Bytes of a sound file changed, cut out or doubled: read or refused, never a crash. EDGELSTM_MUTATIONS sets how many a seed."""
    rng = np.random.default_rng(seed)
    sound = lstm_file(rng).SerializeToString()
    path = tmp_path / "model.onnx"
    for _ in range(int(os.environ.get("EDGELSTM_MUTATIONS", "15"))):
        data = bytearray(sound)
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(data)))
            kind = rng.integers(3)
            if kind == 0:
                data[at] = rng.integers(256)
            elif kind == 1:
                del data[at : at + int(rng.integers(1, 40))]
            else:
                data[at:at] = data[at : at + int(rng.integers(1, 40))]
        path.write_bytes(bytes(data))
        with contextlib.suppress(el.ModelFileError, el.UnsupportedModelError, el.ShapeError, el.UsageError):
            import_file(path)


def test_an_input_of_sizes_without_end_is_refused(tmp_path):
    """The places of its numbers are not counted before their number is."""
    node = helper.make_node("Identity", ["x"], ["y"])
    for shape in (("time", 1, 1 << 31), ("time", 1, 1 << 20, 1 << 20)):
        refused(tmp_path / "m.onnx", model_of([node], [], {"x": shape}, {"y": shape}).SerializeToString(), "at most")
