"""Records of layers with numbers of their own for each channel."""

from dataclasses import dataclass
from typing import ClassVar

from .record import Array, PerChannel, checked_array, require_shape


@dataclass(eq=False, repr=False)
class BatchNorm(PerChannel):
    """``y = scale x + offset``: batch normalisation as inference computes it (Ioffe and Szegedy 2015).

    Of a framework's four arrays: ``scale = gamma / sqrt(variance + epsilon)``, ``offset = beta - scale mean``.

    Parameters
    ----------
    scale, offset : (input_size,)
    """

    kind: ClassVar[str] = "batch_norm"
    per_channel: ClassVar[str] = "scale"
    channelwise: ClassVar[bool] = True
    scale: Array
    offset: Array

    def _check(self) -> None:
        self._set("scale", checked_array(self.label, "scale", self.scale, 1))
        self._set("offset", checked_array(self.label, "offset", self.offset, 1))
        require_shape(self.label, "offset", self.offset, self.scale.shape, f"scale has shape {self.scale.shape}")


@dataclass(eq=False, repr=False)
class PReLU(PerChannel):
    """``x`` where it is above zero, else ``slope x`` (He et al. 2015).

    Parameters
    ----------
    slope : (input_size,)
    """

    kind: ClassVar[str] = "prelu"
    per_channel: ClassVar[str] = "slope"
    channelwise: ClassVar[bool] = True
    slope: Array

    def _check(self) -> None:
        self._set("slope", checked_array(self.label, "slope", self.slope, 1))
