"""Say each next frame of a film from those before it, beside the last frame.

python examples/video/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from frames import BEFORE, Film, held_out
from numpy.typing import NDArray
from safetensors.numpy import load_file

import edgelstm as el
from edgelstm.gallery import Example, Measure

HERE = Path(__file__).parent
WEIGHTS = HERE / "data" / "video.safetensors"

#: The frame that the picture shows, counted from the first that was held back, and the titles there.
SHOWN = 22
TITLES = ("frame", "forecast", "error of the last frame", "error of the forecast")

Floats = NDArray[np.float32]


def load(rows: int, columns: int) -> el.Model:
    """The trained network for frames of this size, in shades from 0 to 1: the same weights for any."""
    held = {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}
    kernel, recurrent, change = (held[f"{name}.weight"].transpose(2, 3, 1, 0) for name in ("x", "h", "change"))  # rows, columns, in, out
    bias = held["x.bias"]
    return el.Model(
        [
            el.Normalizer(np.full(rows * columns, 0.5), np.ones(rows * columns), name="centred"),
            el.ConvLSTM(kernel, recurrent, bias, shape=(rows, columns, 1), peephole=held["peephole"], name="memory"),
            el.MapConv(change, held["change.bias"], shape=(rows, columns, kernel.shape[-1] // 4), padding="same", name="change"),
            el.Add(name="next", inputs=("input", "change")),
        ],
        source="examples/video/train.py",
    )


@cache
def forecasts() -> Floats:
    """Of each frame that was held back, from all before it: (frames, rows, columns) in shades from 0 to 1."""
    film = held_out()
    stream = el.Stream(load(*film.shape[1:]))
    return stream.process(given(film))[BEFORE - 1 :].reshape(-1, *film.shape[1:]).clip(0, 1)


def given(film: Film) -> Floats:
    """All frames but the last as samples: (frames - 1, rows * columns)."""
    return (film[:-1] / 255).reshape(len(film) - 1, -1).astype(np.float32)


def figures(said: NDArray[Any]) -> tuple[float, float]:
    """Of forecasts of all frames held back: the peak signal to noise ratio in decibels, and the root mean square of the error in shades."""
    error = said - held_out()[BEFORE:] / 255
    return float(-10 * np.log10(np.mean(error**2))), 255 * float(np.sqrt(np.mean(error**2)))


def network() -> tuple[float, float]:
    return figures(forecasts())


def others() -> dict[str, tuple[float, float]]:
    film = held_out() / 255
    last, before = film[BEFORE - 1 : -1], film[BEFORE - 2 : -2]
    return {"the last frame": figures(last), "the last change once more": figures((2 * last - before).clip(0, 1))}


def draw(figure: Any) -> None:
    """A frame, what was said of it, and where both it and the last frame are wrong."""
    film = held_out() / 255
    last, right, said = film[BEFORE + SHOWN - 1], film[BEFORE + SHOWN], forecasts()[SHOWN]
    errors = np.abs(right - last), np.abs(right - said)
    for place, title, picture in zip(figure.subplots(1, 4), TITLES, (right, said, *errors), strict=True):
        place.imshow(picture, cmap="gray", vmin=0, vmax=errors[0].max() if title.startswith("error") else 1)
        place.set_title(title, fontsize=9)
        place.axis("off")


def steps() -> Any:
    film = held_out()
    return el.Stream(load(*film.shape[1:])).step, list(given(film))


EXAMPLE = Example(
    HERE,
    does="Foresees the next frame of a film.",
    held_back="the last 24 frames of a film",
    measures=(Measure("PSNR", "dB", digits=2), Measure("error", "shades of 256", "lower", 3)),
    files=["data/video.safetensors"],
    load=lambda: load(*held_out().shape[1:]),
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a frame of 44 × 36 pixels",
    seconds=71,
    size=(8.0, 1.9),
)

if __name__ == "__main__":
    EXAMPLE.main()
