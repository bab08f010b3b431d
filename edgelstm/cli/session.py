"""One run: a stream or many, what they read, where answers go, what is kept, and what is said at the end."""

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import InputError
from ..runtime.library_file import LibraryFile
from . import clock, given
from .answers import Answers, WindowNote
from .field import Field
from .inputs import Live, Recordings
from .log import say
from .run_lines import Lines
from .service import Service
from .signals import Bursts, deferring
from .state import StateFile
from .target import Target

if TYPE_CHECKING:
    from ..field.telemetry import Telemetry
    from ..field.timed import Timed
    from ..field.timed_bank import TimedBank
    from ..model import Model
    from ..runners import Input, Samples
    from ..runners.counts import LineCount
    from ..runners.keyed import Room
    from ..web.feed import Feed

#: Seconds that a run which ends waits for a broker to confirm its answers; the state from before them is kept where it does not.
LAST_WAIT = 5.0


class Session:
    """Everything is ready when it is made; `run` steps.

    Parameters
    ----------
    loaded : Model or LibraryFile
    path : Path
        Where it was read from.
    lines : Lines
    where : Target
        Entered.
    state : StateFile or None
    field : Field
    full : str
        Policy of full queues; empty: that of the source.
    streams : int
        Most of them, where samples have keys.
    web : str or None
        Where the page is served.
    reopens : bool
        Whether SIGHUP opens the output anew, where it would end the run else.
    """

    def __init__(
        self,
        loaded: "Model | LibraryFile",
        path: Path,
        lines: Lines,
        where: Target,
        state: StateFile | None,
        field: Field,
        *,
        full: str,
        streams: int,
        web: str | None,
        reopens: bool,
    ) -> None:
        from ..field.bank import StreamBank
        from ..runners.counts import LineCount
        from ..runners.ledger import Ledger
        from ..stream import Stream

        self._lines, self._where, self._state, self._web = lines, where, state, web
        stream = Stream(given.source(loaded), nan_policy=lines.nan_policy)
        where.form.check(stream)
        self._field, self._rate = field, loaded.rate_hz
        bank = StreamBank(given.source(loaded), streams, nan_policy=lines.nan_policy) if lines.keyed else None
        self._watching = field.followers.over(stream, bank, path, say)
        followed: Any = None if self._watching is None else self._watching.succession
        self._stream: Stream = stream if followed is None or bank is not None else followed
        self._streams: StreamBank | None = bank if followed is None or bank is None else followed
        self._timed = field.clock.over(self._stream, self._streams, self._rate)
        self._ledger, self._replaced = Ledger(strict=lines.reading.bad_lines == "stop", live=lines.live), LineCount()
        self._unread, self._again = LineCount(), None if state is None else lines.again()
        self._room = self._made_room()
        self._service = Service(lambda: where.waits)
        self._reopen = where.reopen if reopens or self._service.watched else None
        self._after: list[Callable[[], None]] = [WindowNote(self._stream, self._trained(loaded), say)]
        if state is not None:
            self._take_up(state)
        seen = () if state is None else state.notes.get("seen", ())
        rate = None if isinstance(loaded, LibraryFile) else self._rate
        self._inputs = Recordings(lines.paths, bar=not (where.is_stdout and sys.stdout.isatty()), live=Live(rate, full, seen))

    def _trained(self, loaded: "Model | LibraryFile") -> int | None:
        """The window that a model was trained on, where its stream goes on and on."""
        endless = not (self._lines.resets or self._lines.keyed or self._stream.program.reads_recordings)
        return loaded.window if endless and not (isinstance(loaded, LibraryFile) or loaded.stateful) else None

    def _made_room(self) -> "Room | None":
        """What leaves out samples of more streams than there is room for, where bad lines do not end the run."""
        from ..runners.keyed import Room

        if self._streams is None or self._lines.reading.bad_lines == "stop":
            return None
        return Room(self._streams, say)

    def _take_up(self, state: StateFile) -> None:
        """Go on where the run before ended."""
        from ..runners.keyed import AllStates

        timed = self._timed
        if self._streams is not None:
            state.take_up(AllStates(self._streams if timed is None else cast("TimedBank", timed)))
        else:
            state.take_up(self._stream if timed is None else cast("Timed", timed))
        self._where.return_to(state.notes.get("written", ()))
        self._ledger.last.update(state.notes.get("sequence", {}))
        self._ledger.begun.update({key: tuple(marks) for key, marks in state.notes.get("begun", {}).items()})
        if self._again is not None:
            self._again.noted = state.notes.get("read", ())

    def run(self) -> None:
        """Step all samples, and say at the end, however it comes, what was out of the ordinary."""
        with deferring() as bursts:
            self._run(bursts)

    def _run(self, bursts: Bursts) -> None:
        lines, where, inputs = self._lines, self._where, self._inputs
        self._times = {} if self._timed is None else self._timed.counts.record()
        answers = Answers(lambda: where.sink(self._stream, lines.kept_names(inputs), keyed=lines.keyed), self._after)
        try:
            with ExitStack() as stack:
                telemetry = self._telemetry()
                watch = self._page(stack, telemetry)
                stack.enter_context(self._service.running(self._reopen))
                read = stack.enter_context(closing(inputs.samples(self._stream, lines.reading)))
                whole = bursts.whole(self._service.looked_at(read))
                samples = self._kept(lines.cut(whole, self._ledger, self._room, self._again))
                self._step(self._observed(samples, telemetry, stack), answers, watch, telemetry)
            if where.is_stdout:
                answers.begin()
            where.check_settled(LAST_WAIT)
        finally:
            try:
                if self._state is not None:
                    self._state.finish(settled=where.settle(LAST_WAIT) and not bursts.cut_short)
            finally:
                self._report()
        for source in inputs.sources:
            if not source.samples:
                say(f"{source.file or 'the input'} holds no samples.")

    def _step(self, samples: "Iterable[Samples]", answers: Answers, watch: "Feed | None", telemetry: "Telemetry | None") -> None:
        """Step all samples, each by itself, on a grid of time, or through the stream of its key."""
        from .. import runners
        from ..runners import keyed, timed_rows

        try:
            if self._timed is not None:
                reading = self._lines.reading
                unread = None if reading.bad_lines == "stop" else self._unread
                unit, comma = self._field.clock.unit, reading.decimal == ","
                timed_rows.run(self._timed, samples, answers, self._replaced, watch, unit=unit, comma=comma, unread=unread)
            elif self._streams is not None:
                keyed.run(self._streams, samples, answers, watch)
            else:
                runners.run(self._stream, samples, answers, self._replaced, watch)
        except InputError:
            if telemetry is not None:
                telemetry.refused += 1
            raise

    def _telemetry(self) -> "Telemetry | None":
        """What is counted, where it is served or written."""
        if self._web is None and self._field.metrics is None:
            return None
        from ..field.observed import Observed
        from ..runners.saturation import saturation

        asked: list[Callable[[], dict[str, Any]]] = [self._counts]
        if self._streams is None:
            asked.append(lambda: {"saturation": saturation(self._stream)})
        if self._state is not None:
            asked.append(self._state.counts)
        if self._timed is not None:
            asked.append(self._timed.counts.record)
        if self._watching is not None:
            asked.append(self._watching.counts)
        telemetry = Observed(self._stream, deadline=1 / self._rate if self._rate else None)
        telemetry.asked += asked
        if self._watching is not None:
            self._watching.succession.on_swap.append(telemetry.follow)
        return telemetry

    def _counts(self) -> dict[str, Any]:
        """What telemetry tells of the samples."""
        bad = sum(source.bad.count for source in self._inputs.sources) + self._unread.count
        streams = {} if self._streams is None else {"streams": len(self._streams)}
        if self._room is not None:
            streams["crowded_samples"] = self._room.left
        ledger = self._ledger
        left = {"replayed_samples": ledger.repeated, "overtaken_samples": ledger.overtaken}
        return {**streams, "bad_lines": bad, "held_samples": self._held(), **left}

    def _held(self) -> int:
        """Samples that the NaN policy acted upon."""
        from ..runners.keyed import bad_inputs

        return self._stream.bad_inputs if self._streams is None else bad_inputs(self._streams)

    def _observed(self, samples: "Iterable[Samples]", telemetry: "Telemetry | None", stack: ExitStack) -> "Iterable[Samples]":
        """Samples counted as they pass, and followed by new models where these are watched for."""
        if self._watching is not None:
            samples = self._watching.between(samples)
        if telemetry is None:
            return samples
        samples = telemetry.observe(samples)
        if self._field.metrics is None:
            return samples
        from .telemetry import MetricsFile

        file = stack.enter_context(closing(MetricsFile(self._field.metrics, self._field.metrics_every, telemetry)))
        return file.between(samples)

    def _page(self, stack: ExitStack, telemetry: "Telemetry | None") -> "Feed | None":
        """Serve the page while the stack is open."""
        if self._web is None:
            return None
        from ..web.feed import Feed
        from ..web.page import serve

        stream = self._stream
        names = stream.input_names or [f"x{i}" for i in range(stream.input_size)]
        outputs = stream.labels or [f"y{i}" for i in range(stream.output_size)]
        feed = Feed(
            "edgelstm run",
            names,
            outputs,
            labels=bool(stream.labels) and (stream.output_size > 1 or bool(stream.thresholds)),
            thresholds=stream.thresholds,
        )
        feed.count = self._counts
        server = stack.enter_context(closing(serve(self._web, feed)))
        if telemetry is not None:
            from .telemetry import route

            server.routes["/metrics"] = route(telemetry)
        say(f"the page is at {server.url}")
        return feed

    def _kept(self, samples: "Iterable[Samples]") -> "Iterable[Samples]":
        """Samples whose state is kept: at once where their sender is told so, else every few seconds."""
        from .. import sources

        state, lines = self._state, self._lines
        if state is None:
            return samples
        again = self._again
        if not (lines.live or lines.keyed or lines.sequence or again is not None):
            self._after.append(state.remember)
            return state.kept_between(samples)
        state.note(
            lambda: {
                "sequence": dict(self._ledger.last),
                "begun": dict(self._ledger.begun),
                "seen": [pair for source in self._inputs.sources for pair in source.seen],
                "written": self._where.position,
                "read": [] if again is None else again.noted,
            }
        )
        return state.kept_after_each(samples, self._where.settle, told=all(map(sources.acknowledges, lines.paths)))

    def _report(self) -> None:
        """What the input held that was no sample, or none that could enter the state."""
        for source in self._inputs.sources:
            self._report_lines(source)
            for sentence in source.remarks():
                say(sentence)
        for sentence in (*self._ledger.remarks(), *self._lines.remarks(), *(() if self._again is None else self._again.remarks())):
            say(sentence)
        if self._room is not None and (left := self._room.left):
            say(f"{left} sample{'s were' if left > 1 else ' was'} left out, since there was no room for more streams (--streams).")
        if (unread := self._unread).count:
            say(f"{unread.count} sample{_plural(unread)} left out, since no time could be read ({unread}).")
        if self._timed is not None and not isinstance(sys.exception(), InputError):  # whose line stands alone
            for sentence in clock.remarks(self._field.clock, self._times, self._timed.counts):
                say(sentence)
        replaced, policy = self._replaced, self._lines.nan_policy
        if replaced.count:
            verb = "were" if replaced.count > 1 else "was"
            say(f"{replaced.count} sample{_plural(replaced)} {verb} not finite or too large ({replaced}); --nan-policy {policy}.")
        elif self._streams is not None and (bad := self._held()):
            say(f"{bad} sample{'s were' if bad > 1 else ' was'} not finite or too large; --nan-policy {policy}.")

    def _report_lines(self, source: "Input") -> None:
        if source.bad.count:
            became = "skipped" if self._lines.reading.bad_lines == "skip" else "taken for missing samples, where one was due"
            say(f"{source.bad.count} bad line{_plural(source.bad)} {became} ({source.bad}). The first: {source.fault}")
        if source.repeated.count:
            say(f"{source.repeated.count} repeated header{_plural(source.repeated)} passed over ({source.repeated}).")


def _plural(lines: "LineCount") -> str:
    return "s" * (lines.count > 1)
