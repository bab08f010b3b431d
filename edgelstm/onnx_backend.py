"""ONNX's backend interface: run ONNX models by edgelstm, and ONNX's own tests on it.

Interface: https://onnx.ai/onnx/api/backend.html. The first input of a graph holds its samples. All others (weights, initial states, lengths
of sequences) are bound at a run and compiled in; a run with the same values compiles nothing.

Examples
--------
>>> backend_test = onnx.backend.test.BackendTest(edgelstm.onnx_backend, __name__)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import reference
from .errors import UsageError
from .importers.from_onnx.bound import Bound, CellState, bound
from .importers.from_onnx.file import File, from_proto
from .layers.recurrent import Recurrent
from .stream import Stream

Array = NDArray[Any]


class EdgeLSTMRep:
    """A model ready to run."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._constants: dict[str, Array] = {}
        self._bound: tuple[Bound, list[Stream]] | None = None

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Array, ...]:
        """The outputs for `inputs`: one array, a sequence of them in the graph's order, or a dict by name.

        Raises
        ------
        UsageError
            If inputs are missing.
        UnsupportedModelError, ModelFileError, ShapeError, InputError
            If the graph or its inputs cannot be honoured.
        """
        names = [tensor.name for tensor in self._file.graph.inputs]
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        given = dict(inputs) if isinstance(inputs, dict) else dict(zip(names, inputs, strict=False))
        if missing := [name for name in names if name not in given]:
            raise UsageError(f"a run needs the inputs {', '.join(names)}; {', '.join(missing)} is missing.")
        arrays = {name: np.asarray(given[name]) for name in names}
        made, streams = self._ready(arrays)
        answers = []
        for stream, cells, rows in zip(streams, made.cells, made.recordings(arrays[names[0]]), strict=True):
            if stream.model.streams:
                stream.reset()
            found = np.array(stream.process(rows))  # (steps, columns), or maps
            found = found.reshape(len(found), -1)
            answers.append(np.hstack([found, *(_cell_states(cell, found) for cell in cells)]))
        return tuple(made.filled(np.array(answers)))

    def _ready(self, arrays: dict[str, Array]) -> tuple[Bound, list[Stream]]:
        """Models and streams for these inputs, made anew where a constant or a shape is another one."""
        first, *rest = arrays
        constants = {first: np.array(arrays[first].shape), **{name: arrays[name] for name in rest}}
        if self._bound is None or any(not np.array_equal(self._constants[name], value) for name, value in constants.items()):
            made = bound(self._file, arrays)
            self._bound = made, [Stream(model) for model in made.models]
            self._constants = {name: value.copy() for name, value in constants.items()}
        return self._bound


def _cell_states(cell: CellState, answers: Array) -> Array:
    """The cell state after each step, (steps, hidden_size), by the float64 twin: compiled layers give none."""
    layer, known = cell.layer, reference.twin(cell.layer)
    turn = -1 if isinstance(layer, Recurrent) and layer.reverse else 1
    state, found = known.start(layer), []
    for x in answers[::turn, cell.reads]:
        _, state = known.step(layer, [x.astype(np.float64)], state)
        found.append(state[1])
    return np.array(found, np.float32)[::turn]


class EdgeLSTMBackend:
    """Makes `EdgeLSTMRep` of ``onnx.ModelProto``."""

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **_: Any) -> EdgeLSTMRep:
        """Read a model.

        Raises
        ------
        UsageError
            If the device is none that edgelstm runs on.
        ModelFileError, UnsupportedModelError
            If the model is damaged, or a part of it cannot be read.
        """
        if not cls.supports_device(device):
            raise UsageError(f"edgelstm runs on the CPU; the device {device!r} is another.")
        return EdgeLSTMRep(from_proto(model))

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **_: Any) -> tuple[Array, ...]:
        """`prepare` and run once."""
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def run_node(cls, node: Any, inputs: Sequence[Any], device: str = "CPU", **_: Any) -> tuple[Array, ...]:
        """Run one node, with its inputs in its order, those that it leaves out absent."""
        from onnx import helper

        names = [name for name in node.input if name]
        arrays = dict(zip(names, map(np.asarray, inputs), strict=True))
        infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in arrays.items()]
        outputs = [helper.make_tensor_value_info(name, 1, None) for name in node.output if name]
        return cls.run_model(helper.make_model(helper.make_graph([node], "node", infos, outputs)), arrays, device)

    @classmethod
    def is_compatible(cls, _model: Any, device: str = "CPU", **_: Any) -> bool:
        """Whether edgelstm runs on the device. What a model holds is seen at its first run, when its weights are there."""
        return cls.supports_device(device)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether a device's name, as ONNX writes it (``"CPU"``, ``"CUDA:1"``), is the CPU's."""
        return device.partition(":")[0].upper() == "CPU"


prepare = EdgeLSTMBackend.prepare
run_model = EdgeLSTMBackend.run_model
run_node = EdgeLSTMBackend.run_node
is_compatible = EdgeLSTMBackend.is_compatible
supports_device = EdgeLSTMBackend.supports_device
