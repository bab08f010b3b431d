"""Where `run` writes: a file, standard output, or a broker."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from ..errors import InputError, UsageError
from .answers import Form
from .inputs import waiting
from .log import say
from .output import OutputFile

if TYPE_CHECKING:
    from ..runners import Sink
    from ..sources.mqtt_sink import MqttSink
    from ..stream import Stream


class Target:
    """What --output names; tried when it is entered, written to with the first answer.

    Parameters
    ----------
    name : str
        Path, ``-``, or URL of a broker.
    kind : {"csv", "jsonl", "label"} or None
        --format.
    on_change, append : bool
    discovery : str
        Prefix of Home Assistant's discovery; empty: nothing is announced.

    Raises
    ------
    UsageError
        If these do not go together, or the name does not tell the format.
    """

    def __init__(self, name: str, kind: str | None, *, on_change: bool, append: bool, discovery: str = "") -> None:
        from ..sources import is_url

        self.name, self.broker = name, is_url(name)
        if self.broker and (kind or append):
            raise UsageError("--format and --append are for files; a broker is given one JSON object an answer.")
        if discovery and not self.broker:
            raise UsageError("--ha announces answers that go to a broker; say --output mqtt://HOST/TOPIC.")
        if append and name == "-":
            raise UsageError("--append needs --output FILE; standard output is written from where it stands.")
        self.form = Form("jsonl" if self.broker else kind or kind_of(name), on_change)
        self.path = None if self.broker or name == "-" else name
        self._append, self._discovery = append, discovery
        self._file: OutputFile | None = None
        self._sent: MqttSink | None = None

    @property
    def is_stdout(self) -> bool:
        """Whether answers go to standard output."""
        return self.name == "-"

    def __enter__(self) -> Self:
        if self.path is not None:
            with waiting(self.path, "reads"):
                self._file = OutputFile(
                    self.path, append=self._append, headed=self.form.kind == "csv", opening=b"{[" * (self.form.kind == "jsonl")
                )
        return self

    def __exit__(self, kind: object, *problem: object) -> None:
        for open_one in (self._file, self._sent):
            if open_one is not None:
                open_one.close()
        if self._sent is not None and self._sent.unconfirmed and kind is not InputError:
            say(f"{self._unconfirmed()} were not confirmed by the broker.", "warning")

    def _unconfirmed(self) -> str:
        from ..sources import shown

        count = 0 if self._sent is None else self._sent.unconfirmed
        return f"{count} message{'s' * (count != 1)} to {shown(self.name)}"

    def sink(self, stream: "Stream", kept_names: Sequence[str], *, keyed: bool) -> "Sink":
        """What takes the answers of a stream, or of many like it."""
        if self.broker:
            from ..sources.mqtt_sink import open_output

            about = stream.output_size, stream.labels, kept_names
            self._sent = open_output(self.name, *about, say, self._discovery, stream.thresholds)
            return self.form.chosen(self._sent, stream, keyed=keyed)
        file = sys.stdout.buffer if self._file is None else cast(BinaryIO, self._file)
        return self.form.sink(file, stream, kept_names, keyed=keyed)

    def settle(self, seconds: float | None = None) -> bool:
        """Wait until every answer is where it shall go, or for some seconds; whether it is there."""
        return self._sent is None or self._sent.settle(seconds)

    def check_settled(self, seconds: float) -> None:
        """Wait until every answer is where it shall go.

        Raises
        ------
        InputError
            If a broker has not confirmed all of them after so many seconds.
        """
        if not self.settle(seconds):
            raise InputError(
                f"{self._unconfirmed()} were not confirmed within {seconds:g} s, and may be lost; run it again when the broker is there."
            )

    @property
    def waits(self) -> bool:
        """Whether somebody waits until a broker takes answers."""
        return self._sent is not None and self._sent.waits

    @property
    def position(self) -> list[int]:
        """Which file is written and how far, where it is one to which a later run returns."""
        return self._file.position if self._file is not None and self._append else []

    def return_to(self, position: Sequence[int]) -> None:
        """Cut off what was written after this `position`: the answers of a run that ended before it could keep their state."""
        if self._file is not None and self._append:
            self._file.return_to(position)

    def reopen(self) -> None:
        """Let the next answer go to the file that has the name then."""
        if self._file is not None:
            self._file.stale = True


def kind_of(target: str) -> str:
    """The form that the name of a file tells."""
    suffix = Path(target).suffix.lower()
    if Path(target).is_dir():
        raise UsageError(f"--output {target} is a folder; name a file in it, such as {Path(target) / 'answers.csv'}.")
    if target == "-" or suffix == ".csv":
        return "csv"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    raise UsageError(f"--output {target}: the name does not tell the format; end it in .csv or .jsonl, or say --format.")
