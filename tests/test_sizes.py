"""What only the user knows of a graph's inputs: lengths of open axes and whole numbers, said by ``sizes``."""

import re

import numpy as np
import pytest
from click.testing import CliRunner

import edgelstm as el
from edgelstm import reference
from edgelstm.cli import main
from edgelstm.importers.from_onnx import settling

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

FRAME = 6


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A frame of open length, padded at its end; an integer that chooses between two matrices; a state that goes round."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    arrays = {
        "kernel": rng.normal(size=(2, 1, 3)),
        "w": rng.normal(size=(2 * (FRAME - 1), 4)),
        "v": rng.normal(size=(4, 4)),
        "other": rng.normal(size=(4, 4)),
    }
    held = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    held += [
        numpy_helper.from_array(np.array(a), n) for n, a in {"one": [1], "rows": [1, -1], "asked": 16000, "pads": [0, 0, 0, 1]}.items()
    ]
    branches = [
        helper.make_graph(
            [helper.make_node("MatMul", ["state", matrix], [f"by {matrix}"])],
            matrix,
            [],
            [helper.make_tensor_value_info(f"by {matrix}", TensorProto.FLOAT, None)],
        )
        for matrix in ("v", "other")
    ]
    nodes = [
        helper.make_node("Pad", ["input", "pads"], ["padded"]),
        helper.make_node("Unsqueeze", ["padded", "one"], ["channel"]),
        helper.make_node("Conv", ["channel", "kernel"], ["convolved"]),
        helper.make_node("Reshape", ["convolved", "rows"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["a"]),
        helper.make_node("LessOrEqual", ["asked", "sr"], ["fast"]),
        helper.make_node("If", ["fast"], ["b"], then_branch=branches[0], else_branch=branches[1]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["stateN"]),
        helper.make_node("Softmax", ["stateN"], ["output"]),
    ]
    infos = {"input": (1, ("batch", "sequence")), "state": (1, ("batch", 4)), "sr": (7, ())}
    inputs = [helper.make_tensor_value_info(name, *info) for name, info in infos.items()]
    outputs = [helper.make_tensor_value_info(name, 1, (1, 4)) for name in ("output", "stateN")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path_factory.mktemp("sizes") / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_frame_of_open_length_and_a_number_that_chooses(path, rate):
    x = np.random.default_rng(1).normal(size=(7, FRAME)).astype(np.float32)
    session, state, expected = runtime.InferenceSession(path), np.zeros((1, 4), np.float32), []
    for frame in x:
        answer, state = session.run(None, {"input": frame[None], "state": state, "sr": np.array(rate)})
        expected.append(answer[0])
    model = el.load(path, sizes=f"input=1x{FRAME}, sr={rate}")
    assert np.abs(reference.run(model, x) - expected).max() <= 1e-5


@pytest.mark.parametrize(
    ("sizes", "match"),
    [
        (None, 'sizes="sr=NUMBER"'),
        ("sr=16000", "leaves open how long its input 'input' is.*sizes=\"input=1xN\""),
        ("sr=16000, input=1x7", "multipl"),
    ],
)
def test_what_is_not_said_is_asked_for(path, sizes, match):
    with pytest.raises((el.UnsupportedModelError, el.ModelFileError), match=match):
        el.load(path, sizes=sizes)


@pytest.mark.parametrize(
    ("sizes", "match"),
    [
        ("inpt=1x6", "its inputs are input, state, sr"),
        ("input=1x6x2", "must agree"),
        ("state=1x5", "must agree"),
        ("input=1x0", "must agree"),
        ("input", "cannot be read"),
        ("sr=1, sr=2", "cannot be read"),
        ("input=1x6,", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(path, sizes, match):
    with pytest.raises(el.UsageError, match=match):
        el.load(path, sizes=sizes)


def test_an_axis_with_a_name_stays_open():
    assert settling.parse("x = 1xTx40, n=-3").shapes == {"x": (1, "T", 40)}
    assert settling.parse("x = 1xTx40, n=-3").values == {"n": -3}


def test_the_command_line_takes_the_same(path, tmp_path):
    done = CliRunner().invoke(main, ["convert", str(path), "-o", str(tmp_path / "m.elstm")])
    assert done.exit_code
    assert '--sizes "sr=NUMBER"' in done.output + str(done.exception)
    done = CliRunner().invoke(main, ["convert", str(path), "--sizes", f"input=1x{FRAME},sr=16000", "-o", str(tmp_path / "m.elstm")])
    assert done.exit_code == 0, done.output
    assert el.load(tmp_path / "m.elstm").input_size == FRAME


def test_files_that_are_no_graphs_have_no_sizes(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, a=np.zeros((2, 2), np.float32))
    with pytest.raises(el.UsageError, match=re.escape('leave out sizes="a=3"')):
        el.load(path, sizes="a=3")
