"""Say each next frame of two films from those before it, beside the last frame.

python examples/video/run.py [--write]
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from frames import BEFORE, SHOWN, Figures, Film, figures, held_out
from numpy.typing import NDArray
from safetensors.numpy import load_file

import edgelstm as el
from edgelstm.gallery import Example, Measure

HERE = Path(__file__).parent
DATA = HERE / "data"

#: The networks by the films: the one that learned from both, and the one that went on with carphone.
NETWORKS = {"carphone": "carphone", "bikes": "both"}

#: Columns that a network reads: what the state of more would have is more than a map may.
WIDEST = 80

#: The frame that the picture shows, counted from the first that was held back, and the titles there.
FRAME = 22
TITLES = ("frame", "forecast", "error of the last frame", "error of the forecast")

Floats = NDArray[np.float32]


def load(network: str, rows: int, columns: int) -> el.Model:
    """A trained network for frames of this size, in shades from 0 to 1: the same weights for any."""
    held = {name: value.astype(np.float32) for name, value in load_file(DATA / f"{network}.safetensors").items()}
    kernels = {
        name: held[f"{name}.weight"].transpose(2, 3, 1, 0) for name in ("x", "h", "change", "filters", "shares")
    }  # rows, columns, in, out
    pixels, units, filters = rows * columns, kernels["h"].shape[2], kernels["filters"].shape[3]
    of_frame, of_units, of_filters = ((rows, columns, channels) for channels in (2, units, filters))
    # at each pixel: the shade, half a white less, and what changed in it since the frame before
    two = np.tile(np.float32([[[0, 1]], [[-1, 1]]]), (pixels, 1, 1))
    half = np.tile(np.float32([-0.5, 0]), pixels)
    return el.Model(
        [
            el.Conv1D(two, half, groups=pixels, name="read"),
            el.ConvLSTM(kernels["x"], kernels["h"], held["x.bias"], shape=of_frame, peephole=held["peephole"], name="memory"),
            el.MapConv(kernels["change"], held["change.bias"], shape=of_units, padding="same", name="change"),
            el.MapConv(kernels["shares"], held["shares.bias"], shape=of_units, padding="same", name="shares", inputs=("memory",)),
            el.MapConv(kernels["filters"], shape=of_frame, padding="same", name="filters", inputs=("read",)),
            el.Mul(name="parts", inputs=("filters", "shares")),
            el.MapConv(np.ones((1, 1, filters, 1), np.float32), shape=of_filters, name="moved"),
            el.Add(name="next", inputs=("input", "change", "moved")),
        ],
        source="examples/video/train.py",
    )


def fitting(name: str) -> el.Model:
    """The network of a film, for its frames, or for each half of wide ones."""
    _, rows, columns = held_out(name).shape
    return load(NETWORKS[name], rows, min(columns, WIDEST))


@cache
def forecasts(name: str) -> Floats:
    """Of each frame of a film that was held back, from all before it: (frames, rows, columns) in shades from 0 to 1."""
    film, model = held_out(name), fitting(name)
    parts = []
    for column in range(0, film.shape[2], WIDEST):
        part = film[:, :, column : column + WIDEST]
        parts.append(el.Stream(model).process(given(part))[BEFORE - 1 :].reshape(-1, *part.shape[1:]))
    return np.concatenate(parts, axis=2).clip(0, 1)


def given(film: Film) -> Floats:
    """All frames but the last as samples: (frames - 1, rows * columns)."""
    return (film[:-1] / 255).reshape(len(film) - 1, -1).astype(np.float32)


def row(carphone: Figures, bikes: Figures) -> tuple[float, ...]:
    return carphone.psnr, bikes.psnr, bikes.of_frames, carphone.nearer, bikes.nearer


def network() -> tuple[float, ...]:
    return row(*(figures(forecasts(name), held_out(name)) for name in NETWORKS))


def others() -> dict[str, tuple[float | None, ...]]:
    films = {name: held_out(name) / 255 for name in NETWORKS}
    last = row(*(figures(film[BEFORE - 1 : -1], held_out(name)) for name, film in films.items()))
    again = row(*(figures((2 * film[BEFORE - 1 : -1] - film[BEFORE - 2 : -2]).clip(0, 1), held_out(name)) for name, film in films.items()))
    return {"the last frame": (*last[:3], None, None), "the last change once more": again}


def draw(figure: Any) -> None:
    """A frame, what was said of it, and where both it and the last frame are wrong."""
    film = held_out(SHOWN) / 255
    last, right, said = film[BEFORE + FRAME - 1], film[BEFORE + FRAME], forecasts(SHOWN)[FRAME]
    errors = np.abs(right - last), np.abs(right - said)
    for place, title, picture in zip(figure.subplots(1, 4), TITLES, (right, said, *errors), strict=True):
        place.imshow(picture, cmap="gray", vmin=0, vmax=errors[0].max() if title.startswith("error") else 1)
        place.set_title(title, fontsize=9)
        place.axis("off")


def steps() -> Any:
    return el.Stream(fitting(SHOWN)).step, list(given(held_out(SHOWN)))


EXAMPLE = Example(
    HERE,
    does="Foresees the next frame of a film.",
    held_back="the last 24 frames of carphone and 50 of bikes",
    measures=(
        Measure("PSNR of carphone", "dB", digits=2),
        Measure("of bikes", "dB", digits=2),
        Measure("of bikes, mean of the frames'", "dB", digits=2),
        Measure("frames of carphone nearer than the last"),
        Measure("of bikes"),
    ),
    files=["data/carphone.safetensors", "data/both.safetensors"],
    load=lambda: fitting(SHOWN),
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a frame of 44 × 36 pixels",
    seconds=70,
    size=(8.0, 1.9),
)

if __name__ == "__main__":
    EXAMPLE.main()
