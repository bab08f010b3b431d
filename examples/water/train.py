"""Train the water network: at every hour, the flow one, three and six hours later, each as a median and the ends of an interval.

The series is cut by time: the last fifth is never read here; what is before it trains, but for 120 hours that choose the weights.
Two settings, how much noise and how much dropout, were chosen by those hours among six.

    pip install torch          (any version from 2.4)
    python examples/water/train.py
"""

import time
from dataclasses import replace

import flow
import numpy as np
import torch
from torch import nn

import edgelstm as el

SEED = 5
HIDDEN = 24
ITERATIONS, BATCH, STEPS, WARMUP = 600, 16, 96, 24
CHOOSING = 120  # hours
NOISE, DROPOUT = 0.2, 0.2
GAIN, OFFSET = 0.3, 0.5  # a window is scaled by exp of up to this, and moved by up to this many standard deviations
CHECK_EVERY = 20

SHARES = torch.tensor(flow.SHARES)


class WaterNet(nn.Module):
    """(batch, time) hours in standard deviations -> (batch, time, 3, 3): by hours ahead and by share, what is to be added to the hour."""

    def __init__(self, mean: float, scale: float) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale
        self.lstm = nn.LSTM(1, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN, len(flow.AHEAD) * len(flow.SHARES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        change = self.fc(self.dropout(self.lstm(x[..., None])[0]))
        return change.unflatten(-1, (len(flow.AHEAD), len(flow.SHARES)))

    def model(self) -> el.Model:
        """In litres a second: the last layer adds the hour itself to what it makes of the state."""
        arrays = {name: value.detach().numpy() for name, value in self.state_dict().items()}
        lstm, change = el.from_torch(arrays, "lstm, fc").layers
        weight, of_hour = change.weight * self.scale, np.ones((len(change.weight), 1), np.float32)
        return el.Model(
            [
                el.Normalizer(np.array([self.mean]), np.array([self.scale]), name="norm"),
                replace(lstm, inputs=("norm",)),
                el.Concat(inputs=(lstm.name, "input"), name="both"),
                el.Dense(np.hstack([weight, of_hour]), change.bias * self.scale, name="said"),
            ],
            source="examples/water/train.py",
        )


def targets(xs: torch.Tensor) -> torch.Tensor:
    """What is to be added to each hour: (..., hours, 3), the hours without the last ones."""
    hours = xs.shape[-1] - max(flow.AHEAD)
    return torch.stack([xs[..., ahead : ahead + hours] - xs[..., :hours] for ahead in flow.AHEAD], -1)


def loss_of(said: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean pinball loss of (..., hours, 3, 3)."""
    error = wanted[..., None] - said
    return torch.maximum(SHARES * error, (SHARES - 1) * error).sum(-1).mean()


def windows(series: np.ndarray) -> np.ndarray:
    """First hours of windows in which the pipe was open all the time: (windows,)."""
    shut, span = np.flatnonzero(series <= flow.SHUT), STEPS + max(flow.AHEAD)
    first = np.arange(len(series) - span)
    return first[~((shut >= first[:, None]) & (shut < first[:, None] + span)).any(axis=1)]


def examples(xs: torch.Tensor, starts: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Random windows, each scaled and moved: with noise, as inputs (BATCH, STEPS); and what is to be added to each hour."""
    at = torch.tensor(rng.choice(starts, (BATCH, 1))) + torch.arange(STEPS + max(flow.AHEAD))
    gain = torch.tensor(np.exp(rng.uniform(-GAIN, GAIN, (BATCH, 1))), dtype=torch.float32)
    offset = torch.tensor(rng.uniform(-OFFSET, OFFSET, (BATCH, 1)), dtype=torch.float32)
    window = xs[at] * gain + offset
    noise = torch.tensor(rng.normal(0, NOISE, (BATCH, STEPS)), dtype=torch.float32)
    return window[:, :STEPS] + noise, targets(window)


def train(series: np.ndarray) -> WaterNet:
    rng = np.random.default_rng(SEED)
    cut = len(series) - CHOOSING
    open_hours = series[:cut][series[:cut] > flow.SHUT]
    net = WaterNet(float(open_hours.mean()), float(open_hours.std()))
    xs = torch.tensor((series - net.mean) / net.scale, dtype=torch.float32)
    starts = windows(series[:cut])
    optimizer = torch.optim.Adam(net.parameters(), lr=8e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    best, kept = float("inf"), net.state_dict()
    for iteration in range(1, ITERATIONS + 1):
        net.train()
        given, wanted = examples(xs, starts, rng)
        loss = loss_of(net(given)[:, WARMUP:], wanted[:, WARMUP:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % CHECK_EVERY == 0:
            checked = choosing(net, xs, cut)
            if checked < best:
                best, kept = checked, {name: value.clone() for name, value in net.state_dict().items()}
            print(f"{iteration:4d}  training {loss.item():.4f}  choosing {checked:.4f}  least {best:.4f}", flush=True)
    net.load_state_dict(kept)
    return net


@torch.no_grad()
def choosing(net: WaterNet, xs: torch.Tensor, cut: int) -> float:
    """The loss of the hours that choose the weights."""
    net.eval()
    wanted = targets(xs)
    said = net(xs[None])[0, : len(wanted)]
    return float(loss_of(said[cut:], wanted[cut:]))


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began = time.process_time()
    series = flow.read()
    path = flow.DATA / "water.elstm"
    el.save(train(series[: flow.first_held_back(series)]).model(), path)
    print(f"{path.name}: {path.stat().st_size} bytes, {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
