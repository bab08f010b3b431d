"""Train the two forecasters of the heart: at each sample, what the recording will be some samples later.

They learn from recordings without anomalies; the last sixth of each chooses the weights. How far ahead they look, and how many errors a
score spans, were chosen with ``--choose``: of the electrocardiogram by another one with wrong beats, of the pressure by anomalies put into
the recording without.

    pip install torch          (any version from 2.4)
    python examples/heart/train.py [--choose]
"""

import argparse
import time

import detector
import numpy as np
import torch
from torch import nn

import edgelstm as el
from edgelstm.gallery.naive import average_precision

SEED = 7
HIDDEN = 24
ITERATIONS, BATCH, WARMUP, STEPS = 500, 16, 100, 300
NOISE = 0.02
CHECK_EVERY = 25
AHEAD, SPANS = (1, 2, 4, 8), (6, 12, 24, 48)  # what is tried


class HeartNet(nn.Module):
    """(batch, time, 1) samples -> (batch, time, 1) the sample that follows later, in standard deviations."""

    def __init__(self, mean: float, scale: float) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale
        self.lstm = nn.LSTM(1, HIDDEN, batch_first=True)
        self.fc = nn.Linear(HIDDEN, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.lstm(x)[0])

    def model(self) -> el.Model:
        """In the recording's unit, going in and coming out."""
        arrays = {name: value.detach().numpy().copy() for name, value in self.state_dict().items()}
        arrays["fc.weight"] *= self.scale
        arrays["fc.bias"] = arrays["fc.bias"] * self.scale + self.mean
        return el.from_torch(arrays, "lstm, fc").with_normalizer([self.mean], [self.scale])


def train(recording: np.ndarray, ahead: int) -> HeartNet:
    rng = np.random.default_rng(SEED)
    net = HeartNet(float(recording.mean()), float(recording.std()))
    xs = torch.tensor((recording - net.mean) / net.scale, dtype=torch.float32)
    cut = len(xs) * 5 // 6
    optimizer = torch.optim.Adam(net.parameters(), lr=8e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    best, kept = float("inf"), net.state_dict()
    for iteration in range(1, ITERATIONS + 1):
        at = torch.tensor(rng.integers(cut - STEPS - ahead, size=(BATCH, 1))) + torch.arange(STEPS)  # (batch, time)
        noise = torch.tensor(rng.normal(0, NOISE, (*at.shape, 1)), dtype=torch.float32)
        error = net(xs[at][..., None] + noise)[..., 0] - xs[at + ahead]
        loss = error[:, WARMUP:].square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % CHECK_EVERY == 0:
            with torch.no_grad():
                errors = net(xs[None, :, None])[0, cut - ahead : -ahead, 0] - xs[cut:]
            checked = float(errors.square().mean())
            if checked < best:
                best, kept = checked, {name: value.clone() for name, value in net.state_dict().items()}
            print(f"{iteration:4d}  training {loss.item():.4f}  choosing {checked:.4f}", flush=True)
    net.load_state_dict(kept)
    return net


@torch.no_grad()
def answered(net: HeartNet, recording: np.ndarray) -> np.ndarray:
    """What each sample is answered with, in the recording's unit: (time,)."""
    xs = torch.tensor((recording - net.mean) / net.scale, dtype=torch.float32)
    return net(xs[None, :, None])[0, :, 0].double().numpy() * net.scale + net.mean


def choose(name: str) -> None:
    """Print the average precision of each setting, on what is not held back."""
    training = detector.read(name).training
    asked = detector.read_choosing() if name == "ecg" else detector.spoilt(training, np.random.default_rng(SEED))
    for ahead in AHEAD:
        torch.manual_seed(SEED)
        said = answered(train(training, ahead), asked.held_back)
        for span in SPANS:
            scores = detector.errors_of(said, asked.held_back, detector.Kind(1, ahead, span))
            found = average_precision(asked.wanted[detector.SETTLING :], scores[detector.SETTLING :])
            print(f"{name}: {ahead} ahead, mean of {span}: {found:.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choose", action="store_true", help="measure settings on what is not held back, and write nothing")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    for name, kind in detector.KINDS.items():
        if asked.choose:
            choose(name)
            continue
        torch.manual_seed(SEED)
        path = detector.DATA / f"{name}.elstm"
        el.save(train(detector.read(name).training, kind.ahead).model(), path)
        print(f"{path.name}: {path.stat().st_size} bytes, {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
