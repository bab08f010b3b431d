"""A network drawn as SVG: a box for each layer, in rows from the input down, and lines for what reads what."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UsageError
from ..runtime.outline import kind_title
from ..runtime.outline import samples as samples_text
from ..runtime.writing import write_atomic
from . import show

#: What outlines call the model's own input.
INPUT = "input"

#: Size of a box, and the space between two, in pixels.
WIDTH, HEIGHT, GAP_X, GAP_Y = 190, 48, 34, 34

#: The most characters of a line that a box has room for.
_FITS = 26

_STYLE = (
    "text{font:12px sans-serif;text-anchor:middle;fill:#222}.size{fill:#666}"
    "rect{fill:#fff;stroke:#4a6fa5}path{fill:none;stroke:#888}.ends{fill:#eef2f8}"
)


class _Box(NamedTuple):
    """A layer: where its box stands, and what is written there."""

    x: int
    y: int
    lines: tuple[str, str]
    css: str = ""


def write(path: Path, told: Mapping[str, Any], *read: Path) -> None:
    """Write the diagram of what `describe` tells of a model.

    Raises
    ------
    UsageError
        If the path does not end in .svg, or is one of those that were read.
    ModelFileError
        If it cannot be written.
    """
    from .given import refuse_overwriting

    if path.suffix.lower() != ".svg":
        raise UsageError(f"--diagram {path} would be an SVG drawing; write {path.with_suffix('.svg')}.")
    refuse_overwriting("--diagram", path, *read)
    write_atomic(str(path), drawn(told).encode())


def drawn(told: Mapping[str, Any]) -> str:
    """The SVG text of a network: names, kinds, sizes and rates.

    Parameters
    ----------
    told : mapping
        What `edgelstm.cli.describe.record` gives.
    """
    boxes = _boxes(told)
    edges = [(source, layer["name"]) for layer in told["layers"] for source in layer["inputs"]]
    width = max(box.x for box in boxes.values()) + WIDTH + GAP_X
    height = max(box.y for box in boxes.values()) + HEIGHT + GAP_Y // 2
    lines = [_edge(boxes[source], boxes[target]) for source, target in edges]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
    shown = f"<title>{escape(show.printable(told['file']))}</title><style>{_STYLE}</style>"
    return head + shown + "".join(lines) + "".join(map(_drawn_box, boxes.values())) + "</svg>\n"


def _boxes(told: Mapping[str, Any]) -> dict[str, _Box]:
    """By name; a layer stands one row below the lowest that it reads of those before it."""
    row = {INPUT: 0}
    for layer in told["layers"]:
        row[layer["name"]] = 1 + max((row[source] for source in layer["inputs"] if source in row), default=0)
    beside: dict[int, int] = {}
    layers = {layer["name"]: layer for layer in told["layers"]}
    last, found = told["layers"][-1]["name"], {}
    for name, depth in row.items():
        place = beside[depth] = beside.get(depth, -1) + 1
        sizes = (INPUT, samples_text(told)) if name == INPUT else (name, _sizes(layers[name]))
        x, y = GAP_X // 2 + place * (WIDTH + GAP_X), GAP_Y // 2 + depth * (HEIGHT + GAP_Y)
        found[name] = _Box(x, y, sizes, "ends" if name in (INPUT, last) else "")
    return found


def _sizes(layer: Mapping[str, Any]) -> str:
    """Kind, width and rate of a layer."""
    function = layer["options"].get("function")
    every = f", every {layer['every']} steps" if layer["every"] > 1 else ""
    reverse = ", from the end" if layer["options"].get("reverse") else ""
    return f"{function or kind_title(layer['kind'])} {layer['output_size']}{every}{reverse}"


def _drawn_box(box: _Box) -> str:
    head = f'<rect class="{box.css}" x="{box.x}" y="{box.y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
    middle, name, size = box.x + WIDTH // 2, *map(_cut, box.lines)
    return f'{head}<text x="{middle}" y="{box.y + 20}">{name}</text><text class="size" x="{middle}" y="{box.y + 37}">{size}</text>'


def _cut(line: str) -> str:
    text = show.printable(line)
    return escape(text if len(text) <= _FITS else text[: _FITS - 1] + "…")


def _edge(source: _Box, target: _Box) -> str:
    """A line from a box to one below; past the boxes between, if there are any. A dashed one on the right, to one that is not below."""
    x0, y0, x1, y1 = source.x + WIDTH // 2, source.y + HEIGHT, target.x + WIDTH // 2, target.y
    if y1 <= y0:
        x0, y0, x1, y1 = source.x + WIDTH, source.y + HEIGHT // 2, target.x + WIDTH, target.y + HEIGHT // 2
        side = max(x0, x1) + GAP_X - 4
        return f'<path stroke-dasharray="4" d="M{x0} {y0}C{side} {y0} {side} {y1} {x1} {y1}m7 -4l-7 4l7 4"/>'
    head = "m-4 -7l4 7l4 -7"
    if y1 - y0 <= GAP_Y:
        return f'<path d="M{x0} {y0}L{x1} {y1}{head}"/>'
    side = max(x0, x1) + WIDTH // 2 + GAP_X // 2
    return f'<path d="M{x0} {y0}C{side} {y0 + GAP_Y} {side} {y0 + GAP_Y} {side} {(y0 + y1) // 2}S{side} {y1 - GAP_Y} {x1} {y1}{head}"/>'
