"""Train the network that finds faults of pumps: at every sample, how likely it is that the pump has one now.

It learns from pumps of another seed than `fleet.py` generates. Each example is a window of four days; the loss leaves out the first half
day, in which the state finds its way. What is printed at the end is of pumps that were never trained on.

    pip install torch          (any version from 2.4; about four minutes of one core)
    python examples/fleet/train.py
"""

import time
from pathlib import Path

import numpy as np
import torch
from pumps import DAY, FEATURES, log
from torch import nn

import edgelstm as el

TARGET = Path(__file__).parent / "data" / "pump.elstm"
SEED, TRAINED_ON = 7, 1  # of this training; of the pumps
PUMPS, VALIDATION, DAYS = 160, 40, 56
HIDDEN = 32
ITERATIONS, BATCH, WINDOW, WARMUP = 8000, 32, 4 * DAY, DAY // 2
CHECK_EVERY = 500


class Normalizer(nn.Module):
    """Values of sensors to numbers of order one, stored with the weights."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)  # (6,)
        self.register_buffer("scale", scale)  # (6,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


class PumpNet(nn.Module):
    """(batch, time, 6) samples -> (batch, time) logits."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.norm = Normalizer(mean, scale)
        self.lstm = nn.LSTM(len(FEATURES), HIDDEN, batch_first=True)
        self.fc = nn.Linear(HIDDEN, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.lstm(self.norm(x))[0])[..., 0]


def pumps(first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples (count, time, 6) and whether there is a fault (count, time)."""
    logs = [log(pump, DAYS, seed=TRAINED_ON, faults=1.0) for pump in range(first, first + count)]
    return torch.from_numpy(np.stack([one.samples for one in logs])), torch.from_numpy(np.stack([one.fault != "" for one in logs])).float()


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    dice = np.random.default_rng(SEED)
    samples, faults = pumps(0, PUMPS)
    held_samples, held_faults = pumps(PUMPS, VALIDATION)
    network = PumpNet(samples.mean((0, 1)), samples.std((0, 1)))
    optimizer = torch.optim.Adam(network.parameters(), 6e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=ITERATIONS)
    loss_of, begin = nn.BCEWithLogitsLoss(), time.process_time()
    for iteration in range(1, ITERATIONS + 1):
        rows, starts = dice.integers(0, PUMPS, BATCH), dice.integers(0, DAYS * DAY - WINDOW, BATCH)
        x = torch.stack([samples[row, start : start + WINDOW] for row, start in zip(rows, starts, strict=True)])
        y = torch.stack([faults[row, start : start + WINDOW] for row, start in zip(rows, starts, strict=True)])
        loss = loss_of(network(x)[:, WARMUP:], y[:, WARMUP:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % CHECK_EVERY == 0:
            with torch.inference_mode():
                found = network(held_samples)[:, DAY:] > 0
                true = held_faults[:, DAY:] > 0
                hits = int((found & true).sum())
            precision, recall = hits / max(int(found.sum()), 1), hits / int(true.sum())
            spent = time.process_time() - begin
            print(f"{iteration:5d}  {spent:4.0f} s  loss {loss.item():.4f}  precision {precision:.3f}  recall {recall:.3f}", flush=True)
    model = el.from_torch(network.state_dict(), layers="norm:normalizer, lstm, fc:sigmoid")
    TARGET.parent.mkdir(exist_ok=True)
    el.save(el.Model(model.layers, labels=("fault",), input_names=FEATURES, rate_hz=1 / 600), TARGET)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
