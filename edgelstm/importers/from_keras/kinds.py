"""What a class of Keras' is here: the arrays that it has, and the records that it becomes. The families of classes register in `graph`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ...errors import UnsupportedModelError
from .activations import SOFTMAX, word
from .build import Build, Value
from .settings import Options, Spec
from .weights import Arrays, Slot


@dataclass(frozen=True, eq=False)
class Call:
    """One use of a layer.

    Parameters
    ----------
    spec : Spec
    options : Options
        Its settings, of which the maker takes all that change answers.
    arrays : Arrays
    inputs : sequence of Value
    build : Build
    run : callable
        ``(spec, arrays, inputs) -> values`` of a layer that this one holds.
    """

    spec: Spec
    options: Options
    arrays: Arrays
    inputs: Sequence[Value]
    build: Build
    run: Callable[[Spec, Arrays, Sequence[Value]], list[Value]]

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def x(self) -> Value:
        """Its only input.

        Raises
        ------
        UnsupportedModelError
            If there are several: of a recurrent layer, its initial state.
        """
        if len(self.inputs) != 1:
            raise self.refused(f"it reads {len(self.inputs)} tensors, where edgelstm imports it with one (and a state that begins at zero)")
        if any(self.inputs[0].zeros):
            raise self.refused("it follows a ZeroPadding1D, which edgelstm imports before convolutions and average pooling alone")
        return self.inputs[0]

    @property
    def padded(self) -> tuple[Value, tuple[int, int]]:
        """Its only input, which has timesteps, without the zeros around them; and how many these are."""
        zeros = self.inputs[0].zeros if len(self.inputs) == 1 else (0, 0)
        inner = replace(self, inputs=[replace(self.inputs[0], zeros=(0, 0))]) if any(zeros) else self
        return inner.sequence, zeros

    @property
    def sequence(self) -> Value:
        """Its only input, which has timesteps."""
        if self.x.time is not True:
            raise self.refused(f"it takes a sequence (batch, time, features); it is given a tensor of shape {self.x.shape}")
        return self.x

    @property
    def flat(self) -> Value:
        """Its only input, one vector a timestep."""
        if self.x.time is None or len(self.x.features) != 1:
            raise self.refused(f"it is imported on one vector a timestep; it is given a tensor of shape {self.x.shape}")
        return self.x

    @property
    def vectors(self) -> Value:
        """Its only input, with vectors along its last axis: one a timestep, or the rows of maps. What the model begins with may be one."""
        x = self.x
        if x.time is None and len(x.shape) == 1:
            return replace(x, time=False)
        if x.time is None or x.turned or not x.features or None in x.features:
            raise self.refused(f"it is imported on vectors of one size; it is given a tensor of shape {x.shape}")
        return x

    def feature_axis(self, axis: Any) -> int:
        """An axis of its only input, counted with the batch, as one of the features.

        Raises
        ------
        UnsupportedModelError
            If it is none of them.
        """
        axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        rank, features = len(self.x.shape) + 1, len(self.x.features)
        if type(axis) is not int or not -rank <= axis < rank or (found := axis % rank - rank + features) < 0:
            raise self.refused(f"it goes along axis {axis} of a tensor of shape {self.x.shape}, which is none of one timestep's")
        return found

    def activation(self, name: str = "activation") -> str:
        """The word of a setting."""
        return word(self.options.take(name, object, None), self.spec.version, self.options.at(name))

    def cell_activation(self, name: str, default: str) -> str:
        """The word of a recurrent layer's setting, which may not be softmax."""
        if (found := word(self.options.take(name, object, default), self.spec.version, self.options.at(name))) == SOFTMAX:
            raise self.refused(f"its {name} is softmax, which edgelstm's cells do not have")
        return found

    def bias(self, size: int) -> NDArray[Any] | None:
        """Its bias, where its settings have one."""
        return self.arrays.get("bias", (size,)) if self.options.take("use_bias", bool, True) else None

    def at(self, *inputs: Value | str, name: str = "") -> dict[str, Any]:
        """Name and inputs of its record."""
        return self.build.at(name or self.name, *(inputs or (self.x,)))

    def refused(self, why: str) -> UnsupportedModelError:
        return UnsupportedModelError(f"{self.spec.label}: {why}.")


class Kind(NamedTuple):
    """A class of Keras'.

    Parameters
    ----------
    make : callable
        A `Call` -> its value, or several where the layer gives several tensors.
    slots : callable
        A `Spec` -> the arrays that the layer has, in Keras' order.
    attends : bool
        Whether it takes what is not timestep by timestep on its way to attention (`weighting`) as it is.
    looks : bool
        Whether it takes scores of all timesteps by each other too.
    """

    make: Callable[[Call], Value | list[Value]]
    slots: Callable[[Spec], list[Slot]] = lambda spec: []
    attends: bool = False
    looks: bool = False


def named(*names: str, biased: bool = True) -> Callable[[Spec], list[Slot]]:
    """Slots of a layer that holds these arrays itself, the bias where its settings have one."""
    return lambda spec: [Slot((), name) for name in (*names, *(("bias",) if biased and spec.flag("use_bias", True) else ()))]
