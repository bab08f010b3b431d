"""Which axis of fixed length is time: that along which a recurrence runs that does not begin anew at every step."""

from collections.abc import Sequence
from typing import NamedTuple

from ...errors import EdgeLSTMError, UnsupportedModelError, printable
from ...layers.conv_lstm import ConvLSTM
from ...layers.frames import InterRNN, IntraRNN, RowsRNN
from ...layers.record import Layer
from ...layers.recurrent import Recurrent
from ...model import Model
from .signature import Axes, Reading, names_a_batch


class Found(NamedTuple):
    """A reading of a graph's inputs by which it can be followed, the model, and notes."""

    reading: Reading
    model: Model
    notes: list[str]

    @property
    def in_frames(self) -> bool:
        """Whether some recurrence runs over the rows of a frame, so that another axis may be time as well."""
        return any(isinstance(layer, RowsRNN) for layer in self.model.layers)

    @property
    def along_steps(self) -> bool:
        """Whether some recurrence runs along the recording's steps: as they come, or over all of them, from a state that others give."""
        steps = self.reading.steps()
        whole = (layer for layer in self.model.layers if isinstance(layer, IntraRNN) and layer.starts)
        return self.recurs or any(layer.rows == steps for layer in whole if steps is not None and steps > 1)

    @property
    def recurs(self) -> bool:
        """Whether some recurrence takes the recording's steps as they come."""
        return any(map(remembers, self.model.layers))

    @property
    def streams(self) -> bool:
        return self.model.streams

    @property
    def axis(self) -> int | None:
        """The axis of the samples that is time; None where a call holds one step."""
        return None if self.reading.steps() == 1 else self.reading.along[1].time

    @property
    def steps_by_call(self) -> bool:
        """Whether a call is one step, whose states go round."""
        return self.reading.steps() == 1 and any(becomes for _, becomes in self.reading.states)


def is_fixed(reading: Reading) -> bool:
    """Whether a call holds one recording of a fixed number of steps, which may be computed at once; the numbers of a vector are none."""
    if reading.steps() in (None, 1) or reading.states or reading.memories:
        return False
    for tensor, axes in reading.samples:
        shape = tensor.shape or ()
        vector = tensor.dtype == "float" and len(shape) < 3 and axes.time == len(shape) - 1
        name = "" if axes.batch is None else shape[axes.batch]
        batch = not isinstance(name, str) or names_a_batch(name) or (not name and (axes.batch, axes.time) in ((0, 1), (0, None)))
        if vector or (axes.batch is not None and not batch):
            return False
    return True


def remembers(layer: Layer) -> bool:
    """Whether a layer is a recurrence along the recording's steps."""
    return isinstance(layer, Recurrent | InterRNN | ConvLSTM)


def decided(found: Sequence[Found], problem: EdgeLSTMError | None) -> Found:
    """The one reading of several that is meant. One step a call whose states go round comes first; then a recurrence along the steps;
    then what streams; and of several axes the one behind the batch, as PyTorch and Keras lay recordings out.

    Raises
    ------
    UnsupportedModelError
        If several axes are left, or a file of fixed sizes has no recurrence along any.
    """
    if not found[0].in_frames:
        return found[0]
    rest = [one for one in found if one.along_steps or one.reading.steps() is None]
    if not rest:
        layer = next(layer for layer in found[0].model.layers if isinstance(layer, IntraRNN))
        raise problem or UnsupportedModelError(
            f"has no axis along which a recurrence runs from step to step ({layer.label} begins anew at each). {_say(found[0])}"
        )
    rest = [one for one in rest if one.steps_by_call] or rest
    rest = [one for one in rest if one.along_steps] or rest
    rest = [one for one in rest if one.recurs] or rest
    rest = [one for one in rest if one.streams] or rest
    if len({one.axis for one in rest}) == 1:
        return rest[0]
    usual = next((one for one in rest if one.reading.along[1] == Axes(1, 0)), None)
    axes = ", ".join(map(str, sorted({-1 if one.axis is None else one.axis for one in rest})))
    if usual is None:
        raise UnsupportedModelError(f"can be read with each of the axes {axes} as time. {_say(rest[0])}")
    usual.notes.append(f"Each of the axes {axes} could be time; axis 1 is taken. {_say(usual)}")
    return usual


def _say(one: Found) -> str:
    tensor, axes = one.reading.along
    shape = ["T" if axis == axes.time else str(n) for axis, n in enumerate(tensor.shape or ())]
    return f'Say which axis is time, by a name in place of its length: sizes="{printable(tensor.name, 60)}={"x".join(shape)}".'
