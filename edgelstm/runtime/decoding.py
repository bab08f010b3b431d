"""What a decoder takes over from an encoder: the state that its layers begin with, and the memory that attention reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UsageError, printable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..compiler.plan import Plan
    from ..model import Model
    from .arena import Arena
    from .program import Program

#: Which layer of an encoder each layer of a decoder begins with the state of; of several, their states side by side.
Pairs = Mapping[str, str | Sequence[str]]


class Decoding:
    """States given and taken by the name of a layer, and memories for attention. A subclass has what is declared here."""

    __slots__ = ()

    if TYPE_CHECKING:
        _arena: Arena
        program: Program

        @property
        def model(self) -> Model: ...

        @property
        def plan(self) -> Plan: ...

    def start_from(self, encoder: Decoding, pairs: Pairs | None = None) -> None:
        """Begin with the state that another stream ended with: a decoder with its encoder's.

        Parameters
        ----------
        encoder : Stream
            Of another model, whole recordings included.
        pairs : dict, optional
            By name of a recurrent layer here, that of the encoder's layer; of several, whose states are put side by side. By default those
            of one name.

        Raises
        ------
        UsageError, InputError
            If the layers have no states of one form and size. Nothing has changed then.
        """
        self._check_keeps()
        found = {}
        for name, source in (self._shared_with(encoder) if pairs is None else pairs).items():
            given = [encoder._kept(one) for one in ([source] if isinstance(source, str) else source)]
            for part, target in self._kept(name).items():
                if any(part not in one for one in given):
                    raise UsageError(f"{printable(name, 60)!r} begins with h and c, and {printable(source, 60)!r} keeps no {part}.")
                values = np.concatenate([one[part] for one in given])
                found[name, part] = _checked(f"{part} of {printable(name, 60)!r}", values, target)
        for (name, part), values in found.items():
            self._kept(name)[part][:] = values

    def state(self, layer: str) -> dict[str, NDArray[np.float32]]:
        """A copy of what a recurrent layer keeps: ``h``, and ``c`` of an LSTM."""
        return {name: part.copy() for name, part in self._kept(layer).items()}

    def set_state(self, layer: str, **parts: ArrayLike) -> None:
        """Give a recurrent layer its ``h`` or ``c``, finite numbers of its size.

        Raises
        ------
        UsageError, InputError
            If the layer keeps no such part, or the numbers do not fit. Nothing has changed then.
        """
        self._check_keeps()
        own = self._kept(layer)
        if unknown := sorted(set(parts) - set(own)):
            raise UsageError(f"the state of {printable(layer, 60)!r} is {' and '.join(own)}; got {printable(unknown[0], 60)!r}.")
        found = {part: _checked(f"{part} of {printable(layer, 60)!r}", values, own[part]) for part, values in parts.items()}
        for part, values in found.items():
            own[part][:] = values

    def attend(self, memory: ArrayLike, layer: str | None = None) -> None:
        """Let `Attention` layers read these rows, an encoder's outputs, until `reset` or another memory.

        Parameters
        ----------
        memory : (rows, memory_size)
        layer : str, optional
            Name of one layer; by default all of them.

        Raises
        ------
        UsageError, InputError
            If there is no such layer, or the rows do not fit. Nothing has changed then.
        """
        self._check_keeps()
        from ..compiler.lowering.attention import memory_of

        layers: dict[str, Any] = {one.name: one for one in self.model.layers if one.kind == "attention" and layer in (None, one.name)}
        if not layers:
            what = "no Attention layer" if layer is None else f"no Attention layer {printable(layer, 60)!r}"
            raise UsageError(f"this model has {what} to give a memory to.")
        states = {name: memory_of(one, np.asarray(memory, np.float32)) for name, one in layers.items()}
        floats = self._arena.state.view(np.float32)
        for name, state in states.items():
            ((_, at, size),) = self.plan.layout.keeps[name]
            floats[at : at + size] = state

    def _check_keeps(self) -> None:
        if self.program.reads_recordings:
            raise UsageError(
                "this model begins each recording anew, from its own initial state: nothing can be given to it for the next one."
            )

    def _kept(self, name: str) -> dict[str, NDArray[np.float32]]:
        """Views of the state that a recurrent layer keeps in the stream's memory: ``h``, and ``c`` of an LSTM.

        Raises
        ------
        UsageError
            If there is no such layer, or its state is no such vectors.
        """
        keeps = self.plan.layout.keeps
        if not (parts := [part for part in keeps.get(name, ()) if part[0] != "memory"]):
            known = [name for name, parts in keeps.items() if any(part[0] == "h" for part in parts)]
            raise UsageError(
                f"{printable(name, 60)!r} is no layer whose state can be given; those of this model are: "
                f"{printable(', '.join(known) or 'none', 200)}."
            )
        floats = self._arena.state.view(np.float32)
        return {part: floats[at : at + size] for part, at, size in parts}

    def _shared_with(self, encoder: Decoding) -> Pairs:
        """Recurrent layers that are called as one of the encoder's, each with that."""
        keeps, given = self.plan.layout.keeps, encoder.plan.layout.keeps
        pairs = {name: name for name, parts in keeps.items() if given.get(name) and any(part == "h" for part, _, _ in parts)}
        if not pairs:
            raise UsageError(
                'no recurrent layer of the encoder is called as one here; say the pairs: start_from(encoder, {"lstm1": "lstm0"}).'
            )
        return pairs


def _checked(what: str, values: ArrayLike, target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values fit to be a part of a state: its size, and finite."""
    given: NDArray[Any] = np.asarray(values, np.float32).ravel()
    if given.size != target.size:
        raise InputError(f"{what} takes {target.size} values; got {given.size}.")
    if not np.isfinite(given).all():
        raise InputError(f"{what} must be finite; got NaN or infinity.")
    return given
