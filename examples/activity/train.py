"""Train the activity network of the demo: an LSTM that answers at every sample of an endless stream.

The examples are random windows over recordings joined in random order: the state crosses from one activity into the next,
as it does on a wrist, and the loss counts every step but the first second of a recording. Eight training recordings are
set aside to choose the weights; the held-out recordings are read once, at the end, to report.

    pip install torch          (any version from 2.4)
    python examples/activity/train.py
"""

import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
CHECKPOINT = HERE / "data" / "activity.pt"
LABELS = ("standing", "running", "walking", "badminton")

SEED = 7
HIDDEN = 32
ITERATIONS = 800
BATCH = 24
WINDOW_STEPS = 240
WARMUP_STEPS = 10  # after each change of recording, without loss
LOG_GAIN = 0.7  # recordings are scaled by exp(-0.7) to exp(0.7)
NOISE = 0.05  # of each channel's standard deviation
DROPOUT = 0.3
CHECK_EVERY = 40


@dataclass(frozen=True)
class Recordings:
    signals: torch.Tensor  # (recordings, time, 6)
    labels: torch.Tensor  # (recordings,)

    def part(self, index: np.ndarray) -> "Recordings":
        return Recordings(self.signals[index], self.labels[index])


class Normalizer(nn.Module):
    """Sensor units to numbers of order one, stored with the weights."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)  # (6,)
        self.register_buffer("scale", scale)  # (6,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


class ActivityNet(nn.Module):
    """(batch, time, 6) in sensor units -> (batch, time, 4) logits: one answer a step."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.norm = Normalizer(mean, scale)
        self.lstm = nn.LSTM(mean.numel(), HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN, len(LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.dropout(self.lstm(self.norm(x))[0]))


def read(folder: Path) -> Recordings:
    signals, labels = [], []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.reader(file))[1:]
        signals.append(np.array(rows, np.float32))
        labels.append(LABELS.index(path.stem.split("-")[1]))
    return Recordings(torch.tensor(np.stack(signals)), torch.tensor(labels))


def examples(recordings: Recordings, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A batch of windows over recordings joined in random order, each recording louder or quieter than it was, with some noise.

    Returns
    -------
    signals : (BATCH, WINDOW_STEPS, 6)
    labels : (BATCH, WINDOW_STEPS)
    counts : (BATCH, WINDOW_STEPS) bool, where the loss counts
    """
    count, steps, channels = recordings.signals.shape
    which = torch.tensor(rng.integers(count, size=(BATCH, -(-WINDOW_STEPS // steps) + 1)))  # (BATCH, joined)
    gain = torch.tensor(np.exp(rng.uniform(-LOG_GAIN, LOG_GAIN, (*which.shape, 1, 1))), dtype=torch.float32)
    joined = (recordings.signals[which] * gain).flatten(1, 2)  # (BATCH, joined * steps, 6)
    start = torch.tensor(rng.integers(steps, size=(BATCH, 1)))
    ticks = start + torch.arange(WINDOW_STEPS)  # (BATCH, WINDOW_STEPS)
    rows = torch.arange(BATCH)[:, None]
    noise = torch.tensor(rng.normal(0, NOISE, (BATCH, WINDOW_STEPS, channels)), dtype=torch.float32)
    signals = joined[rows, ticks] + noise * recordings.signals.flatten(0, 1).std(0)
    since_change = torch.minimum(ticks - start, ticks % steps)
    return signals, recordings.labels[which][rows, ticks // steps], since_change >= WARMUP_STEPS


@torch.no_grad()
def evaluate(net: ActivityNet, recordings: Recordings) -> tuple[float, float, float]:
    """Loss after the warm-up, share of recordings right at their last step, share of steps right after 2 s."""
    net.eval()
    logits = net(recordings.signals)
    labels = recordings.labels[:, None].expand(logits.shape[:2])
    loss = nn.functional.cross_entropy(logits[:, WARMUP_STEPS:].flatten(0, 1), labels[:, WARMUP_STEPS:].flatten())
    right = logits.argmax(-1) == labels
    return loss.item(), right[:, -1].float().mean().item(), right[:, 20:].float().mean().item()


def train(training: Recordings, validation: Recordings) -> ActivityNet:
    rng = np.random.default_rng(SEED)
    flat = training.signals.flatten(0, 1)
    net = ActivityNet(flat.mean(0), flat.std(0))
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    best, kept = float("inf"), net.state_dict()
    for iteration in range(1, ITERATIONS + 1):
        net.train()
        signals, labels, counts = examples(training, rng)
        loss = nn.functional.cross_entropy(net(signals)[counts], labels[counts])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % CHECK_EVERY == 0:
            checked, _, steps = evaluate(net, validation)
            print(f"{iteration:4d}  loss {loss.item():.3f}  validation loss {checked:.3f}  steps right {steps:.1%}")
            if checked < best:
                best, kept = checked, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)
    return net


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began = time.perf_counter()
    recordings = read(HERE / "training")
    in_order = np.arange(len(recordings.labels))
    net = train(recordings.part(in_order[8:]), recordings.part(in_order[:8]))
    torch.save(net.state_dict(), CHECKPOINT)
    _, last, steps = evaluate(net, read(HERE / "data" / "held_out"))
    print(f"{CHECKPOINT.name}: {CHECKPOINT.stat().st_size} bytes, {time.perf_counter() - began:.0f} s")
    print(f"held-out recordings: {last:.1%} right at the last step; {steps:.1%} of the steps after 2 s right")


if __name__ == "__main__":
    main()
