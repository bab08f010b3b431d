"""Speech in noise, two published networks that work on it, and what to measure them by."""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgelstm as el

HERE = Path(__file__).parent
RATE, CHUNK, HOP, BLOCK = 16000, 512, 128, 512
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A recording whose parts are known.

    Parameters
    ----------
    speech, noise : (samples,) float32
        At 16 kHz; the recording is their sum.
    spoken : (chunks,) bool
        Whether someone speaks in a chunk of 512 samples.
    """

    speech: Floats
    noise: Floats
    spoken: NDArray[np.bool_]

    @property
    def recording(self) -> Floats:
        return self.speech + self.noise


def scene(seed: int, decibels: float) -> Scene:
    """All sentences with pauses of 0.6 to 1.6 s between, in noise whose loudness wanders.

    decibels: speech over noise, both over the chunks in which someone speaks.
    """
    rng = np.random.default_rng(seed)
    with np.load(HERE / "data" / "speech.npz") as file:
        sentences = [file[name] / 32768 for name in rng.permutation(file.files)]
    parts: list[Any] = [np.zeros(RATE)]
    for sentence in sentences:
        parts += [sentence, np.zeros(int(rng.uniform(0.6, 1.6) * RATE))]
    speech = np.concatenate(parts)
    speech = speech[: speech.size // CHUNK * CHUNK]
    loudness = np.sqrt((speech.reshape(-1, CHUNK) ** 2).mean(axis=1))
    spoken = closed(loudness > 0.05 * loudness.max())
    noise = hiss(rng, speech.size)
    while_spoken = np.repeat(spoken, CHUNK)
    ratio = np.sqrt((speech[while_spoken] ** 2).mean() / (noise[while_spoken] ** 2).mean())
    return Scene(speech.astype(np.float32), (noise * ratio * 10 ** (-decibels / 20)).astype(np.float32), spoken)


def closed(spoken: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without pauses of up to six chunks inside a sentence."""
    at = np.flatnonzero(spoken)
    for before, behind in pairwise(at):
        if behind - before <= 7:
            spoken[before:behind] = True
    return spoken


def hiss(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Noise that falls by 3 dB an octave, as machines and streets make it, up to 10 dB louder and softer within seconds."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    spectrum[: 60 * size // RATE] = 0
    seconds = size // RATE + 2
    level = np.interp(np.arange(size) / RATE, np.arange(seconds), rng.uniform(-10, 10, seconds))
    return np.fft.irfft(spectrum, size) * 10 ** (level / 20)


def detector(path: str | Path) -> el.Model:
    """silero-vad: 512 samples a step, and the probability that someone speaks."""
    return el.load(path, recipe=HERE / "silero_vad.toml")


def denoiser(first: str | Path, second: str | Path) -> el.Model:
    """DTLN: 128 samples a step, and 128 without noise, 384 samples later.

    The first network masks the spectrum of the last 512 samples; the second what the masked spectrum is as samples.
    """
    bins = BLOCK // 2 + 1
    masks, samples = named(el.load(first), "first", "magnitude"), named(el.load(second), "second", "estimate")
    return el.Model(
        [
            *el.STFT(BLOCK, HOP, window="ones", name="spectrum"),
            el.Magnitude(bins, name="magnitude", inputs=["spectrum"]),
            *masks,
            el.Concat(name="mask", inputs=[masks[-1].name, masks[-1].name]),
            el.Mul(name="masked", inputs=["spectrum", "mask"]),
            *el.InverseSTFT(BLOCK, BLOCK, inputs=["masked"], name="estimate"),
            *samples,
            el.OverlapAdd(BLOCK, HOP, inputs=[samples[-1].name]),
        ],
        source="DTLN",
    )


def named(model: el.Model, prefix: str, reads: str) -> list[Any]:
    """The layers of a model with a prefix to their names; what read its input reads another layer."""
    layers = []
    for layer in model.layers:
        inputs = [reads if name == "input" else f"{prefix}.{name}" for name in layer.inputs]
        layers.append(replace(layer, name=f"{prefix}.{layer.name}", inputs=inputs))
    return layers


def probabilities(model: el.Model, recording: Floats) -> Floats:
    """Of each chunk."""
    stream = el.Stream(model)
    return np.array([stream.step(chunk)[0] for chunk in recording.reshape(-1, CHUNK)])


def cleaned(model: el.Model, recording: Floats) -> Floats:
    """A recording without its noise, in time with it."""
    late = BLOCK - HOP
    answer: Floats = el.Stream(model).process(np.pad(recording, (0, BLOCK)).reshape(-1, HOP)).ravel()
    return answer[late : late + recording.size]


def levels(recording: Floats) -> NDArray[np.float64]:
    """Decibels of each chunk: what a gate opens by."""
    return 10 * np.log10((recording.reshape(-1, CHUNK).astype(np.float64) ** 2).mean(axis=1) + 1e-12)


def best_gate(recording: Floats, spoken: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The gate by loudness that tells these very chunks best: no gate that must choose beforehand does better."""
    given = levels(recording)
    return max((given > threshold for threshold in given), key=lambda found: balanced(found, spoken))


def balanced(found: NDArray[np.bool_], spoken: NDArray[np.bool_]) -> float:
    """Mean of the part of spoken chunks that was found, and of the others that were left."""
    return float((found[spoken].mean() + (~found[~spoken]).mean()) / 2)


def signal_to_noise(answer: Floats, speech: Floats) -> float:
    """Decibels of speech over all that is not: the scale-invariant ratio of Le Roux et al. (2019)."""
    a, s = answer.astype(np.float64), speech.astype(np.float64)
    target = (a @ s) / (s @ s) * s
    return float(10 * np.log10((target @ target) / ((a - target) @ (a - target))))
