"""Write the sentences that the example listens to, as eSpeak NG says them: ``data/speech.npz``.

apt-get install espeak-ng
python examples/voice/prepare.py
"""

import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent

#: Samples a second.
RATE = 16000

#: Voices, words a minute, and what is said: the first of the Harvard sentences (IEEE 1969).
SENTENCES = (
    ("en-us+m3", 150, "The birch canoe slid on the smooth planks."),
    ("en-gb+f2", 165, "Glue the sheet to the dark blue background."),
    ("en-us+f4", 140, "It's easy to tell the depth of a well."),
    ("en-gb+m7", 155, "These days a chicken leg is a rare dish."),
    ("en-us+m1", 170, "Rice is often served in round bowls."),
    ("en-us+f1", 150, "The juice of lemons makes fine punch."),
)


def spoken(voice: str, speed: int, text: str) -> NDArray[np.float64]:
    """A sentence at 16 kHz, the loudest sample a half."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(path), text], check=True)
        with wave.open(str(path)) as file:
            said, rate = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64), file.getframerate()
    said = resampled(said, rate)
    loud = np.flatnonzero(np.abs(said) > 0.01 * np.abs(said).max())
    return said[loud[0] : loud[-1] + 1] / (2 * np.abs(said).max())


def resampled(x: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """x at 16 kHz: its spectrum, cut off."""
    size = round(x.size * RATE / rate)
    spectrum = np.fft.rfft(x)[: size // 2 + 1]
    return np.fft.irfft(np.pad(spectrum, (0, size // 2 + 1 - spectrum.size)), size) * size / x.size


def main() -> None:
    if shutil.which("espeak-ng") is None:
        raise SystemExit("The sentences are said by eSpeak NG, which is not installed. Run: apt-get install espeak-ng")
    said = {f"sentence_{n}": np.rint(spoken(*given) * 32767).astype(np.int16) for n, given in enumerate(SENTENCES)}
    np.savez_compressed(HERE / "data" / "speech.npz", **said)
    print(f"{len(said)} sentences, {sum(one.size for one in said.values()) / RATE:.1f} s")


if __name__ == "__main__":
    main()
