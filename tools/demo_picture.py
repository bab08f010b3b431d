"""Draws the picture of the README: `edgelstm demo`'s live view, stopped in the middle of a run. ``python tools/demo_picture.py``

The screen is `edgelstm.cli.demo_view`'s, and the times in it are those of this machine; nothing is drawn that the demo does not show.
"""

import io
import re
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from edgelstm.cli import demo, demo_view
from edgelstm.cli.demo_data import RATE_HZ, Outcome, activity_folder, read_recordings

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "demo.svg"

COLUMNS, LINES = 100, 30

#: Fonts of one width whose blocks fill their cells.
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, monospace"

#: The run is stopped after this many samples of this recording, counted from 1.
RECORDING, SAMPLES = 28, 72

#: Times real time; the demo's default.
SPEED = 18


def scene() -> demo_view.Scene:
    """The demo at the chosen sample, every step before it taken after a wait, as in the demo."""
    folder = activity_folder()
    recordings = read_recordings(folder)
    stream, _ = demo.prepare(folder, recordings[0].samples[0])
    answer = np.zeros(stream.model.output_size, np.float32)

    def watch(outcomes: Sequence[Outcome], probabilities: NDArray[np.float32]) -> None:
        answer[:] = probabilities
        time.sleep(1 / (RATE_HZ * SPEED))
        if stream.steps == SAMPLES and len(outcomes) == RECORDING:
            raise KeyboardInterrupt

    outcomes = demo.play_until_interrupted(stream, recordings, nullcontext(watch))
    trail: list[NDArray[np.float32] | None] = []
    for outcome in outcomes:
        trail += [*([None] if trail else []), *outcome.recording.samples[: len(outcome.answers)]]
    kept = trail[-demo_view.MOST_COLUMNS :]
    return demo_view.Scene(stream.model, stream.program.about().cpu, len(recordings), outcomes, answer, kept, RATE_HZ * SPEED)


def main() -> None:
    console = Console(record=True, width=COLUMNS, height=LINES, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(demo_view.render(scene(), COLUMNS, LINES))
    frame = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # fetches nothing from the network
    picture = console.export_svg(title="edgelstm demo", code_format=frame.replace("Fira Code, monospace", FONTS), unique_id="demo")
    PICTURE.write_text(picture.replace("textLength=", 'lengthAdjust="spacingAndGlyphs" textLength='), encoding="utf-8")
    print(f"{PICTURE.name}: {PICTURE.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
