"""What `run` was asked to read: which inputs, how their lines are read, and which of their columns mean something to it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from .given import is_array_file
from .inputs import Recordings, is_url

if TYPE_CHECKING:
    from ..runners import Samples
    from ..runners.again import ReadAgain
    from ..runners.keyed import Room
    from ..runners.ledger import Ledger
    from ..runners.reading import Columns, Reading
    from ..runtime.samples import NanPolicyName


class Lines:
    """What is read, and how.

    Columns that are not for the eye stand behind those of --keep: the time, the mark of --reset-on, the sequence number, the key, in
    this order.

    Raises
    ------
    UsageError
        If what was asked does not go together.
    """

    def __init__(
        self,
        paths: Sequence[str],
        reading: "Reading",
        nan_policy: "NanPolicyName | None",
        *,
        kept: Sequence[str],
        bad_lines: str | None,
        reset_every: int | None,
        reset_on: str | None,
        key: str | None,
        sequence: str | None,
        time: str | None,
    ) -> None:
        from ..runners.counts import LineCount
        from ..runners.reading import parse_columns
        from ..sources import has_keys

        self.live = any(map(is_url, paths))
        bad_lines = bad_lines or ("skip" if self.live else "stop")
        self.nan_policy: NanPolicyName = nan_policy or ("hold" if self.live else "raise")
        if bad_lines == "missing" and self.nan_policy == "raise":
            raise UsageError(
                "--bad-lines missing leaves missing values, at which --nan-policy raise stops; say --nan-policy hold or reset."
            )
        if reset_every is not None and reset_on is not None:
            raise UsageError("say either --reset-every or --reset-on; got both.")
        asked = ((key, "--key"), (time, "--time"), (reset_on, "--reset-on"), (sequence, "--sequence"))
        keys, times, marks, numbers = (_one(name, option) for name, option in asked)
        self.paths, self.reset_every = paths, reset_every
        self.key_column, self.reset_on, self.sequence = bool(keys), bool(marks), bool(numbers)
        self.keyed = self.key_column or any(map(has_keys, paths))
        self.timed = bool(times)
        self.resets = len(paths) > 1 or self.reset_on or reset_every is not None or any(map(is_array_file, paths))
        if self.keyed and self.resets:
            raise UsageError("streams by key go on and on; leave out --reset-every, --reset-on, further --input and files of arrays.")
        keep = [column for text in kept for column in parse_columns(text)]
        self._unnamed = LineCount()
        self._hidden = len(keys) + len(times) + len(marks) + len(numbers)
        self.reading = reading._replace(
            bad_lines=bad_lines, keep=[*keep, *times, *marks, *numbers, *keys], absent=self.nan_policy != "raise"
        )

    def again(self) -> "ReadAgain | None":
        """What knows a file again whose samples have times, and no numbers."""
        from ..runners.again import ReadAgain

        return ReadAgain(self._hidden) if self.timed and not (self.sequence or self.live) else None

    def cut(self, samples: "Iterable[Samples]", ledger: "Ledger", room: "Room | None", again: "ReadAgain | None") -> "Iterable[Samples]":
        """Samples that are new, know their stream, find room there, and say where a recording begins."""
        from ..runners import keyed, recordings

        if again is not None:
            samples = again.fresh(samples)
        if self.key_column:
            samples = keyed.by_column(samples, None if self.reading.bad_lines == "stop" else self._unnamed)
        if room is not None:
            samples = room.made(samples)
        if self.sequence:
            samples = ledger.fresh(samples)
        if self.reset_every is not None:
            return recordings.every(samples, self.reset_every)
        return recordings.on_change(samples) if self.reset_on else samples

    def remarks(self) -> "Iterator[str]":
        """What was left out, in a sentence."""
        if count := self._unnamed.count:
            yield f"{count} sample{'s' * (count > 1)} without a key left out ({self._unnamed})."

    def kept_names(self, inputs: Recordings) -> Sequence[str]:
        """What stands beside the answers, as the first input with a sample calls it."""
        from ..runners.keyed import KEY

        names = next((source.kept_names for source in inputs.sources if source.kept_names), ())
        names = names[: len(names) - self._hidden]
        return [KEY, *names] if self.keyed else names


def _one(name: str | None, option: str) -> "Columns":
    """The column that an option names, if it was said."""
    from ..runners.reading import parse_columns

    columns = [] if name is None else parse_columns(name)
    if len(columns) > 1:
        raise UsageError(f"{option} takes one column; got {name}.")
    return columns
