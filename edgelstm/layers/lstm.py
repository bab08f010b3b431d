"""The record of a float32 LSTM layer."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from ..errors import ShapeError, UnsupportedModelError, printable
from . import activations
from .cells import LARGEST, Cell
from .record import Array
from .recurrent import Restarting

#: Conventions of layer normalisation, and what each adds to the variance.
NORMS = {"tflite": 1e-8, "tf1": 1e-12, "torch": 1e-5, "joint": 1e-5}

#: Where a cell may be normalised: as what is stored, on its way to h alone, or nowhere.
CELL_NORMS = ("state", "output", "none")

#: The most that an activation may enlarge a number of that size.
MOST_SCALED = 1024.0


@dataclass(eq=False, repr=False)
class LSTM(Restarting, Cell):
    """Long short-term memory. Gates stand in the order i f g o: input, forget, candidate, output, as in PyTorch.

    ``z = weight_ih x + weight_hh h + bias``; ``c = sigmoid(f) c + sigmoid(i) tanh(g)``; ``h = sigmoid(o) tanh(c)``
    (Gers, Schmidhuber and Cummins 2000; the form of ``torch.nn.LSTM``). Options are keywords; in the order of a step:

    1. ``z = weight_ih x + weight_hh h``, normalised as `norm` says, ``+ bias``; z of i and f ``+ p_i c``, ``+ p_f c``, of the old cell.
    2. z clipped to ±`gate_clip`; i, f and o through `gate_activation`, g through `cell_activation`; one of i and f derived if `coupled`.
    3. ``c = f c + i g``, normalised as `norm` says, then clipped to ±`cell_clip`.
    4. z of o ``+ p_o c``, of the new cell; ``h = o * output_activation(c)``.
    5. ``h = weight_hr h + bias_hr``, clipped to ±`projection_clip`.

    Parameters
    ----------
    weight_ih : (4*hidden_size, input_size)
    weight_hh : (4*hidden_size, projection_size)
        projection_size is hidden_size where there is no projection.
    bias : (4*hidden_size,), optional
        Where a framework keeps two, their sum. Where it adds a forget bias at run time (TensorFlow 1), with that.
    h0 : (projection_size,), optional
    c0 : (hidden_size,), optional
        State before the first step. Zero where absent.
    peephole : (3, hidden_size), optional
        p_i, p_f and p_o (Gers and Schmidhuber 2000; TensorFlow 1's ``w_i_diag``, ONNX's P in another order).
    weight_hr : (projection_size, hidden_size), optional
        The projection (Sak, Senior and Beaufays 2014; ``proj_size`` of ``torch.nn.LSTM``).
    bias_hr : (projection_size,), optional
    coupled : {"f=1-i", "i=1-f"}, optional
        The gate on the left is derived, after activations: ``input_forget`` of ONNX, CIFG of TensorFlow Lite. Its rows of all arrays
        are not read: give zeros. The record holds zeros.
    cell_clip, projection_clip, gate_clip : float, optional
        None for no clip, where formats write 0. `gate_clip` is ``clip`` of ONNX, which clips z of all four gates.
    gate_activation : str or three of them, those of i, f and o
    cell_activation, output_activation : str
        Of the candidate, and of the new cell on its way to h.
    norm : {"tflite", "tf1", "torch", "joint"}, optional
        Layer normalisation: ``normalised(v) = (v - mean(v)) / sqrt(variance(v) + norm_epsilon)``. In all of them `bias` comes behind it.

        "tflite"
            Each gate apart: ``normalised(weight_ih x + weight_hh h + p c) * norm_weight + bias``, peepholes inside. The cell is not
            normalised. (TensorFlow Lite's LSTM, inputs 20 to 23.)
        "tf1"
            Each gate apart: ``normalised(weight_ih x + weight_hh h) * norm_weight + bias``, where `bias` is the norm's own beta and the
            forget bias; peepholes come behind. The cell that is stored is ``normalised(c) * norm_weight_cell + norm_bias_cell``.
            (TensorFlow 1's ``contrib.rnn.LayerNormBasicLSTMCell`` and ``LayerNormLSTMCell``, the first without peepholes and clips.)
        "torch"
            Over all rows: ``normalised(weight_ih x) * norm_weight + normalised(weight_hh h) * norm_weight_hh + bias``, where `bias` is
            the sum of all that is added; the cell as in "tf1". (``LayerNormLSTMCell`` of PyTorch's benchmarks and of TensorFlow Addons.)
        "joint"
            Over all rows: ``normalised(weight_ih x + weight_hh h) * norm_weight + bias``; peepholes come behind; the cell as in "tf1".
    cell_norm : {"state", "output", "none"}
        With "tf1", "torch" and "joint": whether the cell is normalised as it is stored; or stored as it is, and normalised on its way to h
        alone, without a peephole (Ba, Kiros and Hinton 2016); or not at all.
    norm_weight : (4*hidden_size,), optional
    norm_weight_hh : (4*hidden_size,), optional
        With "torch" alone.
    norm_weight_cell, norm_bias_cell : (hidden_size,), optional
        With "tf1", "torch" and "joint", but with the `cell_norm` "none".
    norm_epsilon : float, optional
        With a `norm`. By default what the convention's own code adds: 1e-8, 1e-12, 1e-5, and 1e-5 with "joint".
    fake_quantize_hidden : bool
        Whether `weight_hh` multiplies h rounded as `DynamicFakeQuantize` with ``"step"`` rounds it (ONNX Runtime's DynamicQuantizeLSTM).
    reverse, mask
        See `layers.recurrent.Recurrent`.

    Raises
    ------
    ShapeError
        If shapes do not fit, or an array is missing or belongs to an option that is absent.
    UnsupportedModelError
        If an option has another value than those above.
    """

    kind: ClassVar[str] = "lstm"
    weight_ih: Array
    weight_hh: Array
    bias: Array = None
    h0: Array = None
    c0: Array = None
    _: KW_ONLY
    gate_activation: str | tuple[str, ...] = "sigmoid"
    cell_activation: str = "tanh"
    output_activation: str = "tanh"
    norm: str | None = None
    cell_norm: str = "state"
    norm_weight: Array = None
    norm_weight_hh: Array = None
    norm_weight_cell: Array = None
    norm_bias_cell: Array = None
    norm_epsilon: float | None = None
    fake_quantize_hidden: bool = False

    def _check(self) -> None:
        self._check_matrix("weight_hh")
        self._check_matrix("weight_ih")
        if self.bias is None:
            self._set("bias", np.zeros(self.weight_hh.shape[0], np.float32))
        self._check_shapes()
        self._check_activations()
        self._check_norm()
        self._check_options()
        if not isinstance(self.fake_quantize_hidden, bool):
            raise UnsupportedModelError(
                f"{self.label}: fake_quantize_hidden must be true or false; got {printable(repr(self.fake_quantize_hidden), 60)}."
            )

    def _check_activations(self) -> None:
        words = self.gate_activation
        if isinstance(words, str):
            words = (words,) * 3
        elif not isinstance(words, list | tuple) or len(words) != 3:
            raise UnsupportedModelError(
                f"{self.label}: gate_activation must be one name, or three, those of i, f and o; got {printable(repr(words), 60)}."
            )
        gates = tuple(activations.checked(f"{self.label}: gate_activation", word) for word in words)
        self._set("gate_activation", gates[0] if len(set(gates)) == 1 else gates)
        for name in ("cell_activation", "output_activation"):
            self._set(name, activations.checked(f"{self.label}: {name}", getattr(self, name)))
        for word in (*gates, self.cell_activation, self.output_activation):
            if activations.bound(word, LARGEST) > MOST_SCALED * LARGEST:
                raise UnsupportedModelError(f"{self.label}: {word} can make any number too large for float32.")

    def _check_norm(self) -> None:
        """Each convention has its arrays: all of them, and no others."""
        if self.norm is not None and self.norm not in NORMS:
            raise UnsupportedModelError(f"{self.label}: norm {printable(repr(self.norm), 60)} is not one of {', '.join(NORMS)}.")
        self._check_cell_norm()
        hidden = self.hidden_size
        rows = 4 * hidden
        of_cell = () if self.cell_norm == "none" else ("tf1", "torch", "joint")
        takes = {
            "norm_weight": (rows, tuple(NORMS)),
            "norm_weight_hh": (rows, ("torch",)),
            "norm_weight_cell": (hidden, of_cell),
            "norm_bias_cell": (hidden, of_cell),
        }
        for name, (size, norms) in takes.items():
            if (getattr(self, name) is not None) != (self.norm in norms):
                verb = "takes no" if self.norm not in norms else "needs a"
                raise ShapeError(f"{self.label}: norm {self.norm!r} {verb} {name}.")
            self._check_vector(name, size, f"hidden_size is {hidden}")
        self._check_positive("norm_epsilon")
        if self.norm is None and self.norm_epsilon is not None:
            raise UnsupportedModelError(f"{self.label}: norm_epsilon belongs to a norm, and there is none; leave it out.")
        if self.norm is not None and self.norm_epsilon is None:
            self._set("norm_epsilon", float(np.float32(NORMS[self.norm])))

    def _check_cell_norm(self) -> None:
        if self.cell_norm not in CELL_NORMS:
            given = printable(repr(self.cell_norm), 60)
            raise UnsupportedModelError(f"{self.label}: cell_norm {given} is not one of {', '.join(CELL_NORMS)}.")
        if self.cell_norm != "state" and self.norm in (None, "tflite"):
            raise UnsupportedModelError(f"{self.label}: norm {self.norm!r} has no norm of the cell; leave cell_norm out.")
        if self.cell_norm == "output" and self.peephole is not None:
            raise UnsupportedModelError(f"{self.label}: cell_norm 'output' takes no peephole; leave one of them out.")


class LSTMHalf(LSTM):
    """An LSTM layer with weights of x and h in half precision, in float32 arithmetic. Formula: `LSTM`.

    Parameters
    ----------
    weight_ih : (4*hidden_size, input_size) float16
    weight_hh : (4*hidden_size, projection_size) float16
        Rounded as `layers.halves.half_matrix` says.
    bias : (4*hidden_size,), optional
    h0 : (projection_size,), optional
    c0 : (hidden_size,), optional
    peephole : (3, hidden_size), optional
    weight_hr : (projection_size, hidden_size), optional
        In float32, as all that follows.
    bias_hr : (projection_size,), optional
    coupled : {"f=1-i", "i=1-f"}, optional
    cell_clip, projection_clip, gate_clip : float, optional
    gate_activation : str or three of them, those of i, f and o
    cell_activation, output_activation : str
    norm : {"tflite", "tf1", "torch", "joint"}, optional
    cell_norm : {"state", "output", "none"}
    norm_weight : (4*hidden_size,), optional
    norm_weight_hh : (4*hidden_size,), optional
    norm_weight_cell, norm_bias_cell : (hidden_size,), optional
    norm_epsilon : float, optional
    fake_quantize_hidden : bool
        As `LSTM` has them.
    """

    kind: ClassVar[str] = "lstm_half"
    forms: ClassVar[tuple[str, ...]] = ("f16-weight",)
    float_kind: ClassVar[str] = "lstm"
    halves: ClassVar[bool] = True
