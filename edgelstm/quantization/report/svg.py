"""Small plots as SVG text: lines over time and paired bars. Colours are CSS classes of the page that holds them."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

#: Size of a plot and its margins, in pixels of its view box. A phone's page has about 340 pixels for it, so that text of 15 is shown
#: with 11.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 220, 58, 12, 10, 40


class Line(NamedTuple):
    """One curve: its name in the legend, its CSS class, its values."""

    name: str
    css: str
    ys: Sequence[float]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover low to high."""
    raw = (high - low) / count or 1.0
    unit = 10.0 ** np.floor(np.log10(raw))
    step = unit * min((1, 2, 5, 10), key=lambda m: abs(m * unit - raw))
    first = np.ceil(low / step - 1e-9)
    return [float(v * step) + 0.0 for v in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def lines(xs: Sequence[float], curves: Sequence[Line], x_label: str, y_label: str, mark: float | None = None) -> str:
    """Curves over xs on linear axes that include 0 where values come near it; `mark` draws a vertical line."""
    values = np.concatenate([np.asarray(curve.ys, float) for curve in curves])
    low, high = float(values.min()), float(values.max())
    low = 0.0 if 0 < low < 0.6 * high else low
    pad = (high - low or max(abs(high), 1e-9)) * 0.05
    low, high = low - (pad if low else 0), high + pad
    x0, x1 = float(xs[0]), float(max(xs[-1], xs[0] + 1))

    def px(x: float) -> float:
        return LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def py(y: float) -> float:
        return HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [_grid_y(y, py(y)) for y in ticks(low, high)]
    parts += [_text(px(x), HEIGHT - BOTTOM + 16, f"{x:g}", "middle") for x in ticks(x0, x1, 6)]
    if mark is not None:
        parts.append(f'<line class="mark" x1="{px(mark):.1f}" x2="{px(mark):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for curve in curves:
        points = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in zip(xs, curve.ys, strict=True))
        parts.append(f'<polyline class="{curve.css}" points="{points}"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, x_label, "middle"))
    legend = "".join(f'<span><i class="{c.css}"></i>{escape(c.name)}</span>' for c in curves)
    return _figure("".join(parts), HEIGHT, f"{y_label} over {x_label}", f"<b>{escape(y_label)}</b>{legend}")


def bars(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], most: float, unit: str, legend: Sequence[tuple[str, str]]) -> str:
    """Groups of horizontal bars: (name, [(css, value), …]) each, on an axis from 0 to `most`."""
    bar, gap = 17, 8
    height = sum(bar * len(items) + gap for _, items in rows) + 6
    parts, y = [], 4.0
    for name, items in rows:
        parts.append(_text(LEFT - 8, y + bar * len(items) / 2 + 4, name, "end"))
        for css, value in items:
            width = max(0.0, min(value / most, 1.0)) * (WIDTH - LEFT - 66)
            parts.append(f'<rect class="{css}" x="{LEFT}" y="{y:.1f}" width="{width:.1f}" height="{bar - 2}" rx="2"/>')
            parts.append(_text(LEFT + width + 6, y + bar - 4, f"{value:.1f} {unit}", "start"))
            y += bar
        y += gap
    shown = "".join(f'<span><i class="{css}"></i>{escape(name)}</span>' for css, name in legend)
    return _figure("".join(parts), height, "bars", shown)


def _grid_y(value: float, y: float) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 6, y + 4, f"{value:.4g}", "end")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _figure(content: str, height: float, title: str, legend: str) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
    return f"<figure><figcaption>{legend}</figcaption>{head}{content}</svg></figure>"
