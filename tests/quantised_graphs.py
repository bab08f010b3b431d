"""Graphs that ONNX Runtime's own tool quantises, and what the runtime answers."""

import numpy as np
import onnx
import onnxruntime as runtime

from edgelstm.importers import import_file

WIDTH = 5


def floats(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def saved(path, nodes, constants, shape):
    """A float model from x of this shape to y."""
    from onnx import TensorProto, helper, numpy_helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", shape), ("y", None)))
    held = [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    made = [helper.make_node(op, inputs, outputs, **attributes) for op, inputs, outputs, attributes in nodes]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(helper.make_graph(made, "g", [x], [y], held), opset_imports=opsets, ir_version=8), path)
    return path


def recurrent(direction):
    def make(rng):
        count = 2 if direction == "bidirectional" else 1
        nodes = [
            ("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]}),
            ("LSTM", ["t", "w", "r", "b"], ["h"], {"hidden_size": 8, "direction": direction}),
            ("Transpose", ["h"], ["rows"], {"perm": [2, 0, 1, 3]}),
            ("Reshape", ["rows", "shape"], ["y"], {}),
        ]
        constants = {"w": floats(rng, count, 32, WIDTH), "r": floats(rng, count, 32, 8) / 2, "b": floats(rng, count, 64)}
        return nodes, {**constants, "shape": np.array([0, 0, -1])}

    return make


def imported(path):
    return import_file(path).model


def answers_of_runtime(path, x):
    return runtime.InferenceSession(path).run(None, {"x": x[None]})[0][0]
