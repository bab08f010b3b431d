"""Biases that older quantisers of ONNX Runtime round down to whole levels: of a level that depends on the recording, if its scale does."""

from .file import Graph

#: The note on a graph that does so.
NOTE = (
    "The model's answers differ from this file's: it rounds biases down to whole levels of its 8-bit products, whose size depends on the "
    "recording, and the model adds them unrounded. Convert the file of float32 weights that it was made of, or let a newer onnxruntime "
    "quantise that one."
)

_TO_WHOLE = ("Floor", "Ceil", "Round")

#: What keeps numbers that a scale and constants alone decide.
_CARRIES = ("Mul", "Div", "Cast", "Reshape", "Unsqueeze", "Squeeze", "Identity", "Transpose", "Expand", "Flatten")


def rounds_biases(graph: Graph) -> bool:
    """Whether a graph rounds to whole numbers what follows from constants and the scale of a DynamicQuantizeLinear alone."""
    known, scaled = set(graph.constants), set[str]()
    for node in graph.nodes:
        inputs = {name for name in node.inputs if name}
        if node.op == "DynamicQuantizeLinear":
            scaled.update(node.outputs[1:2])
        elif inputs <= known:
            known.update(node.outputs)
        elif inputs <= known | scaled:
            if node.op in _TO_WHOLE:
                return True
            scaled.update(node.outputs if node.op in _CARRIES else ())
    return False
