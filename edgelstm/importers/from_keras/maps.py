"""Keras' layers whose timesteps are maps: images, spectrogram frames, rows of sensors."""

from ...layers.conv_lstm import ConvLSTM
from .build import Value
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot


def _conv_lstm(axes: int) -> Kind:
    """``ConvLSTM1D`` and ``ConvLSTM2D``: maps of so many axes."""

    def make(call: Call) -> Value:
        x, options, arrays = call.sequence, call.options, call.arrays.below("cell")
        if len(x.features) != axes + 1 or x.mask is not None:
            raise call.refused(f"it is imported on maps of {axes + 1} dimensions a timestep without a mask; it is given shape {x.shape}")
        options.must_be("data_format", "channels_last", None)
        options.must_be("go_backwards", False)
        options.drop("zero_output_for_mask")  # there is no mask
        filters, size = options.count("filters"), _each(options.counts("kernel_size"), axes)
        kernel = arrays.get("kernel", (*size, x.features[-1], 4 * filters))
        recurrent = arrays.get("recurrent_kernel", (*size, filters, 4 * filters))
        cell = call.cell_activation("activation", "tanh")
        record = ConvLSTM(
            kernel,
            recurrent,
            arrays.get("bias", (4 * filters,)) if options.take("use_bias", bool, True) else None,
            shape=x.features,
            strides=_each(options.counts("strides", 1), axes),
            dilation=_each(options.counts("dilation_rate", 1), axes),
            padding=options.take("padding", str, "valid"),
            gate_activation=call.cell_activation("recurrent_activation", "?"),
            cell_activation=cell,
            output_activation=cell,
            **call.at(x),
        )
        y = x.with_features(call.build.add(record), record.output_shape([record.shape]))
        return y if options.take("return_sequences", bool, False) else call.build.ended(call.name, y)

    return Kind(make, _slots)


def _slots(spec: Spec) -> list[Slot]:
    names = ("kernel", "recurrent_kernel", *(("bias",) if spec.flag("use_bias", True) else ()))
    return [Slot(("cell",), name) for name in names]


def _each(numbers: tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number for each axis, where one may stand for all."""
    return numbers * axes if len(numbers) == 1 else numbers


KINDS = {"ConvLSTM1D": _conv_lstm(1), "ConvLSTM2D": _conv_lstm(2)}
