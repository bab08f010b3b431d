"""What an LSTM cell has beside the plain one, as kernels are made for it. Imports no Numba: the compiler's rules fill it in."""

from typing import NamedTuple


class CellOptions(NamedTuple):
    """Options of a cell; `layers.lstm.LSTM` says what each does. Limits: 0 for none.

    Parameters
    ----------
    gates : tuple of str
        Activations of i, f and o.
    candidate, output : str
        Those of g, and of the new cell on its way to h.
    coupled : {"", "f=1-i", "i=1-f"}
    peephole : int
        Whether there are peepholes.
    gate_limit, cell_limit, output_limit, projection_limit : float
        Of pre-activations, the new cell, h, and what the projection gives.
    norm : {"", "tflite", "tf1", "torch", "joint"}
    cell_norm : {"", "state", "output"}
        Where the cell is normalised.
    epsilon : float
        What a norm adds to a variance.
    units : int
        Those of the cell that count in a norm or are projected, without padding; 0 where there is neither.
    projection : int
        Size of what the layer gives, padded, where that is not the cell's; else 0.
    panel, panel_tail : int
        Outputs of the full tiles of the projection, and of the last, narrower one (0: none).
    panel_chains : int
        Chains in which a tile of the projection is summed: 1, 2 or 4.
    panel_bytes : int
        Whether the projection's weights are int8, with a scale for each output.
    rounded : int
        Whether recurrent products read h rounded over its range.
    """

    gates: tuple[str, str, str] = ("sigmoid", "sigmoid", "sigmoid")
    candidate: str = "tanh"
    output: str = "tanh"
    coupled: str = ""
    peephole: int = 0
    gate_limit: float = 0.0
    cell_limit: float = 0.0
    output_limit: float = 0.0
    projection_limit: float = 0.0
    norm: str = ""
    cell_norm: str = ""
    epsilon: float = 0.0
    units: int = 0
    projection: int = 0
    panel: int = 0
    panel_tail: int = 0
    panel_chains: int = 1
    panel_bytes: int = 0
    rounded: int = 0

    @property
    def sigmoidal(self) -> bool:
        """Whether gates pass sigmoids and cells tanh, as in the plain cell: sigmoid pre-activations then come halved."""
        return (*self.gates, self.candidate, self.output) == (*["sigmoid"] * 3, "tanh", "tanh")

    @property
    def plain_cell(self) -> bool:
        """Whether a step from sums to h is that of the plain cell."""
        limits = self.gate_limit, self.cell_limit, self.output_limit
        return self.sigmoidal and not (self.coupled or self.peephole or any(limits))

    @property
    def count(self) -> int:
        """Gates that have sums of their own."""
        return 3 if self.coupled else 4

    @property
    def kept(self) -> int:
        """Which of the peepholes of i and f the first gate has, where one is derived from the other."""
        return int(self.coupled == "i=1-f")

    def work(self, padded: int) -> int:
        """Floats of scratch for a step: sums that a norm waits for, and the h that is projected."""
        sums = 0 if not self.norm else self.count * padded * (2 if self.norm == "torch" else 1)
        return sums + (padded if self.projection else 0)

    def room(self, padded: int) -> int:
        """The same, and behind it the rounded h."""
        return self.work(padded) + ((self.projection or padded) if self.rounded else 0)


class Places:
    """Where a cell's numbers lie, in floats: rows of sums, and behind the tiles what belongs to the units.

    With a norm the mask of units that count; peepholes of i, f and o; weights of the gates' norm and their bias, (count, padded) each;
    with "torch" weights of the norm of h, as many; weight and bias of the cell's norm, where there is one; the tiles of the projection,
    each with its bias first.
    """

    def __init__(self, options: CellOptions, padded: int) -> None:
        rows = options.count * padded
        self.second, self.third, self.last = ((options.count - back) * padded for back in (3, 2, 1))
        self.peepholes = padded if options.norm else 0
        self.weights = self.peepholes + (3 * padded if options.peephole else 0)
        self.biases = self.weights + (rows if options.norm else 0)
        self.of_h = self.biases + (rows if options.norm else 0)
        self.of_cell = self.of_h + (rows if options.norm == "torch" else 0)
        self.projection = self.of_cell + (2 * padded if options.cell_norm else 0)


PLAIN = CellOptions()
