"""Train the network that says, after each trading day, how much the next one will move.

The days are cut by time: the first 5,185 returns train, the next 1,200 choose the weights, the last 1,597 are read once, at the end, to
report. The network answers with the logarithm of the next day's variance, and with how much likelier it is to rise than to fall.

    pip install torch          (any version from 2.4)
    python examples/stock/train.py
"""

import time

import numpy as np
import torch
from returns import CHOOSING, DATA, TRAINING, features, qlike, read
from torch import nn

import edgelstm as el

SEED = 7
HIDDEN = 12
ITERATIONS, BATCH, DAYS, WARMUP = 600, 32, 260, 20
DIRECTION = 0.1  # what the second answer's loss weighs
CHECK_EVERY = 20


class StockNet(nn.Module):
    """(batch, days, 2) returns in percent and their sizes -> (batch, days, 2) logarithm of the next day's variance, and its direction."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(2, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(HIDDEN, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.dropout(self.gru(x)[0]))


def loss_of(answers: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """QLIKE and cross entropy of the direction, each day: (batch, days)."""
    variance = answers[..., 0] + following**2 * torch.exp(-answers[..., 0])
    direction = nn.functional.binary_cross_entropy_with_logits(answers[..., 1], (following > 0).float(), reduction="none")
    return variance + DIRECTION * direction


def train(returns: np.ndarray) -> StockNet:
    rng = np.random.default_rng(SEED)
    xs, ys = torch.tensor(features(returns)), torch.tensor(returns, dtype=torch.float32)
    net = StockNet()
    with torch.no_grad():
        net.fc.bias[0] = float(np.log(np.mean(returns[:TRAINING] ** 2)))
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    best, kept = float("inf"), net.state_dict()
    for iteration in range(1, ITERATIONS + 1):
        net.train()
        days = torch.tensor(rng.integers(TRAINING - DAYS - 1, size=(BATCH, 1))) + torch.arange(DAYS)  # (batch, days)
        gain = torch.tensor(np.exp(rng.uniform(-0.4, 0.4, (BATCH, 1))), dtype=torch.float32)  # a calmer or a wilder stock
        loss = loss_of(net(xs[days] * gain[..., None]), ys[days + 1] * gain)[:, WARMUP:].mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % CHECK_EVERY == 0:
            net.eval()
            with torch.no_grad():
                checked = float(loss_of(net(xs[None, :-1]), ys[None, 1:])[0, TRAINING - 1 : TRAINING + CHOOSING - 1].mean())
            if checked < best:
                best, kept = checked, {name: value.clone() for name, value in net.state_dict().items()}
            print(f"{iteration:4d}  training {loss.item():.4f}  choosing {checked:.4f}", flush=True)
    net.load_state_dict(kept)
    return net


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began = time.process_time()
    returns = read()
    held_back = TRAINING + CHOOSING
    net = train(returns[:held_back]).eval()
    model = el.from_torch(net.state_dict(), "gru, fc")
    path = DATA / "stock.elstm"
    el.save(model, path)
    print(f"{path.name}: {path.stat().st_size} bytes, {time.process_time() - began:.0f} s")
    with torch.no_grad():
        answers = net(torch.tensor(features(returns))[None])[0, held_back - 1 : -1].double().numpy()
    print(f"held back: QLIKE {qlike(returns[held_back:], np.exp(answers[:, 0])):.3f}")


if __name__ == "__main__":
    main()
