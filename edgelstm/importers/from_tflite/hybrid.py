"""Constants of whole numbers that meet numbers: TensorFlow Lite rounds the numbers first, over the range of a step or of all steps.

What is rounded so here is rounded alike; all else would answer a little differently.
"""

from .file import Graph, Operator, Tensor

#: Operators that sum products of levels; the field of their fused function.
SUMS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 0}

#: Operators that give what they read to other graphs.
CALLS = ("WHILE", "IF")

#: Types of levels, and those of few enough that float32 sums their products exactly.
LEVELS, FEW = ("int8", "uint8", "int16"), ("int8", "uint8")


def flows(tensor: Tensor) -> bool:
    """Whether a tensor is computed, and holds levels."""
    return tensor.data is None and tensor.type in FEW and tensor.scale.size == 1 == tensor.zero_point.size


def holds_levels(graph: Graph) -> bool:
    """Whether any number of a file stands for another by a scale."""
    operators = [operator for one in (graph, *graph.others) for operator in one.operators]
    tensors = [*graph.inputs, *(tensor for operator in operators for tensor in (*operator.inputs, *operator.outputs))]
    return any(tensor is not None and tensor.type in LEVELS and tensor.scale.size > 0 for tensor in tensors)


def meets(operator: Operator) -> bool:
    """Whether numbers that are no levels meet weights that are: TensorFlow Lite rounds them first, over the range of each row; of a
    convolution, whose every channel has a scale, over that of all rows.
    """
    if operator.kind not in SUMS or len(operator.inputs) < 2:
        return False
    x, weight = operator.operand(0), operator.operand(1)
    hybrid = x.data is None and x.type == "float32" and weight.data is not None and weight.type == "int8"
    return hybrid and weight.scale.size > (operator.kind != "FULLY_CONNECTED")


def rounds_what_it_reads(operator: Operator) -> bool:
    """Whether an LSTM of int8 weights and a float input rounds that input and h to 256 levels over the range of each step."""
    if operator.kind != "UNIDIRECTIONAL_SEQUENCE_LSTM" or len(operator.inputs) < 9:
        return False
    x, weights = operator.operand(0), [tensor for tensor in operator.inputs[1:9] if tensor is not None]
    hybrid = x.type == "float32" and all(weight.type == "int8" and weight.scale.size == 1 for weight in weights)
    plain = all(index >= len(operator.inputs) or operator.inputs[index] is None for index in (9, 10, 11, 16, 17, 20, 21, 22, 23))
    return hybrid and plain and bool(operator.options.number(4, "B"))


def inexact(operator: Operator) -> str:
    """Why an operator would answer otherwise than TensorFlow Lite; empty where it does not."""
    if wide := next((t for t in operator.outputs if t.data is None and t.type in LEVELS and t.scale.size and not flows(t)), None):
        return f"it computes in {wide.type}, {wide}, which has more levels than edgelstm computes with exactly"
    whole = next((t for t in operator.inputs if t is not None and t.data is not None and t.type in FEW and t.scale.size), None)
    numbers = any(t is not None and t.data is None and t.type == "float32" for t in operator.inputs)
    if whole is None or not numbers or operator.kind in CALLS or meets(operator) or rounds_what_it_reads(operator):
        return ""
    return (
        f"its weights {whole} are {whole.type}, and TensorFlow Lite rounds the numbers that they meet to 8 bits; edgelstm does so in dense "
        "layers, in convolutions with a scale for each channel, and in LSTM layers without further options whose inputs are rounded "
        "asymmetrically"
    )
