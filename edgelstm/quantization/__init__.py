"""Quantisation: a float model and windows of its inputs -> an int8 model, and a report on what that costs.

`rules` makes the records, `search` measures them, `choosing` decides, `report` compares and draws. Int8 arithmetic itself: `reference`,
`kernels`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from ..model import Model
    from .search import Progress

#: What users write for a scheme.
SchemeName = Literal["f16-weight", "int8-weight", "int8-dynamic", "int8-static", "auto"]


def quantize(
    model: "Model",
    windows: Iterable[ArrayLike] | NDArray[Any],
    scheme: SchemeName = "int8-dynamic",
    *,
    keep: Iterable[str] = (),
    int8: Iterable[str] = (),
    elsewhere: bool = False,
    progress: "Progress | None" = None,
) -> "Model":
    """Quantise a float model.

    Parameters
    ----------
    model : Model
        In float32. Labels, names, rate and regime are passed on; the probe is made anew when the result is saved.
    windows : iterable of (time, input_size), or one such array, or (windows, time, input_size)
        What the model meets in use, in its units, each window from the initial state. A few hundred steps of each situation do.
    scheme : {"f16-weight", "int8-weight", "int8-dynamic", "int8-static", "auto"}
        ``"auto"`` picks for each layer: int8-dynamic; int8-weight or f32 where the output would fall below 30 dB; f32 where that
        is faster on this machine.
        ``"f16-weight"`` halves the memory and takes nothing from the windows but the figures of a report.
        ``"int8-static"`` is for devices without an FPU and chosen by no other way.
    keep : iterable of str
        Names of layers that stay in f32.
    int8 : iterable of str
        Names of Dense and Conv1D layers that are quantised even where f32 is faster or costs next to nothing.
    elsewhere : bool
        With ``"auto"``: the result will run on another machine, so that what is faster on this one does not count.
    progress : callable, optional
        ``progress(done, total, what)`` before each measurement; `total` may grow.

    Returns
    -------
    Model
        Dense and Conv1D layers stay in f32 where int8 would save next to nothing, be slower (fewer than 8 outputs), or cost something; not
        Dense layers with int8-static, and none in a model without other layers.

    Raises
    ------
    UnsupportedModelError
        If the scheme cannot do a layer; the message names it.
    UsageError
        If a name or the scheme is unknown, or nothing is left to quantise.
    InputError
        If a window has the wrong shape or is not finite.

    Warns
    -----
    CalibrationWarning
        If the windows hold too little to trust the result: few steps, channels that never change, samples that hardly move h or drive
        gates to their ends, a value far beyond all others. One sentence; the model is made all the same.

    Examples
    --------
    >>> small = el.quantize(model, windows)
    >>> el.save(small, "gesture-int8.elstm")
    """
    import warnings

    from ..errors import CalibrationWarning
    from .choosing import choose
    from .report.evidence import findings

    told = {} if progress is None else {"progress": progress}
    choice = choose(model, windows, scheme, keep=keep, int8=int8, elsewhere=elsewhere, **told)
    if lacking := findings(model, choice.batch, choice.before_trace):
        warnings.warn(f"Calibration: {'; '.join(lacking)}.", CalibrationWarning, stacklevel=2)
    return choice.model
