"""LSTM, GRU and RNN cells that a graph spells out in single operators: a loop through a state becomes a layer."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...layers.activations import spelled
from ...layers.convolution import Conv1D
from ...layers.recurrent import Recurrent
from ...layers.rnn import RNN
from .expressions import Affine, Apply, Combine, Expression, Floats, Made, Scale, State, Sum, spread
from .gru_cells import gru
from .holding import held, zeroed
from .leaky_cells import leaky
from .lstm_cells import lstm
from .magnitude import magnitude
from .normed_gru_cells import elman
from .restarting import restarted
from .rounding import rounded_from
from .wires import Ids, Space, Wire


@dataclass(frozen=True, eq=False)
class View:
    """Some numbers of one expression, at the present step: their places in it."""

    source: Expression
    numbers: Ids


@dataclass(eq=False)
class Cells:
    """Recognises cells in the wires of a space."""

    space: Space

    def match(self, wire: Wire) -> Made | None:
        """The layer whose output is `wire`; None where it is no cell's."""
        made = self.plain(wire) or self._masked(wire) or restarted(self, wire)
        if made is not None and wire.reverse:
            fields: dict[str, Any] = {"reverse": True}
            made = replace(made, record=replace(made.record, **fields))
        return made

    def plain(self, wire: Wire) -> Made | None:
        """The layer whose output is `wire`, from the recording's beginning on."""
        h = self.space.last(wire)
        made = lstm(self, wire) if isinstance(wire.source, Combine | Affine | Apply) else None
        if made is None and isinstance(wire.source, Combine):
            made = gru(self, h, wire.source) or leaky(self, h, wire.source) or self._rnn(h, h, wire.source)
        elif made is None and isinstance(wire.source, Apply):
            made = self._rnn(h, wire.source.refs, wire.source) or elman(self, h, wire.source) or magnitude(self, h, wire.source)
        elif made is None and isinstance(wire.source, Affine):
            made = self._rnn(h, h, wire.source)
        return made

    def _masked(self, wire: Wire) -> Made | None:
        """The layer that keeps its state where a mask is 0, and whose output, zeros there or the one before, is `wire`."""
        h = self.space.last(wire)
        found, word = held(self, h) if isinstance(wire.source, Combine) else None, "repeat"
        if found is None and isinstance(wire.source, Combine):
            found, word = zeroed(self, h), "zero"
        inner = None if found is None else self.space.wire_of(found.inner)
        if found is None or inner is None or not np.array_equal(self.space.last(inner), found.inner):
            return None
        states = [one.source for one in self.space.wires if isinstance(one.source, State)]
        before = [state.following for state in states]
        after = [None if ids is None else held(self, ids) for ids in before]
        for state, one in zip(states, after, strict=True):
            state.following = one.inner if one is not None and one.mask == found.mask else state.following
        made = self.plain(inner)
        for state, following in zip(states, before, strict=True):
            state.following = following
        if made is None or not isinstance(made.record, Recurrent) or any(name in made.record.arrays() for name in ("h0", "c0")):
            return None
        fields: dict[str, Any] = {"mask": word, "reverse": found.reverse}
        return replace(made, record=replace(made.record, **fields), reads=[*made.reads, found.mask])

    def view(self, ids: Ids) -> View | None:
        """`ids` as part of one expression; None where they are of several, or of earlier steps."""
        wire = self.space.wire_of(ids)
        if wire is None:
            return None
        offset = ids - wire.start
        if wire.steps and (offset < (wire.steps - 1) * self.space.batch * wire.width).any():
            return None
        return View(wire.source, offset % wire.width if wire.steps else offset)

    def pair(self, ids: Ids, operation: str) -> list[Ids] | None:
        """The two operands of a sum or product."""
        view = self.view(ids)
        if view is None or not isinstance(view.source, Combine) or view.source.operation != operation:
            return None
        return [view.source.left[view.numbers], view.source.right[view.numbers]]

    def function(self, ids: Ids) -> tuple[str, Ids] | None:
        """A function's word and what it is applied to."""
        view = self.view(ids)
        if view is not None and isinstance(view.source, Scale):
            return self._hard_sigmoid(view.source, view.numbers)
        if view is None or not isinstance(view.source, Apply):
            return None
        return view.source.word, view.source.refs[view.numbers]

    def _hard_sigmoid(self, source: Scale, numbers: Ids) -> tuple[str, Ids] | None:
        """``relu6(x) / 6``."""
        view = self.view(source.refs[numbers])
        if view is None or not isinstance(view.source, Apply) or view.source.word not in ("relu6", spelled("clip", 0, 6)):
            return None
        if (np.abs(6 * source.scale[numbers] - 1) > 1e-6).any() or source.offset[numbers].any():
            return None
        return spelled("hard_sigmoid", 1 / 6, 0), view.source.refs[view.numbers]

    def initial(self, ids: Ids, following: Ids) -> Floats | None:
        """What `ids` begin as, if they are the state that `following` becomes."""
        view = self.view(ids)
        if view is None or not isinstance(view.source, State) or view.source.following is None:
            return None
        return view.source.initial[view.numbers] if np.array_equal(view.source.following[view.numbers], following) else None

    def sum(self, ids: Ids, h: Ids) -> Sum | None:
        """A weighted sum of the state that `h` becomes and of other numbers."""
        view = self.view(ids)
        if view is None or not isinstance(view.source, Affine):
            return self._scaled(ids, h) or self._convolved(ids, h) or self._diagonal(ids, h) or self._added(ids, h)
        weight, given = view.source.weight[view.numbers], view.source.refs
        own = np.full(given.shape, -1)
        initial = np.zeros(h.size)
        unit_of = {int(identity): unit for unit, identity in enumerate(h)}
        refs = rounded_from(self.space, given, h)
        at = self.space.places(refs)
        for column, (index, number) in enumerate(zip(at.wire, at.number, strict=True)):
            state = self.space.wires[index].source
            if isinstance(state, State) and state.following is not None:
                own[column] = unit_of.get(int(state.following[number]), -1)
                if own[column] >= 0:
                    initial[own[column]] = state.initial[number]
        weight_hh = np.zeros((weight.shape[0], h.size))
        with np.errstate(invalid="ignore"):  # NaNs of all kinds are the records' to refuse
            for column in np.flatnonzero(own >= 0).tolist():
                weight_hh[:, own[column]] += weight[:, column]
        rounded = (refs != given)[own >= 0]
        if rounded.any() and not rounded.all():
            return None
        return Sum(weight_hh, weight[:, own < 0], view.source.bias[view.numbers], given[own < 0], initial, bool(rounded.any()))

    def _scaled(self, ids: Ids, h: Ids) -> Sum | None:
        """The same of a multiple of a sum, and what is added to it."""
        view = self.view(ids)
        if view is None or not isinstance(view.source, Scale) or (found := self.sum(view.source.refs[view.numbers], h)) is None:
            return None
        scale, offset = view.source.scale[view.numbers], view.source.offset[view.numbers]
        hh, ih = scale[:, None] * found.weight_hh, scale[:, None] * found.weight_ih
        return replace(found, weight_hh=hh, weight_ih=ih, bias=scale * found.bias + offset)

    def _convolved(self, ids: Ids, h: Ids) -> Sum | None:
        """The same of what a convolution along time gives, which sees no state."""
        view = self.view(ids)
        if view is None or not isinstance(view.source, Made) or not isinstance(view.source.record, Conv1D):
            return None
        none = np.zeros((ids.size, h.size))
        return Sum(none, np.eye(ids.size), np.zeros(ids.size), ids, np.zeros(h.size))

    def _diagonal(self, ids: Ids, h: Ids) -> Sum | None:
        """The same where each number of the state is multiplied with one number, and added to a sum of others."""
        for rest, scaled in (terms, terms[::-1]) if (terms := self.pair(ids, "add")) else ():
            view, others = self.view(scaled), self.view(rest)
            state = scaled
            scale: Floats = np.ones(scaled.size)
            if view is not None and isinstance(view.source, Scale) and not view.source.offset[view.numbers].any():
                state, scale = view.source.refs[view.numbers], view.source.scale[view.numbers]
            h0 = self.initial(state, h)
            if h0 is None or others is None or not isinstance(others.source, Affine | Made) or (found := self.sum(rest, h)) is None:
                continue
            if found.rounded:
                continue
            return replace(found, weight_hh=found.weight_hh + np.diag(scale), initial=h0)
        return None

    def _added(self, ids: Ids, h: Ids) -> Sum | None:
        """The same of the sum of two weighted sums, as numbers that were joined leave it."""
        pair = self.pair(ids, "add") or []
        views = [view.source for part in pair if (view := self.view(part)) is not None]
        one, other = [self.sum(part, h) for part in pair] if sum(isinstance(v, Affine) for v in views) == 2 else (None, None)
        if one is None or other is None or one.rounded or other.rounded:
            return None
        weights, reads = np.hstack([one.weight_ih, other.weight_ih]), np.concatenate([one.reads, other.reads])
        distinct = np.unique(reads)
        initial = one.initial if one.initial.any() else other.initial
        weight_ih = spread(weights, np.searchsorted(distinct, reads), distinct.size)
        return Sum(one.weight_hh + other.weight_hh, weight_ih, one.bias + other.bias, distinct, initial)

    def gates(self, gates: list[Ids], h: Ids, last: Sum | None = None, *, bare: bool = False, rounds: bool = False) -> Sum | None:
        """The sums of several gates one above the other, and then `last`, over the same numbers.

        bare: they may leave h out; rounds: all may see it rounded.
        """
        sums = [self.sum(ids, h) for ids in gates] + ([last] if last is not None else [])
        found = [s for s in sums if s is not None]
        rounded = {s.rounded for s in found if s.weight_hh.any()}
        if len(found) < len(sums) or len(rounded) > 1 or (True in rounded and not rounds):
            return None
        reads = np.unique(np.concatenate([s.reads for s in found]))
        weights = []
        for s in found:
            weights.append(spread(s.weight_ih, np.searchsorted(reads, s.reads), reads.size))
        hh, bias = np.concatenate([s.weight_hh for s in found]), np.concatenate([s.bias for s in found])
        initial = next((s.initial for s in found if s.initial.any()), found[0].initial)
        return Sum(hh, np.concatenate(weights), bias, reads, initial, True in rounded) if (hh.any() or bare) and reads.size else None

    def _rnn(self, h: Ids, sum_of: Ids, source: Apply | Affine | Combine) -> Made | None:
        """``h = act(weight_ih x + weight_hh h_before + bias)``."""
        sums = self.gates([sum_of], h) if self._reads_a_state(sum_of) else None
        if sums is None:
            return None
        word = source.word if isinstance(source, Apply) else "linear"
        record = RNN(sums.weight_ih, sums.weight_hh, sums.bias, _state(sums.initial), activation=word)
        return Made(source.place, record, [sums.reads], "weight_ih")

    def _reads_a_state(self, ids: Ids) -> bool:
        """Whether a weighted sum may be one of a state; whoever asks saves copies of large matrices."""
        view = self.view(ids)
        if view is None or not isinstance(view.source, Affine):
            return True
        return any(isinstance(self.space.wires[index].source, State) for index in np.unique(self.space.places(view.source.refs).wire))

    def complement(self, ids: Ids, of: Ids) -> bool:
        """Whether `ids` are ``1 - of``."""
        view = self.view(ids)
        if view is None or not isinstance(view.source, Scale):
            return False
        scale, offset = view.source.scale[view.numbers], view.source.offset[view.numbers]
        return bool((scale == -1).all() and (offset == 1).all() and np.array_equal(view.source.refs[view.numbers], of))

    def units(self, before: Ids, h: Ids) -> Ids | None:
        """Which units of the state that `h` becomes `before` are, all of them once; None for others."""
        view = self.view(before)
        if view is None or not isinstance(view.source, State) or view.source.following is None or before.size != h.size:
            return None
        unit_of = {int(identity): unit for unit, identity in enumerate(h)}
        units = np.array([unit_of.get(int(i), -1) for i in view.source.following[view.numbers]])
        return units if np.array_equal(np.sort(units), np.arange(h.size)) else None


def _state(initial: Floats) -> Floats | None:
    return initial if initial.any() else None
