"""GuitarML and Automated-GuitarAmpModelling: one PyTorch recurrent module and a Linear, as JSON.

``y = lin(rec(x)) + x[:skip]``. Source: ``SimpleRNN`` in CoreAudioML's ``networks.py``.
"""

from ...errors import UnsupportedModelError, printable
from ...layers.feedforward import Add, Dense
from ...layers.gru import GRU
from ...layers.lstm import LSTM
from ...layers.order import INPUT
from ...layers.record import Layer
from ...layers.rnn import RNN
from ...model import Model
from ..json_parts import Part

#: Gates of a unit.
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def read(whole: Part, source: str) -> tuple[Model, str, list[str]]:
    """The model in a document, the chain that was taken, and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError
    """
    facts = Part(whole.take("model_data", dict), "model_data")
    arrays = Part(whole.take("state_dict", dict), "state_dict")
    if (kind := facts.take("model", str, "SimpleRNN")) != "SimpleRNN":
        raise UnsupportedModelError(
            f"model_data model is {printable(repr(kind), 60)}; edgelstm imports SimpleRNN (an LSTM, GRU or RNN and a linear layer)."
        )
    inputs, outputs, hidden = facts.size("input_size"), facts.size("output_size", 1), facts.size("hidden_size")
    count, skip = facts.size("num_layers", 1), facts.take("skip", int, 0)
    unit, biased = facts.take("unit_type", str), facts.flag("bias_fl", True)
    if unit not in _GATES:
        raise UnsupportedModelError(f"model_data unit_type is {printable(repr(unit), 60)}; edgelstm imports {', '.join(_GATES)}.")
    facts.close()
    layers: list[Layer] = [
        _recurrent(unit, arrays, index, hidden if index else inputs, hidden, "rec" if count == 1 else f"rec_l{index}")
        for index in range(count)
    ]
    layers.append(
        Dense(arrays.array("lin.weight", (outputs, hidden)), arrays.array("lin.bias", (outputs,)) if biased else None, name="lin")
    )
    arrays.close()
    if skip:
        layers += _skip(skip, inputs, outputs)
    whole.drop("training_info", "metadata")
    whole.close()
    return Model(tuple(layers), source=source), "rec, lin" + ", add:input" * bool(skip), []


def _recurrent(unit: str, arrays: Part, index: int, inputs: int, hidden: int, name: str) -> Layer:
    rows = _GATES[unit] * hidden
    weight_ih = arrays.array(f"rec.weight_ih_l{index}", (rows, inputs))
    weight_hh = arrays.array(f"rec.weight_hh_l{index}", (rows, hidden))
    bias_ih, bias_hh = (arrays.array(f"rec.bias_{side}_l{index}", (rows,)) for side in ("ih", "hh"))
    if unit == "GRU":
        return GRU(weight_ih, weight_hh, bias_ih, bias_hh, name=name)
    return (LSTM if unit == "LSTM" else RNN)(weight_ih, weight_hh, bias_ih + bias_hh, name=name)


def _skip(skip: int, inputs: int, outputs: int) -> list[Layer]:
    """What adds the first `skip` inputs to the outputs; one of them is added to all outputs."""
    if skip > inputs or skip not in (1, outputs):
        raise UnsupportedModelError(
            f"model_data skip is {skip}, with input_size {inputs} and output_size {outputs}; "
            "it must be 1 or output_size, and no more than input_size."
        )
    if inputs == outputs == skip:
        return [Add(name="skip", inputs=("lin", INPUT))]
    chosen = [[float(column == (row if skip > 1 else 0)) for column in range(inputs)] for row in range(outputs)]
    return [Dense(chosen, name="dry", inputs=(INPUT,)), Add(name="skip", inputs=("lin", "dry"))]
