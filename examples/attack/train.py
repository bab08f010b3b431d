"""Train the network that reads a name character by character: at each, how likely it is that malware made the name.

Honest names are the half that `domains.py` gives to training, and names of Debian's packages; made ones come from the algorithms with seeds
drawn anew, never those whose names are held back. The last tenth of the honest names, and as many made ones, choose the weights.

    pip install torch          (any version from 2.4)
    python examples/attack/train.py
"""

import time

import domains
import numpy as np
import torch
from torch import nn

import edgelstm as el
from edgelstm.gallery.naive import average_precision

SEED = 5
FEATURES, HIDDEN, DROPOUT = 16, 48, 0.3
ITERATIONS, BATCH = 1500, 64
PACKAGES = 0.3  # of the honest names of a batch
CHECK_EVERY = 100


class NameNet(nn.Module):
    """(batch, time) characters -> (batch, time) logits: whether malware made the name, by what is read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(domains.CHARACTERS), FEATURES)
        self.lstm = nn.LSTM(FEATURES, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.dropout(self.lstm(self.embedding(x))[0]))[..., 0]

    def model(self) -> el.Model:
        arrays = {name: value.detach().numpy() for name, value in self.state_dict().items()}
        return el.Model(el.from_torch(arrays, "embedding, lstm, fc:sigmoid").layers, source="examples/attack/train.py")


def batch(names: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Characters with zeros behind the end, (names, longest), and lengths."""
    rows = [torch.tensor(domains.indices(name)) for name in names]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows])


def loss_of(net: NameNet, names: list[str], wanted: torch.Tensor) -> torch.Tensor:
    """Cross entropy over characters, weighted from 0 before a name to 1 at its end."""
    xs, lengths = batch(names)
    logits = net(xs)
    losses = nn.functional.binary_cross_entropy_with_logits(logits, wanted[:, None].expand(logits.shape), reduction="none")
    passed = torch.arange(1, xs.shape[1] + 1) / lengths[:, None]
    weights = torch.where(passed <= 1, passed, 0.0)
    return (losses * weights).sum() / weights.sum()


@torch.no_grad()
def checked(net: NameNet, names: list[str], wanted: torch.Tensor) -> tuple[float, float]:
    """Loss, and average precision at the ends."""
    net.eval()
    xs, lengths = batch(names)
    scores = net(xs)[torch.arange(len(names)), lengths - 1]
    return float(loss_of(net, names, wanted)), average_precision(wanted.bool().numpy(), scores.numpy())


def train(honest: list[str], packages: list[str], choosing: list[str], rng: np.random.Generator) -> NameNet:
    net = NameNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=6e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=ITERATIONS, pct_start=0.1)
    wanted = torch.tensor([0.0, 1.0]).repeat_interleave(BATCH // 2)
    asked, asked_wanted = (
        [*choosing, *(domains.drawn(honest, rng) for _ in choosing)],
        torch.tensor([0.0, 1.0]).repeat_interleave(len(choosing)),
    )
    best, kept = float("inf"), net.state_dict()
    for iteration in range(1, ITERATIONS + 1):
        net.train()
        sources = (packages if rng.random() < PACKAGES else honest for _ in range(BATCH // 2))
        names = [str(rng.choice(source)) for source in sources] + [domains.drawn(honest, rng) for _ in range(BATCH // 2)]
        loss = loss_of(net, names, wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % CHECK_EVERY == 0:
            of_loss, precision = checked(net, asked, asked_wanted)
            print(f"{iteration:5d}  training {loss.item():.3f}  choosing {of_loss:.3f}, average precision {precision:.3f}", flush=True)
            if of_loss < best:
                best, kept = of_loss, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)
    return net.eval()


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began, (honest, _) = time.process_time(), domains.read_honest()
    cut = len(honest) * 9 // 10
    net = train(honest[:cut], domains.PACKAGES.read_text(encoding="utf-8").split(), honest[cut:], np.random.default_rng(SEED))
    el.save(net.model(), domains.STEPPING)
    print(f"{domains.STEPPING.name}: {domains.STEPPING.stat().st_size} bytes, {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
