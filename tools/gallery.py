"""Writes `docs/gallery.md` and `docs/gallery.png`, and the tables of figures on the examples' pages: ``python tools/gallery.py``.

Needs Pillow.

Everything comes from the `result.json` files that ``python examples/NAME/run.py --write`` writes. ``--steps`` first times the steps of
all examples again, and counts their instructions, with the machine to itself: about two minutes. What cannot be timed stays as it was, and
is named: networks of `voice` are files of packages, and `recommend` needs the package with its ratings.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edgelstm.cli import show  # noqa: E402
from edgelstm.gallery.example import step_text  # noqa: E402
from edgelstm.gallery.result import Result, read  # noqa: E402

EXAMPLES, PAGE, PICTURE = ROOT / "examples", ROOT / "docs" / "gallery.md", ROOT / "docs" / "gallery.png"

#: Columns of the picture, and of each the width, of captions the height, in pixels; its colours.
COLUMNS, WIDTH, CAPTION, COLOURS = 3, 520, 26, 256

BEGIN, END = "<!-- result:begin -->", "<!-- result:end -->"

HEAD = """\
# What it is used for

Applications on real data, each with a network of its own, measured on what training never saw, beside a naive way.
`edgelstm examples` lists them; `python examples/NAME/run.py` measures one again. The figures come from the `result.json` files in their
folders. Four are in the package, and run without a checkout: `edgelstm demo`, which is activity, `edgelstm demo game`, `demo stock` and
`demo water`.
"""


def results() -> dict[str, Result]:
    """All results, by name."""
    return {path.parent.name: read(path.parent) for path in sorted(EXAMPLES.glob("*/result.json"))}


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    """A table; all columns but the first, as many as `numbers`, are aligned right."""
    under = ["---"] * (len(headings) - numbers) + ["---:"] * numbers
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, under, *rows))


def block(result: Result) -> str:
    """What an example's page says of its figures."""
    heads = [f"on {result.held_back}", *(measure.head for measure in result.measures)]
    trained = f"; training took {result.seconds:,.0f} s of one core" if result.seconds else ""
    facts = f"{step_text(result.step)}. The network's file has {show.bytes_text(result.model_bytes)}{trained}."
    return f"{markdown(heads, result.cells(), len(heads) - 1)}\n\n{facts}"


def filled(page: str, text: str) -> str:
    """A page with `text` between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


def gallery(found: dict[str, Result]) -> str:
    """The page of all of them."""
    rows = []
    for name, result in found.items():
        measure, (naive, figure) = result.measures[0], result.baseline
        ours = f"**{measure.text(result.figure)}**"
        rows.append([f"[{name}](#{name})", measure.head, ours, f"{measure.text(figure)} ({naive})", show.time_text(result.step.ns)])
    parts = [HEAD, markdown(("", "measured", "the network", "a naive way", "a step"), rows, 1) + "\n"]
    for name, result in found.items():
        place = f"../examples/{name}"
        parts.append(f"## {name}\n\n{result.does} [More]({place}/README.md)\n\n![{result.does}]({place}/{name}.png)\n\n{block(result)}\n")
    return "\n".join(parts)


def draw(found: Iterable[str]) -> None:
    """The picture of all of them: each under its name, in the column that is shortest so far."""
    from PIL import Image, ImageDraw, ImageFont

    tiles, heights = [], [0] * COLUMNS
    for name in found:
        with Image.open(EXAMPLES / name / f"{name}.png") as file:
            tile = file.convert("RGB")
        tile = tile.resize((WIDTH, tile.height * WIDTH // tile.width))
        column = heights.index(min(heights))
        tiles.append((name, tile, (column * WIDTH, heights[column])))
        heights[column] += CAPTION + tile.height
    whole, font = Image.new("RGB", (COLUMNS * WIDTH, max(heights)), "white"), ImageFont.load_default(18)
    for name, tile, (x, y) in tiles:
        ImageDraw.Draw(whole).text((x + 8, y + 3), name, "black", font)
        whole.paste(tile, (x, y + CAPTION))
    whole.quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


def time_steps() -> None:
    """Measure the step of each example in a process of its own, and write it into its result file."""
    for name in results():
        if "\nEXAMPLE = " not in (EXAMPLES / name / "run.py").read_text(encoding="utf-8"):
            print(f"{name}: left as it was; python examples/{name}/run.py --write measures it, with networks of packages")
            continue
        program = f"import sys; sys.path[:0] = {[str(ROOT), str(EXAMPLES / name)]!r}; import run; print(run.EXAMPLE.write_step())"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        last = (done.stdout or done.stderr).strip().splitlines()[-1]
        print(f"{name}: {last}" if done.returncode == 0 else f"{name}: not measured: {last}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", action="store_true", help="time the steps of all examples again first")
    if parser.parse_args().steps:
        time_steps()
    found = results()
    draw(found)
    PAGE.write_text(gallery(found), encoding="utf-8")
    for name, result in found.items():
        path = EXAMPLES / name / "README.md"
        page = path.read_text(encoding="utf-8")
        if BEGIN not in page:
            raise SystemExit(f"{path.relative_to(ROOT)} lacks the marks {BEGIN} and {END}, between which its figures stand.")
        path.write_text(filled(page, block(result)), encoding="utf-8")


if __name__ == "__main__":
    main()
