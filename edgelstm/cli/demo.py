"""`edgelstm demo`: real smart-watch recordings through a trained network, one sample at a time.

Here are preparing and playing. `demo_data` reads what is played, `demo_view` draws the live screen, `demo_summary` the figures at the end.
"""

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from . import show
from .demo_data import RATE_HZ, Outcome, Recording, activity_folder, convert, read_recordings

if TYPE_CHECKING:
    from ..stream import Stream


#: Who looks on: called after every step with the outcomes so far, the running one last, and the probabilities (4,).
Watch = Callable[[Sequence[Outcome], NDArray[np.float32]], None]


#: How often all recordings are shown on a page.
ROUNDS = 100


def look_away(outcomes: Sequence[Outcome], probabilities: NDArray[np.float32]) -> None:
    """Say nothing."""


def print_line(outcomes: Sequence[Outcome], probabilities: NDArray[np.float32]) -> None:
    """Say at the end of each recording what the network made of it."""
    outcome = outcomes[-1]
    if outcome.finished:
        said = f"network: {outcome.said:9} {probabilities.max():4.0%}  {'right' if outcome.right else 'WRONG'}"
        click.echo(f"{outcome.recording.name:14}{said}  {show.time_text(float(np.median(outcome.times)))} a step")


def prepare(folder: Path, first: NDArray[np.float32]) -> tuple["Stream", dict[str, float]]:
    """A stream of the demo's network, and the nanoseconds of each phase from the checkpoint to the first answer.

    Parameters
    ----------
    first : (6,)
        The sample that is answered first; the stream is reset afterwards.
    """
    ticks = [time.perf_counter_ns()]
    model = convert(folder)
    ticks.append(time.perf_counter_ns())
    from ..files.elstm import save
    from ..loading import load

    with TemporaryDirectory() as place:
        save(model, Path(place) / "activity.elstm")
        model = load(Path(place) / "activity.elstm")
    ticks.append(time.perf_counter_ns())
    from ..stream import Stream

    stream = Stream(model)
    ticks.append(time.perf_counter_ns())
    stream.step(first)
    ticks.append(time.perf_counter_ns())
    stream.reset()
    phases = ("convert", "save and load", "prepare stream", "first step")
    return stream, dict(zip(phases, np.diff(ticks).astype(float).tolist(), strict=True))


def play(stream: "Stream", recordings: Sequence[Recording], outcomes: list[Outcome], watch: Watch) -> None:
    """Stream every recording from the initial state, one sample at a time; `outcomes` grows as answers come."""
    clock, step = time.perf_counter_ns, stream.step
    for recording in recordings:
        stream.reset()
        outcome = Outcome(recording)
        for x in list(recording.samples):
            begin = clock()
            y = step(x)
            end = clock()
            outcome.answers.append(int(y.argmax()))
            outcome.times.append(end - begin)
            if len(outcome.answers) == 1:
                outcomes.append(outcome)
            watch(outcomes, y)


def play_until_interrupted(stream: "Stream", recordings: Sequence[Recording], view: AbstractContextManager[Watch]) -> list[Outcome]:
    """`play` inside `view`; Ctrl-C ends it. What came of the recordings so far, one step at least."""
    outcomes: list[Outcome] = []
    try:
        with view as watch:
            play(stream, recordings, outcomes, watch)
    except KeyboardInterrupt:
        if not outcomes:
            raise
    return outcomes


def _given_options() -> list[str]:
    """The options that the command line names."""
    context = click.get_current_context()
    given = [p for p in context.command.params if isinstance(p, click.Option) and p.name]
    return [p.opts[0] for p in given if context.get_parameter_source(str(p.name)) is click.core.ParameterSource.COMMANDLINE]


def run_example(name: str) -> None:
    """Run another example of the package, as ``python run.py`` in its folder's name would."""
    import runpy

    from ..gallery.result import runnable

    path = runnable(name)
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path)]
    runpy.run_path(str(path), run_name="__main__")


@click.command()
@click.argument("name", required=False)
@click.option("--plain", is_flag=True, help="A line for each recording, without waiting; the default where stdout is no terminal.")
@click.option(
    "--speed", type=click.FloatRange(0.1, 1000), default=18.0, show_default=True, metavar="X", help="Of the live view: 1 is real time."
)
@click.option("--recordings", "count", type=click.IntRange(1), metavar="N", help="Stream the first N recordings only.")
@click.option("--web", metavar="[HOST:]PORT", help="Show it on a page, again and again until Ctrl-C.")
@click.option("--json", "target", metavar="FILE", help="Write the figures as JSON; - is standard output, and nothing else then.")
def demo(*, name: str | None, plain: bool, speed: float, count: int | None, target: str | None, web: str | None) -> None:
    """Watch a trained network recognise what people do, from a smart watch's accelerometer and gyroscope.

    A PyTorch checkpoint is converted and compiled. Then recordings that the network has never seen are streamed, one sample
    at a time. Ctrl-C ends with the figures so far. NAME runs another example, which takes none of the options: `edgelstm examples` lists
    them.

    \b
    Examples:
      edgelstm demo
      edgelstm demo --speed 1 --recordings 4
      edgelstm demo --web 8080
      edgelstm demo game
      edgelstm demo stock
      edgelstm demo --plain --json figures.json
    """  # noqa: D301
    if name not in (None, "activity"):
        if given := _given_options():
            raise UsageError(f"the example '{name}' takes no {given[0]}: the options are those of the demo of activities.")
        return run_example(str(name))
    from . import demo_summary, demo_view

    quiet = target == "-"
    live = not (plain or quiet or web) and demo_view.fits(sys.stdout)
    if sys.stdout.isatty() and not (live or plain or quiet or web):
        columns, lines = shutil.get_terminal_size()
        size = f"a UTF-8 terminal of {demo_view.LEAST[0]} x {demo_view.LEAST[1]} or more"
        click.echo(f"The live view needs {size}, and this one has {columns} x {lines}; here is a line for each recording.", err=True)
    folder = activity_folder()
    recordings = read_recordings(folder)[:count] * (ROUNDS if web and count is None else 1)
    with click.open_file(target, "w", encoding="utf-8") if target else nullcontext() as sink:
        click.echo("Converting and compiling the network (a few seconds the first time) ...", err=True)
        stream, phases = prepare(folder, recordings[0].samples[0])
        view: AbstractContextManager[Watch]
        if web is not None:
            from .demo_web import PageView

            view = PageView(web, stream, RATE_HZ * speed)
        elif live:
            view = demo_view.LiveView(stream, len(recordings), RATE_HZ * speed)
        else:
            view = nullcontext(look_away if quiet else print_line)
        outcomes = play_until_interrupted(stream, recordings, view)
        again: list[Outcome] = []
        play(stream, [outcome.recording for outcome in outcomes], again, look_away)
        figures = demo_summary.figures(stream, outcomes, again, phases)
        if sink is not None:
            sink.write(show.json_text(figures) + "\n")
    if not quiet:
        demo_summary.show_figures(figures, live=live)
    return None
