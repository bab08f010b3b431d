"""Train the chorale network: after every symbol of a chorale, the probabilities of the next one.

The chorales come from music21's corpus (`chorales.py`). A tenth of the tunes, drawn by a seed, is held back and never read here. Every
pass, each chorale is moved to another key in which its voices stay within their ranges. The number of iterations was settled beforehand.

    pip install --no-deps music21==10.5.1
    pip install torch          (any version from 2.4)
    python examples/chorales/train.py
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from chorales import RANGES, SEED, SYMBOLS, Chorale, check, folder, indices, parted, read
from torch import nn

HERE = Path(__file__).parent
CHECKPOINT, VOCABULARY = HERE / "data" / "chorales.pt", HERE / "data" / "vocabulary.json"

FEATURES, HIDDEN = 32, 152
ITERATIONS, BATCH, STEPS = 900, 32, 128  # and symbols between two updates
DROPOUT = 0.3
FARTHEST = 5  # semitones between a chorale's key and another
IGNORED = -100

State = tuple[torch.Tensor, torch.Tensor]  # h and c, (1, batch, HIDDEN)


class ChoraleNet(nn.Module):
    """(batch, time) indices -> (batch, time, symbols) scores of the symbol after each."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(SYMBOLS), FEATURES)
        self.lstm = nn.LSTM(FEATURES, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN, len(SYMBOLS))

    def forward(self, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        h, state = self.lstm(self.embedding(x), state)
        return self.fc(self.dropout(h)), state


def moved(chorale: Chorale, rng: np.random.Generator) -> Chorale:
    """In another key, if its voices allow."""
    struck = chorale > 0
    rise = int(rng.integers(-FARTHEST, FARTHEST + 1))
    inside = all(
        low <= column[sounds].min() + rise and column[sounds].max() + rise <= high
        for column, sounds, (low, high) in zip(chorale.T, struck.T, RANGES, strict=True)
    )
    return np.where(struck, chorale + rise, chorale) if inside else chorale


def batches(chorales: list[Chorale], rng: np.random.Generator) -> list[torch.Tensor]:
    """All chorales once, in keys drawn anew, those of like length together, with ends behind the shorter ones: (batch, time)."""
    every = sorted((torch.tensor(indices(moved(chorale, rng))) for chorale in chorales), key=lambda one: len(one) + rng.integers(40))
    starts = rng.permutation(range(0, len(every), BATCH)).tolist()
    return [nn.utils.rnn.pad_sequence(every[at : at + BATCH], batch_first=True) for at in starts]


def loss_of(net: ChoraleNet, part: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
    """Nats a symbol of (batch, 1 + time) chorales, of the ends behind one the first alone; and the state behind them."""
    scores, (h, c) = net(part[:, :-1], state)
    wanted = part[:, 1:].masked_fill((part[:, 1:] == 0) & (part[:, :-1] == 0), IGNORED)
    return nn.functional.cross_entropy(scores.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED), (h.detach(), c.detach())


def parts_of(chorales: list[Chorale], rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, bool]]:
    """Parts of batches, for ever; and whether a part is the first of its batch, where the state begins anew."""
    while True:
        for rows in batches(chorales, rng):
            for at in range(0, rows.shape[1] - STEPS // 2, STEPS):
                yield rows[:, at : at + STEPS + 1], at == 0


def train(chorales: list[Chorale]) -> ChoraleNet:
    net, rng = ChoraleNet(), np.random.default_rng(SEED)
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=ITERATIONS, pct_start=0.1)
    state: State | None = None
    for iteration, (part, first) in zip(range(1, ITERATIONS + 1), parts_of(chorales, rng), strict=False):
        loss, state = loss_of(net, part, None if first else state)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % 100 == 0:
            print(f"{iteration:5d}  training {loss.item():.3f} nats a symbol", flush=True)
    return net


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began = time.process_time()
    chorales = read(folder())
    check(chorales)
    training, _ = parted(chorales)
    net = train(training)
    torch.save({name: value.half() for name, value in net.state_dict().items()}, CHECKPOINT)
    VOCABULARY.write_text(json.dumps({"tokens": SYMBOLS, "between": " "}) + "\n")
    print(f"{CHECKPOINT.name}: {CHECKPOINT.stat().st_size} bytes, {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
