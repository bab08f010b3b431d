"""The live screen of `edgelstm demo`: what the watch senses, what the network says, and how long that takes.

It draws and keeps pace; it computes no answers and prints no summary.
"""

import shutil
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TextIO

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..layers.feedforward import Normalizer
from ..layers.lstm import LSTM
from . import show

if TYPE_CHECKING:
    from ..model import Model
    from ..stream import Stream
    from .demo_data import Outcome

#: The least terminal that the screen fits: (columns, lines).
LEAST = (80, 24)

#: Wider terminals leave the rest empty.
MOST_COLUMNS = 120

FRAME_SECONDS = 1 / 15

#: Before this a wrong answer is not yet held against the network.
SETTLING_SECONDS = 2.0

EIGHTHS = " ▁▂▃▄▅▆▇█"
LEFT_EIGHTHS = " ▏▎▍▌▋▊▉█"

#: Letters of the big label, five rows of pixels each.
LETTERS = {
    "A": "███ █ █ ███ █ █ █ █",
    "B": "██  █ █ ██  █ █ ██ ",
    "D": "██  █ █ █ █ █ █ ██ ",
    "G": "████ █    █ ██ █  █ ████",
    "I": "█ █ █ █ █",
    "K": "█ █ █ █ ██  █ █ █ █",
    "L": "█   █   █   █   ███",
    "M": "█   █ ██ ██ █ █ █ █   █ █   █",
    "N": "█  █ ██ █ █ ██ █  █ █  █",
    "O": "███ █ █ █ █ █ █ ███",
    "R": "██  █ █ ██  █ █ █ █",
    "S": "███ █   ███   █ ███",
    "T": "███  █   █   █   █ ",
    "U": "█ █ █ █ █ █ █ █ ███",
    "W": "█   █ █   █ █ █ █ ██ ██ █   █",
}


@dataclass(frozen=True, eq=False)
class Scene:
    """All that one frame shows.

    Parameters
    ----------
    model : Model
        For its names, sizes and the scale of its channels.
    target : str
        What the model is compiled for.
    total : int
        Number of recordings.
    outcomes : sequence of Outcome
        One for each recording begun, the running one last.
    probabilities : (4,)
    trail : sequence of (6,) or None
        The latest samples; None where a recording ended.
    hz : float
        Samples a second that are shown.
    """

    model: "Model"
    target: str
    total: int
    outcomes: Sequence["Outcome"]
    probabilities: NDArray[np.float32]
    trail: Sequence[NDArray[np.float32] | None]
    hz: float

    @property
    def period(self) -> float:
        """Seconds between two samples of the watch."""
        assert self.model.rate_hz is not None
        return 1 / self.model.rate_hz

    @property
    def color(self) -> str:
        """Green for a right answer, red for a wrong one, yellow for one that came too early to blame."""
        now = self.outcomes[-1]
        if now.right:
            return "green"
        return "yellow" if len(now.answers) * self.period < SETTLING_SECONDS else "red"


def fits(file: TextIO) -> bool:
    """Whether `file` is a terminal that can show the screen."""
    encoding = (getattr(file, "encoding", "") or "").lower().replace("-", "")
    large = all(size >= least for size, least in zip(shutil.get_terminal_size(), LEAST, strict=True))
    return file.isatty() and encoding == "utf8" and large and not Console(file=file).is_dumb_terminal


