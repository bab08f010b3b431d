"""What a decoder takes over from an encoder: the state that its layers begin with, and the memory that attention reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, UsageError, printable

if TYPE_CHECKING:
    from ..stream import Stream

#: Which layer of an encoder each layer of a decoder begins with the state of; of several, their states side by side.
Pairs = Mapping[str, str | Sequence[str]]


def kept(stream: Stream, name: str) -> dict[str, NDArray[np.float32]]:
    """Views of the state that a recurrent layer keeps in the stream's memory: ``h``, and ``c`` of an LSTM.

    Raises
    ------
    UsageError
        If there is no such layer, or its state is no such vectors.
    """
    parts = [part for part in stream.plan.layout.keeps.get(name, ()) if part[0] != "memory"]
    if not parts:
        known = [name for name, parts in stream.plan.layout.keeps.items() if any(part[0] == "h" for part in parts)]
        raise UsageError(
            f"{printable(name, 60)!r} is no layer whose state can be given; those of this model are: "
            f"{printable(', '.join(known) or 'none', 200)}."
        )
    floats = stream._arena.state.view(np.float32)
    return {part: floats[at : at + size] for part, at, size in parts}


def _check_keeps(stream: Stream) -> None:
    if stream.program.reads_recordings:
        raise UsageError("this model begins each recording anew, from its own initial state: nothing can be given to it for the next one.")


def start_from(stream: Stream, encoder: Stream, pairs: Pairs | None) -> None:
    """See `Stream.start_from`."""
    _check_keeps(stream)
    if pairs is None:
        shared = [name for name, parts in stream.plan.layout.keeps.items() if parts and encoder.plan.layout.keeps.get(name)]
        pairs = {name: name for name in shared if any(part == "h" for part, _, _ in stream.plan.layout.keeps[name])}
        if not pairs:
            raise UsageError(
                'no recurrent layer of the encoder is called as one here; say the pairs: start_from(encoder, {"lstm1": "lstm0"}).'
            )
    found = {}
    for name, source in pairs.items():
        own = kept(stream, name)
        given = [kept(encoder, one) for one in ([source] if isinstance(source, str) else source)]
        for part, target in own.items():
            if any(part not in one for one in given):
                raise UsageError(f"{printable(name, 60)!r} begins with h and c, and {printable(source, 60)!r} keeps no {part}.")
            values = np.concatenate([one[part] for one in given])
            found[name, part] = _checked(f"{part} of {printable(name, 60)!r}", values, target)
    for (name, part), values in found.items():
        kept(stream, name)[part][:] = values


def give(stream: Stream, name: str, parts: Mapping[str, ArrayLike]) -> None:
    """See `Stream.set_state`."""
    _check_keeps(stream)
    own = kept(stream, name)
    if unknown := sorted(set(parts) - set(own)):
        raise UsageError(f"the state of {printable(name, 60)!r} is {' and '.join(own)}; got {printable(unknown[0], 60)!r}.")
    found = {part: _checked(f"{part} of {printable(name, 60)!r}", values, own[part]) for part, values in parts.items()}
    for part, values in found.items():
        own[part][:] = values


def _checked(what: str, values: ArrayLike, target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values fit to be a part of a state: its size, and finite."""
    given: NDArray[Any] = np.asarray(values, np.float32).ravel()
    if given.size != target.size:
        raise InputError(f"{what} takes {target.size} values; got {given.size}.")
    if not np.isfinite(given).all():
        raise InputError(f"{what} must be finite; got NaN or infinity.")
    return given


def attend(stream: Stream, memory: ArrayLike, layer: str | None) -> None:
    """See `Stream.attend`."""
    _check_keeps(stream)
    from ..compiler.lowering.attention import memory_of

    layers: dict[str, Any] = {one.name: one for one in stream.model.layers if one.kind == "attention" and layer in (None, one.name)}
    if not layers:
        what = "no Attention layer" if layer is None else f"no Attention layer {printable(layer, 60)!r}"
        raise UsageError(f"this model has {what} to give a memory to.")
    states = {name: memory_of(one, np.asarray(memory, np.float32)) for name, one in layers.items()}
    floats = stream._arena.state.view(np.float32)
    for name, state in states.items():
        ((_, at, size),) = stream.plan.layout.keeps[name]
        floats[at : at + size] = state
