"""The record of a float32 LSTM layer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .cells import Cell
from .record import Array, checked_array


@dataclass(eq=False, repr=False)
class LSTM(Cell):
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
    norm : {"tflite", "tf1", "torch"}, optional
        Layer normalisation: ``normalised(v) = (v - mean(v)) / sqrt(variance(v) + norm_epsilon)``. In all three `bias` comes behind it.

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
    norm_weight : (4*hidden_size,), with `norm`
    norm_weight_hh : (4*hidden_size,), with "torch"
    norm_weight_cell, norm_bias_cell : (hidden_size,), with "tf1" and "torch"
    norm_epsilon : float, with `norm`
        By default what the convention's own code adds: 1e-8, 1e-12, 1e-5.
    fake_quantize_hidden : bool
        Whether `weight_hh` multiplies h rounded as `DynamicFakeQuantize` with ``"step"`` rounds it (ONNX Runtime's DynamicQuantizeLSTM).
    reverse, mask
        See `layers.record.Recurrent`.

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

    def _check(self) -> None:
        self._set("weight_hh", checked_array(self.label, "weight_hh", self.weight_hh, 2))
        self._set("weight_ih", checked_array(self.label, "weight_ih", self.weight_ih, 2))
        if self.bias is None:
            self._set("bias", np.zeros(self.weight_hh.shape[0], np.float32))
        self._check_shapes()
        self._check_options()
