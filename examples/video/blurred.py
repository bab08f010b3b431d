"""How near a line through blurred frames comes: no network, ten numbers a film, by least squares.

Where something moves fast, a blurred copy of the last frame is nearer than a sharp one: what is uncertain is averaged. Ten features of a
pixel say how it may change: blurred copies less the pixel itself, the last change, sharp and blurred, and each once more where much moves
around it. Their weights come from the frames that training reads. Run it where the films are installed, as `frames.py` says.
"""

import frames
import numpy as np
from numpy.typing import NDArray

#: Blurs, in pixels; that of the change by which a place is said to move; the change, in parts of white, of which all is moving.
BLURS, AROUND, MOVING = (0.8, 2.0), 1.5, 0.08

Frames = NDArray[np.float64]


def blurred(film: Frames, sigma: float) -> Frames:
    """A film, (frames, rows, columns), through a Gauss filter; borders go on."""
    reach = int(3 * sigma) + 1
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (1, 2):
        film = np.apply_along_axis(lambda line: np.convolve(np.pad(line, reach, "edge"), kernel, "valid"), axis, film)
    return film


def features(film: Frames) -> NDArray[np.float64]:
    """(frames, rows, columns, 10): what each frame and the one before say of the next."""
    changes = np.diff(film, axis=0, prepend=film[:1])
    plain = [changes]
    for sigma in BLURS:
        soft = blurred(film, sigma)
        plain += [soft - film, np.diff(soft, axis=0, prepend=soft[:1])]
    moving = np.clip(blurred(np.abs(changes), AROUND) / MOVING, 0, 1)
    return np.stack([*plain, *(feature * moving for feature in plain)], axis=-1)


def forecasts(training: frames.Film, held_out: frames.Film) -> Frames:
    """Of the frames held back, by weights from those to train with."""
    film, asked = training / 255, held_out / 255
    known = features(film)[1:-1].reshape(-1, 10)
    weights = np.linalg.lstsq(known, (film[2:] - film[1:-1]).ravel(), rcond=None)[0]
    said: Frames = asked[frames.BEFORE - 1 : -1] + features(asked)[frames.BEFORE - 1 : -1] @ weights
    return said


def main() -> None:
    """Print each film's figures, and those of its last frame."""
    for name in frames.FILES:
        training, held_out = frames.parted(frames.read(name))
        by_line = frames.figures(forecasts(training, held_out), held_out)
        copied = frames.figures(held_out[frames.BEFORE - 1 : -1] / 255, held_out)
        more = f"{by_line.of_frames:.2f} of the frames, {by_line.nearer:.0f} % nearer"
        print(f"{name}: {by_line.psnr:.2f} dB ({more}); the last frame {copied.psnr:.2f} dB")


if __name__ == "__main__":
    main()
