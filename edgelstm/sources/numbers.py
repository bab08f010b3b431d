"""What sources of numbers have in common: no lines to read, so none that is bad."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..runners import Samples
from ..runners.counts import LineCount
from ..runners.reading import Reading
from .address import Address


class NumberSource:
    """Samples that are numbers already; a subclass gives `blocks`.

    Attributes
    ----------
    As `runners.Input`.
    """

    def __init__(self, file: str = "") -> None:
        self.file = file
        self.bad, self.repeated = LineCount(), LineCount()
        self.fault = ""
        self.samples = 0
        self._kept_names: Sequence[str] = ()

    @property
    def kept_names(self) -> Sequence[str]:
        """What the kept values are called."""
        return self._kept_names

    if TYPE_CHECKING:

        def blocks(self) -> Iterator[NDArray[np.float32]]:
            """Samples as they come, (count, input_size) each."""

    def __iter__(self) -> Iterator[Samples]:
        for block in self.blocks():
            if len(block):
                first, self.samples = self.samples + 1, self.samples + len(block)
                yield Samples(block, range(first, first + len(block)), file=self.file)

    @property
    def seen(self) -> Sequence[tuple[int, int]]:
        """Nothing comes twice."""
        return ()

    def remarks(self) -> Iterator[str]:
        """Nothing out of the ordinary."""
        yield from ()

    def close(self) -> None:
        """Nothing is held."""


def check_no_columns(address: Address, reading: Reading) -> None:
    """Refuse what is asked of columns where there are none.

    Raises
    ------
    UsageError
    """
    if reading.keep or reading.columns:
        raise UsageError(f"{address.shown} has no columns; leave out --columns, --keep, --key and --reset-on.")
