"""Makes tests/golden/tensorflow.tar.xz: the graphs of `tensorflow_graphs`, with what TensorFlow answers to them.

Run in an environment of its own: pip install tensorflow tf_keras, then python tools/tensorflow_files.py. The package needs neither.
"""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray
from tensorflow_graphs import GRAPHS, STEPS, Made, keras_models, v1

OUT = Path(__file__).parents[1] / "tests" / "golden" / "tensorflow.tar.xz"


def frozen(make: Callable[[], Made]) -> tuple[bytes, dict[str, NDArray[Any]]]:
    """The bytes of a graph of TensorFlow 1, and what it answers: twice, with states that go round."""
    with v1.Graph().as_default() as graph:
        v1.set_random_seed(3)
        inputs, outputs = make()
        ends = [tf.identity(one, name=f"y{index}") for index, one in enumerate(outputs)]
        rng, found = np.random.default_rng(5), dict[str, NDArray[Any]]()
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for variable in v1.global_variables():
                if any(word in variable.name for word in ("bias", "diag")):
                    session.run(variable.assign(rng.normal(0, 0.5, variable.shape)))
            names = [one.op.name for one in ends]
            proto = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), names)
            begins = {name: np.zeros(one.shape, np.float32) for name, one in inputs.items() if name not in ("x", "sequence_length")}
            for call in range(2):
                given = {**begins, "x": drawn(rng, inputs["x"])}
                if "sequence_length" in inputs:
                    given["sequence_length"] = np.array([STEPS])
                answers = session.run(ends, {inputs[name]: value for name, value in given.items()})
                begins = dict(zip(begins, answers[1:], strict=True)) if begins else {}
                found |= {f"x{call}": given["x"]} | {f"y{call}:{index}": one for index, one in enumerate(answers[: 1 if begins else None])}
    return proto.SerializeToString(), found


def drawn(rng: np.random.Generator, x: Any) -> NDArray[Any]:
    shape = x.shape.as_list()
    time = next((axis for axis, n in enumerate(shape) if n is None and (axis or shape[1] == 1)), None)
    shape = [STEPS if axis == time and n is None else n or 1 for axis, n in enumerate(shape)]
    return rng.integers(0, 9, shape) if x.dtype == tf.int32 or len(shape) == 2 else np.asarray(rng.normal(0, 2, shape), np.float32)


def frozen_function(model: Any, **options: Any) -> tuple[bytes, dict[str, NDArray[Any]]]:
    """The bytes of a frozen function of TensorFlow 2, and what it answers."""
    rng, spec = np.random.default_rng(5), model.inputs[0]
    for weight in model.weights:
        if "bias" in weight.name:
            weight.assign(rng.normal(0, 0.5, weight.shape))
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(model).get_concrete_function(tf.TensorSpec(spec.shape, spec.dtype, name="x"))
    made = convert_variables_to_constants_v2(function, **options)
    found: dict[str, NDArray[Any]] = {}
    for call in range(2):
        x = np.asarray(rng.normal(0, 2, (1, STEPS, 3)), np.float32)
        found |= {f"x{call}": x, f"y{call}:0": model(x).numpy()}
    return made.graph.as_graph_def().SerializeToString(), found


def main() -> None:
    files = {}
    for name, model, options in keras_models():
        tf_keras.utils.set_random_seed(3)
        files[name] = frozen_function(model, **options)
    v1.disable_v2_behavior()
    files |= {name: frozen(make) for name, make in GRAPHS.items()}
    with tarfile.open(OUT, "w:xz", preset=9) as out:
        for name, (data, answers) in files.items():
            stream = io.BytesIO()
            np.savez(stream, allow_pickle=False, **answers)
            for ending, content in (("pb", data), ("npz", stream.getvalue())):
                entry = tarfile.TarInfo(f"{name}.{ending}")
                entry.size = len(content)
                out.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    main()
