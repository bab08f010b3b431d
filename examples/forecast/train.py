"""Train the forecast network: at every hour, the electricity demand of the next one, from an endless stream of one number an hour.

The series is cut by time: the first 100 days train, the next 20 choose the weights, the last 30 are read once, at the end, to report.
The examples are random windows of ten days; the loss counts every hour but the first two days, in which the state finds the
hour of the day. The last layer is saved in megawatt hours, so that the network answers in the unit in which it is asked.

    pip install torch          (any version from 2.4)
    python examples/forecast/train.py
"""

import csv
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
CHECKPOINT = HERE / "data" / "forecast.pt"
TRAINING_HOURS = 100 * 24
VALIDATION_HOURS = 20 * 24  # what follows is held out

SEED = 7
HIDDEN = 32
ITERATIONS = 1500
BATCH = 24
WINDOW_HOURS = 240
WARMUP_HOURS = 48  # without loss
LOG_GAIN = 0.2  # windows are scaled by exp(-0.2) to exp(0.2)
OFFSET = 0.3  # and moved by up to this many standard deviations: another season
NOISE = 0.03  # of a standard deviation, on the inputs alone
DROPOUT = 0.3
CHECK_EVERY = 50


class Normalizer(nn.Module):
    """Megawatt hours to numbers of order one, stored with the weights."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)  # (1,)
        self.register_buffer("scale", scale)  # (1,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


class ForecastNet(nn.Module):
    """(batch, time, 1) demand of each hour -> (batch, time, 1) demand of the hour after it, in training units."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.norm = Normalizer(mean, scale)
        self.lstm = nn.LSTM(1, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.dropout(self.lstm(self.norm(x))[0]))

    def in_units(self) -> dict[str, torch.Tensor]:
        """The state_dict with the scale of the answer inside the last layer."""
        state = {name: value.clone() for name, value in self.state_dict().items()}
        state["fc.weight"] *= self.norm.scale
        state["fc.bias"] = state["fc.bias"] * self.norm.scale + self.norm.mean
        return state


def read() -> torch.Tensor:
    """Demand: (hours,)."""
    with (HERE / "data" / "demand.csv").open(newline="") as file:
        return torch.tensor([float(row["demand_mwh"]) for row in csv.DictReader(file)])


def squared_error(net: ForecastNet, given: torch.Tensor, demand: torch.Tensor) -> torch.Tensor:
    """Of the forecasts that `given`, (batch, time), makes of `demand` an hour later: (batch, time - 1), in training units."""
    return (net(given[:, :-1, None]) - net.norm(demand[:, 1:, None])).squeeze(-1) ** 2


@torch.no_grad()
def rmse(net: ForecastNet, demand: torch.Tensor, first: int) -> float:
    """Over the forecasts of the hours from `first` on, in MWh, after one pass from the beginning of the series."""
    net.eval()
    return float(squared_error(net, demand[None], demand[None])[0, first - 1 :].mean().sqrt() * net.norm.scale)


def examples(training: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Random windows, each scaled and moved: with noise, as inputs, and without, as targets. (BATCH, WINDOW_HOURS + 1)."""
    start = torch.tensor(rng.integers(TRAINING_HOURS - WINDOW_HOURS, size=(BATCH, 1)))
    gain = torch.tensor(np.exp(rng.uniform(-LOG_GAIN, LOG_GAIN, (BATCH, 1))), dtype=torch.float32)
    offset = torch.tensor(rng.uniform(-OFFSET, OFFSET, (BATCH, 1)), dtype=torch.float32)
    mean, std = training.mean(), training.std()
    demand = mean + (training[start + torch.arange(WINDOW_HOURS + 1)] - mean) * gain + offset * std
    noise = torch.tensor(rng.normal(0, NOISE, demand.shape), dtype=torch.float32)
    return demand + noise * std, demand


def train(demand: torch.Tensor) -> ForecastNet:
    """`demand` holds the training and validation hours."""
    rng = np.random.default_rng(SEED)
    training = demand[:TRAINING_HOURS]
    net = ForecastNet(training.mean()[None], training.std()[None])
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    best, kept = float("inf"), net.state_dict()
    for iteration in range(1, ITERATIONS + 1):
        net.train()
        loss = squared_error(net, *examples(training, rng))[:, WARMUP_HOURS:].mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % CHECK_EVERY == 0:
            checked = rmse(net, demand, TRAINING_HOURS)
            print(f"{iteration:4d}  training RMSE {loss.item() ** 0.5 * net.norm.scale.item():.1f} MWh  validation RMSE {checked:.1f} MWh")
            if checked < best:
                best, kept = checked, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)
    return net


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began = time.perf_counter()
    demand = read()
    held_out = TRAINING_HOURS + VALIDATION_HOURS
    net = train(demand[:held_out])
    torch.save(net.in_units(), CHECKPOINT)
    print(f"{CHECKPOINT.name}: {CHECKPOINT.stat().st_size} bytes, {time.perf_counter() - began:.0f} s")
    persistence = float(demand[held_out - 1 :].diff().square().mean().sqrt())
    print(f"held-out hours: RMSE {rmse(net, demand, held_out):.1f} MWh; persistence {persistence:.1f} MWh")


if __name__ == "__main__":
    main()
