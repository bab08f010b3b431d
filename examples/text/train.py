"""Train the text network: after every character of a fortune, the probabilities of the next one.

The fortunes come from Debian's packages (`fortunes.py`). They are put into an order drawn by a seed; the last twentieth is held out, and is
read once, at the end, to report. The number of iterations was settled beforehand: nothing is chosen by the held-out fortunes.

    apt-get install fortunes fortunes-min
    pip install torch          (any version from 2.4)
    python examples/text/train.py [/usr/share/games/fortunes]
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from fortunes import FOLDER, SEED, parted, read
from torch import nn

HERE = Path(__file__).parent
CHECKPOINT, VOCABULARY = HERE / "data" / "text.pt", HERE / "data" / "vocabulary.json"

State = tuple[torch.Tensor, torch.Tensor]  # h and c, (1, batch, HIDDEN)

#: The token that stands between two fortunes.
END = "<end>"

FEATURES, HIDDEN = 32, 160
ITERATIONS = 4200
STREAMS, STEPS = 64, 96  # texts read side by side, and characters between two updates
DROPOUT = 0.1


def indices(texts: list[str], vocabulary: list[str]) -> torch.Tensor:
    """Texts one behind the other, each between two ends: (characters,)."""
    index = {token: k for k, token in enumerate(vocabulary)}
    return torch.tensor([0] + [k for text in texts for k in (*(index[c] for c in text), 0)])


class TextNet(nn.Module):
    """(batch, time) indices -> (batch, time, vocabulary) scores of the character after each."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, FEATURES)
        self.lstm = nn.LSTM(FEATURES, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN, size)

    def forward(self, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        h, state = self.lstm(self.embedding(x), state)
        return self.fc(self.dropout(h)), state


def loss_of(net: TextNet, text: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
    """Nats a character of (batch, 1 + time) texts, each character from those before it; and the state behind them."""
    scores, state = net(text[:, :-1], state)
    return nn.functional.cross_entropy(scores.flatten(0, 1), text[:, 1:].flatten()), tuple(part.detach() for part in state)


@torch.no_grad()
def bits(net: TextNet, text: torch.Tensor) -> float:
    """Bits a character over a text (characters,) read from its beginning."""
    net.eval()
    state, total = None, 0.0
    for start in range(0, len(text) - 1, 4096):
        part = text[None, start : start + 4097]
        loss, state = loss_of(net, part, state)
        total += float(loss) * (part.shape[1] - 1)
    return total / (len(text) - 1) / float(np.log(2))


def train(text: torch.Tensor, size: int) -> TextNet:
    """`text` holds the training fortunes."""
    net = TextNet(size)
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=ITERATIONS, pct_start=0.05)
    length = (len(text) - 1) // STREAMS
    starts = torch.arange(STREAMS) * length
    state, at = None, 0
    for iteration in range(1, ITERATIONS + 1):
        if at + STEPS > length:
            state, at = None, 0
        loss, state = loss_of(net, text[starts[:, None] + at + torch.arange(STEPS + 1)], state)
        at += STEPS
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % 200 == 0:
            print(f"{iteration:5d}  training {loss.item() / np.log(2):.3f} bits a character", flush=True)
    return net


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began = time.perf_counter()
    texts = read(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    training, held_out = parted(texts)
    vocabulary = [END, *sorted(set("".join(texts)))]
    net = train(indices(training, vocabulary), len(vocabulary))
    net = net.half().float()  # what the file holds
    torch.save({name: value.half() for name, value in net.state_dict().items()}, CHECKPOINT)
    VOCABULARY.write_text(json.dumps({"tokens": vocabulary, "between": ""}) + "\n")
    print(f"{CHECKPOINT.name}: {CHECKPOINT.stat().st_size} bytes, {time.perf_counter() - began:.0f} s")
    print(f"held-out fortunes: {bits(net, indices(held_out, vocabulary)):.3f} bits a character")


if __name__ == "__main__":
    main()
