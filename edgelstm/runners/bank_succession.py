"""A bank of streams whose model is followed by newer ones while it runs: all streams go over together."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import EdgeLSTMError
from ..runtime import bank_snapshot
from .followers import Followers

if TYPE_CHECKING:
    from ..field.bank import StreamBank
    from ..stream import Stream


class Both(NamedTuple):
    """A bank, and a stream of the same model, which tells of it."""

    stream: "Stream"
    bank: "StreamBank"


class BankSuccession(Followers[Both]):
    """What runners step: the bank of the model that answers now.

    Parameters
    ----------
    first : Both
    shadow, keep_state, say, number
        As of `Followers`; steps are those of all streams together.
    recent : int
        Samples of all streams kept to warm a follower with. A stream that has none among them begins anew with the next model, unless
        that one takes over the state.
    """

    def __init__(self, first: Both, *, shadow: int, keep_state: bool, recent: int, say: Callable[[str], None], number: int = -1) -> None:
        super().__init__(first, shadow=shadow, keep_state=keep_state, say=say, number=number)
        self._keys: deque[Any] = deque(maxlen=recent)
        self._rows: deque[bytes] = deque(maxlen=recent)  # float32 each; empty where the stream went back to its initial state
        self._bad: dict[Any, int] = {}

    def stream_of(self, one: Both) -> "Stream":
        """The one beside the bank."""
        return one.stream

    def _warmed(self, one: Both) -> bool:
        bank = one.bank
        for key in bank.keys():  # noqa: SIM118  a bank's keys
            bank.drop(key)
        try:
            for keys, xs in self._spans():
                if len(xs):
                    bank.step_many(keys, xs)
                else:
                    for key in keys:
                        if key in bank:
                            bank.reset(key)
        except EdgeLSTMError:
            return False
        return True

    def _spans(self) -> Iterator[tuple[list[Any], NDArray[np.float32]]]:
        """The recent samples in order of time, (count, input_size) and whose they are; none where streams began anew."""
        for begun, pairs in groupby(zip(self._keys, self._rows, strict=True), key=lambda pair: not pair[1]):
            keys, rows = map(list, zip(*pairs, strict=True))
            count = 0 if begun else len(keys)
            yield keys, np.frombuffer(b"".join(rows), np.float32).reshape(count, self._now.bank.input_size)

    def _take_over(self, old: Both, new: Both) -> None:
        bank = old.bank
        idle = {key: bank.steps - age for key, age in bank._keyed.ages().items()}
        slots = np.array([bank._keyed.slots[key] for key in idle], np.int64)
        new.bank.restore_all(bank_snapshot.pack(idle, bank._states.rows[slots], new.bank._digest))

    def _account(self, old: Both, new: Both) -> None:
        counted = dict(self._bad)
        for one, sign in ((old.bank, 1), (new.bank, -1)):
            for key in one.keys():  # noqa: SIM118  a bank's keys
                counted[key] = counted.get(key, 0) + sign * one.bad_inputs_of(key)
        self._bad = {key: count for key, count in counted.items() if count}

    def _remember(self, keys: Sequence[Any], rows: NDArray[np.float32]) -> None:
        self._keys.extend(keys)
        self._rows.extend(row.tobytes() for row in rows)

    def step_many(self, keys: Sequence[Any], xs: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `StreamBank.step_many`; a follower that is due takes over behind it."""
        answers = self._now.bank.step_many(keys, xs)
        self._remember(keys, xs)
        self._beside(xs, answers, lambda follower: follower.bank.step_many(keys, xs))
        return answers

    def process_many(self, keys: Sequence[Any], xs: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `StreamBank.process_many`."""
        answers = self._now.bank.process_many(keys, xs)
        rows = xs.reshape(len(keys) * xs.shape[1], -1)
        self._remember([key for key in keys for _ in range(xs.shape[1])], rows)
        self._beside(rows, answers, lambda follower: follower.bank.process_many(keys, xs))
        return answers

    def step(self, key: Any, x: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """As `StreamBank.step`."""
        answer = self._now.bank.step(key, x)
        row = np.asarray(x, np.float32).reshape(1, -1)  # (1, input_size)
        self._remember((key,), row)
        self._beside(row, np.empty(0, np.float32) if answer is None else answer, lambda follower: follower.bank.step(key, row[0]))
        return answer

    def reset(self, key: Any) -> None:
        """As `StreamBank.reset`."""
        self._now.bank.reset(key)
        self._keys.append(key)
        self._rows.append(b"")
        if self._follower is not None and key in self._follower.bank:
            self._follower.bank.reset(key)

    def bad_inputs_of(self, key: Any) -> int:
        """Samples of a stream that the NaN policy acted upon, whichever model answered."""
        bank = self._now.bank
        return self._bad.get(key, 0) + (bank.bad_inputs_of(key) if key in bank else 0)

    def __len__(self) -> int:
        return len(self._now.bank)

    def __contains__(self, key: object) -> bool:
        return key in self._now.bank

    def __getattr__(self, name: str) -> Any:
        """Keys, sizes, names and the program are those of the bank that answers."""
        return getattr(self._now.bank, name)
