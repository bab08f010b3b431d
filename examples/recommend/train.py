"""Train the recommender: after every film that someone rated, the probabilities of the next one.

The last film of everyone is held back and never read here. The number of epochs was settled beforehand.

    pip install --no-deps recbole==1.2.1
    pip install torch safetensors          (any version of torch from 2.4)
    python examples/recommend/train.py
"""

import itertools
import time
from pathlib import Path

import numpy as np
import ratings
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
WEIGHTS = HERE / "data" / "recommend.safetensors"

SEED = 4
HIDDEN = 64  # numbers of a film, and units
EPOCHS, BATCH, STEPS = 24, 32, 100  # and the most films of one history that are read at a time
DROPOUT = 0.4
IGNORED = -100


class RecommendNet(nn.Module):
    """(batch, time) films -> (batch, time, films) scores of the film after each; one matrix for films read and films offered."""

    def __init__(self, films: int) -> None:
        super().__init__()
        self.films = nn.Parameter(torch.randn(films, HIDDEN) * 0.1)
        self.offset = nn.Parameter(torch.zeros(films))
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        read = nn.functional.dropout(self.films[x], DROPOUT, self.training)
        h, _ = self.gru(read)
        return nn.functional.dropout(h, DROPOUT, self.training) @ self.films.T + self.offset


def pieces(histories: list[NDArray[np.int64]], rng: np.random.Generator) -> list[torch.Tensor]:
    """Every history once, behind the beginning, cut at random places into pieces."""
    found = []
    for history in histories:
        whole = torch.tensor([0, *history.tolist()])
        first = int(rng.integers(1, STEPS + 1)) if len(whole) > STEPS else len(whole)
        edges = [0, *range(first, len(whole), STEPS), len(whole)]
        found += [whole[max(0, a - 1) : b] for a, b in itertools.pairwise(edges) if b - max(0, a - 1) > 1]
    return found


def batches(histories: list[NDArray[np.int64]], rng: np.random.Generator) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(batch, time) films and those after each; pieces of like length together."""
    cut = sorted(pieces(histories, rng), key=len)
    found = []
    for at in rng.permutation(range(0, len(cut), BATCH)).tolist():
        group = cut[at : at + BATCH]
        x = nn.utils.rnn.pad_sequence([piece[:-1] for piece in group], batch_first=True)
        wanted = nn.utils.rnn.pad_sequence([piece[1:] for piece in group], batch_first=True, padding_value=IGNORED)
        found.append((x, wanted))
    return found


def train(histories: list[NDArray[np.int64]], films: int) -> RecommendNet:
    net, rng = RecommendNet(films), np.random.default_rng(SEED)
    steps = EPOCHS * (len(batches(histories, rng)) + 8)  # about as many, whatever the cuts
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps, pct_start=0.1)
    for epoch in range(1, EPOCHS + 1):
        total, parts = 0.0, batches(histories, rng)
        for x, wanted in parts:
            loss = nn.functional.cross_entropy(net(x).flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            if schedule.last_epoch < steps - 1:
                schedule.step()
            total += loss.item()
        print(f"{epoch:3d}  training {total / len(parts):.3f} nats a film", flush=True)
    return net


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began = time.process_time()
    given = ratings.read()
    ratings.check(given)
    histories = [history[:-1] for history in given.histories().values()]
    net = train(histories, len(given.titles))
    save_file({name: value.half().contiguous() for name, value in net.state_dict().items()}, WEIGHTS)
    print(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size} bytes, {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