def render(scene: Scene, width: int, height: int) -> RenderableType:
    """One frame of `width` columns, at most `height` lines; in a window that is too small, a line that says so."""
    if width < LEAST[0] or height < LEAST[1]:
        said = f"{width} x {height} are too few for this view: make the window {LEAST[0]} x {LEAST[1]}, or end with Ctrl-C."
        return Text(said, overflow="fold")
    width = min(width, MOST_COLUMNS)
    halves = Table.grid()
    halves.add_column(width=width - 34)
    halves.add_column(width=34)
    halves.add_row(_answer(scene, width - 38), _status(scene))
    rows = max(1, min(3, (height - 18) // 6))
    return Group(_title(scene), "", _sensors(scene, width, rows), halves, _marks(scene), _footer(scene))


def _title(scene: Scene) -> RenderableType:
    lstm = next(layer for layer in scene.model.layers if isinstance(layer, LSTM))
    sizes = f"LSTM {lstm.input_size} → {lstm.hidden_size} → {scene.model.output_size}"
    facts = f"  {sizes}  ·  {scene.model.parameters:,} float32 weights  ·  compiled for {show.printable(scene.target)}"
    return Text.assemble((" edgelstm ", "bold reverse"), facts, no_wrap=True)


def _sensors(scene: Scene, width: int, rows: int) -> RenderableType:
    """The channels of the last seconds, three standard deviations of the training data up and down."""
    norm = next(layer for layer in scene.model.layers if isinstance(layer, Normalizer))
    room = width - 21
    trail = list(scene.trail)[-room:]
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=7)
    grid.add_column(width=7, justify="right")
    grid.add_column(width=room, no_wrap=True)
    for channel, name in enumerate(scene.model.input_names):
        levels = [None if x is None else float((x[channel] - norm.mean[channel]) / norm.scale[channel] / 6 + 0.5) for x in trail]
        chart = Text("\n".join(sparkline(levels, rows)), "cyan" if name.startswith("acc") else "dim cyan")
        latest = next(x[channel] for x in reversed(trail) if x is not None)
        grid.add_row(Text(name.replace("_", " ")), Text(f"{latest:.2f}", "dim"), chart)
    return _panel(grid, "what the watch senses", subtitle=f"the last {room * scene.period:.1f} s", subtitle_align="right", width=width)


def _panel(content: RenderableType, title: str, **more: Any) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim", **more)


def sparkline(levels: Sequence[float | None], rows: int) -> list[str]:
    """Bars of blocks, just under `rows` lines high: a level from 0 to 1 each, cut off beyond; a thin line for None."""
    top = rows * 8 - 1
    eighths = [None if v is None else min(max(round(v * top), 1), top) for v in levels]
    lines = []
    for row in reversed(range(rows)):
        marks = ["┊" if n is None else EIGHTHS[min(max(n - row * 8, 0), 8)] for n in eighths]
        lines.append("".join(marks))
    return lines


def big(word: str, width: int) -> list[str]:
    """`word` in letters three lines high, or as it is where `width` columns are too few."""
    glyphs = [_pixels(LETTERS[letter]) for letter in word.upper()]
    pixels = [" ".join(glyph[row] for glyph in glyphs) for row in range(5)] + [""]
    if len(pixels[0]) > width:
        return ["", word.upper(), ""]
    pairs = [(upper, lower.ljust(len(upper))) for upper, lower in zip(pixels[::2], pixels[1::2], strict=True)]
    blocks = {"  ": " ", "█ ": "▀", " █": "▄", "██": "█"}
    return ["".join(blocks[a + b] for a, b in zip(upper, lower, strict=True)) for upper, lower in pairs]


def _pixels(drawing: str) -> list[str]:
    size = (len(drawing) + 1) // 5
    return [drawing[start : start + size - 1] for start in range(0, len(drawing), size)]


def _answer(scene: Scene, room: int) -> RenderableType:
    """The likeliest activity in big letters, and all probabilities."""
    best = int(scene.probabilities.argmax())
    grid = Table.grid(padding=(0, 1, 0, 0))
    span = room - 10 - 6
    for label, share in zip(scene.model.labels, scene.probabilities.tolist(), strict=True):
        style = scene.color if label == scene.model.labels[best] else "dim"
        grid.add_row(Text(f"{label:9}", style), Text(bar(share, span), style), Text(f"{share:4.0%}", style))
    heading = Text("\n".join(big(scene.model.labels[best], room)), f"bold {scene.color}", no_wrap=True)
    return _panel(Group("", heading, "", grid), "what the network says", height=11)


def bar(share: float, width: int) -> str:
    """A horizontal bar of `width` columns, filled to `share`."""
    eighths = round(min(max(share, 0), 1) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (LEFT_EIGHTHS[rest] if rest else "")).ljust(width)


def _status(scene: Scene) -> RenderableType:
    now, ended = scene.outcomes[-1], [o for o in scene.outcomes if o.finished]
    taken = np.concatenate([o.times for o in scene.outcomes])
    median, tail = np.percentile(taken, [50, 99])
    mark = {"green": "✓", "red": "✗", "yellow": "…"}[scene.color]
    facts = [
        ("recording", Text(f"{len(scene.outcomes)} of {scene.total}")),
        ("really", Text.assemble((now.recording.activity, "bold"), " ", (mark, scene.color))),
        ("heard", Text(f"{len(now.answers) * scene.period:.1f} s of {len(now.recording.samples) * scene.period:.0f} s")),
        ("right", Text(f"{sum(o.right for o in ended)} of {len(ended)} recordings")),
        ("a step", Text.assemble((show.time_text(float(median)), "bold"), " median")),
        ("", Text(f"{show.time_text(float(tail))} p99")),
        ("", Text("each after a wait", "dim")),
        ("headroom", Text(f"{scene.period * 1e9 / median:,.0f} × real time")),
    ]
    grid = Table.grid(padding=(0, 1, 0, 0))
    for name, value in facts:
        grid.add_row(Text(name, "dim"), value)
    return _panel(grid, "how it does", height=11)


def _marks(scene: Scene) -> RenderableType:
    """A tick or cross for each recording."""
    marks = Text(" ")
    for outcome in scene.outcomes:
        if outcome.finished:
            marks.append("✓" if outcome.right else "✗", "green" if outcome.right else "red")
        else:
            marks.append("▸")
    return marks.append("·" * (scene.total - len(scene.outcomes)), "dim")


def _footer(scene: Scene) -> RenderableType:
    shown = f"{scene.hz * scene.period:.3g} × real time"
    return Text(f" {shown}  ·  stream reset before each recording  ·  Ctrl-C ends", "dim", no_wrap=True)


class LiveView:
    """The screen while recordings are streamed: called after each step, it draws some frames a second and waits for the next sample.

    Parameters
    ----------
    stream : Stream
        For what it says of its model and its target.
    total : int
        Number of recordings.
    hz : float
        Samples a second to keep pace with.
    """

    def __init__(self, stream: "Stream", total: int, hz: float) -> None:
        self._model, self._target, self._total, self._hz = stream.model, stream.program.about().cpu, total, hz
        self._trail: deque[NDArray[np.float32] | None] = deque(maxlen=MOST_COLUMNS)
        self._live = Live(auto_refresh=False, screen=True)
        self._due = self._frame = 0.0

    def __enter__(self) -> Self:
        try:
            self._live.start()
        except BaseException as problem:
            self.__exit__(problem)
            raise
        self._due = time.perf_counter()
        return self

    def __exit__(self, *problem: object) -> None:
        show.stop(self._live, screen=any(problem))

    def __call__(self, outcomes: Sequence["Outcome"], probabilities: NDArray[np.float32]) -> None:
        now = outcomes[-1]
        if len(now.answers) == 1 and self._trail:
            self._trail.append(None)
        self._trail.append(now.recording.samples[len(now.answers) - 1])
        if time.perf_counter() >= self._frame:
            scene = Scene(self._model, self._target, self._total, outcomes, probabilities, self._trail, self._hz)
            self._live.update(render(scene, *self._live.console.size), refresh=True)
            self._frame = time.perf_counter() + FRAME_SECONDS
        self._due += 1 / self._hz
        time.sleep(max(0.0, self._due - time.perf_counter()))
