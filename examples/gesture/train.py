"""Train the gesture network: which of ten people picks something up, answered every fourth sample of one accelerometer.

There are five recordings of each person to learn from, so each is played a little faster and slower, stronger and weaker, each time anew.
What is held back is never read here; ``--folds`` says how well a fifth of the training recordings is told that the others trained.

    pip install torch          (any version from 2.4)
    python examples/gesture/train.py [--folds]
"""

import argparse
import time
from dataclasses import replace

import numpy as np
import torch
from hands import DATA, PEOPLE, Recordings, read
from torch import nn

import edgelstm as el

MODEL = DATA / "gesture.elstm"
FOLDS = 5

SEED = 3
TOGETHER, HIDDEN = 4, 48  # samples whose mean is a step of the LSTM; its units
ITERATIONS = 500
FASTER, BENT, STRONGER, HIGHER, NOISE = 0.3, 0.15, 0.3, 0.1, 0.05  # logarithms, shares, units of gravity
DROPOUT = 0.4
REST = 1.0  # what the sensor reads at rest: gravity


class GestureNet(nn.Module):
    """(batch, time) means of four samples -> (batch, time, 10) logits: an answer each time."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.lstm = nn.LSTM(1, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN, PEOPLE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.dropout(self.lstm((x[..., None] - REST) / self.scale)[0]))

    def model(self) -> el.Model:
        """Reads single samples."""
        arrays = {name: value.detach().numpy() for name, value in self.state_dict().items()}
        norm, lstm, *rest = el.from_torch(arrays, "lstm, fc:softmax").with_normalizer([REST], [self.scale]).layers
        mean = el.AveragePool1D(TOGETHER, name="mean")
        return el.Model([norm, mean, replace(lstm, inputs=("mean",)), *rest], source="examples/gesture/train.py")


def means(samples: np.ndarray) -> np.ndarray:
    """Of each `TOGETHER` samples: (time // TOGETHER,)."""
    return samples[: len(samples) // TOGETHER * TOGETHER].reshape(-1, TOGETHER).mean(axis=1)


def changed(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Played at another speed that bends on the way, and stronger or weaker."""
    count = max(2 * TOGETHER, round(len(samples) * np.exp(rng.uniform(-FASTER, FASTER))))
    at = np.linspace(0, 1, count)
    at = at + rng.uniform(-BENT, BENT) * np.sin(np.pi * at) + rng.uniform(-BENT, BENT) / 2 * np.sin(2 * np.pi * at)
    played = np.interp(at * (len(samples) - 1), np.arange(len(samples)), samples)
    gain, offset = np.exp(rng.uniform(-STRONGER, STRONGER)), rng.uniform(-HIGHER, HIGHER)
    return REST + (played - REST) * gain + offset + rng.normal(0, NOISE, count)


def batch(samples: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Means with zeros behind the end, (recordings, longest), and how many there are of each."""
    short = [torch.tensor(means(one), dtype=torch.float32) for one in samples]
    return nn.utils.rnn.pad_sequence(short, batch_first=True), torch.tensor([len(one) for one in short])


def train(training: Recordings) -> GestureNet:
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    net, people = GestureNet(float(np.concatenate(training.samples).std())), torch.tensor(training.people)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=ITERATIONS, pct_start=0.1)
    for iteration in range(1, ITERATIONS + 1):
        xs, lengths = batch([changed(one, rng) for one in training.samples])
        logits = net(xs)
        losses = nn.functional.cross_entropy(logits.transpose(1, 2), people[:, None].expand(xs.shape), reduction="none")
        # Nothing can be known at the beginning: a frame counts by the square of how much of the movement has passed.
        passed = torch.arange(1, xs.shape[1] + 1) / lengths[:, None]
        weights = torch.where(passed <= 1, passed**2, 0.0)
        loss = (losses * weights).sum() / weights.sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % 100 == 0:
            print(f"{iteration:4d}  loss {loss.item():.3f}", flush=True)
    return net.eval()


@torch.no_grad()
def right(net: GestureNet, recordings: Recordings) -> int:
    """How many are right at their end."""
    xs, lengths = batch(recordings.samples)
    said = net(xs)[torch.arange(len(lengths)), lengths - 1].argmax(-1)
    return int((said == torch.tensor(recordings.people)).sum())


def folds(recordings: Recordings) -> int:
    """How many are right when each fifth is left out in turn."""
    which, found = np.arange(len(recordings.people)), 0
    for fold in range(FOLDS):
        left_out = which % FOLDS == fold
        found += right(train(recordings.part(which[~left_out])), recordings.part(which[left_out]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", action="store_true", help="say how many of fifty are right by cross-validation, and write nothing")
    torch.set_num_threads(1)
    began, recordings = time.process_time(), read("training")
    if parser.parse_args().folds:
        print(f"{folds(recordings)} of {len(recordings.people)} right")
        return
    el.save(train(recordings).model(), MODEL)
    print(f"{MODEL.name}: {MODEL.stat().st_size} bytes, {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
