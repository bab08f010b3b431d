"""Programs of torch.export, with the output of every operator, and TorchScript modules, whose answers alone can be seen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..importers.from_onnx.chains import followed
from ..importers.from_onnx.file import Graph
from ..model import Model
from . import Answered
from .feeding import Arrays, fed, without


def run(path: str, found: str, how: Mapping[str, str], model: Model, xs: NDArray[np.float32]) -> Answered:
    """Answers to samples (steps, input_size)."""
    with torch.no_grad():
        outputs, within = (_exported if found == "torch.export" else _scripted)(path, how.get("sizes"), xs)
    return Answered(outputs, within, f"PyTorch {torch.__version__}")


def _exported(path: str, sizes: str | None, xs: NDArray[np.float32]) -> tuple[Arrays, Arrays]:
    from ..importers.aten.exported import read

    with open(path, "rb") as opened:
        file = read(opened)
        taken = followed(file, sizes, "torch.export")
    program = _Recorded(torch.export.load(path).module())
    held = {tensor.name for tensor, _ in taken.reading.states if tensor.becomes}
    inputs = [tensor.name for tensor in file.graph.inputs if tensor.name not in held]
    names = [output.name for output in file.graph.outputs]

    def call(given: Arrays) -> tuple[Arrays, Arrays]:
        program.seen.clear()
        answers = _flat(program.run(*(torch.from_numpy(np.ascontiguousarray(given[name])) for name in inputs)))
        shown = [name for name in names if not any(name == tensor.becomes for tensor, _ in taken.reading.states)]
        return dict(zip(shown, answers, strict=False)), dict(program.seen)

    return fed(without(taken, held), file.graph, call, xs)


class _Recorded(torch.fx.Interpreter):  # type: ignore[misc]
    """A program that remembers what its operators gave, by their names."""

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.seen: Arrays = {}

    def run_node(self, n: Any) -> Any:
        value = super().run_node(n)
        for number, part in enumerate(_tensors(value)):
            self.seen[f"{n.name}[{number}]" if number else n.name] = part
        return value


def _scripted(path: str, sizes: str | None, xs: NDArray[np.float32]) -> tuple[Arrays, Arrays]:
    from ..importers.aten.script_archive import read
    from ..importers.aten.script_model import followed as script_followed

    with open(path, "rb") as opened:
        taken = script_followed(read(opened), "TorchScript", sizes)
    module = torch.jit.load(path, map_location="cpu").eval()
    names = [argument.name for argument in module.forward.schema.arguments[1:]]
    said = {name: int(value.item()) for name, value in taken.given.items()}

    def call(given: Arrays) -> tuple[Arrays, Arrays]:
        tensors = {name.removeprefix("state "): torch.from_numpy(np.ascontiguousarray(array)) for name, array in given.items()}
        arguments = {name: tensors[name] if name in tensors else _pair(tensors, name) for name in names if name not in said}
        answers = _flat(module(**{k: v for k, v in arguments.items() if v is not None}, **said))
        return {f"output {number}": answer for number, answer in enumerate(answers)}, {}

    held = {tensor.name for tensor, _ in taken.reading.states if tensor.becomes}
    return fed(without(taken, held), Graph((), (), (), {}), call, xs)


def _pair(tensors: Mapping[str, Any], name: str) -> Any:
    """The two tensors of an LSTM's state; None where there are none."""
    return (tensors[f"{name} h"], tensors[f"{name} c"]) if f"{name} h" in tensors else None


def _tensors(value: Any) -> list[NDArray[Any]]:
    parts = value if isinstance(value, tuple | list) else (value,)
    return [part.detach().numpy() for part in parts if isinstance(part, torch.Tensor) and part.is_floating_point()]


def _flat(value: Any) -> list[NDArray[Any]]:
    if isinstance(value, tuple | list):
        return [part for entry in value for part in _flat(entry)]
    return _tensors(value)
