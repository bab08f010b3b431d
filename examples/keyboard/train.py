"""Train the keyboard's network: after every word of a sentence, the probabilities of the next one.

The words come from Debian's fortunes (`words.py`), the text example's held-back twentieth apart, which is never read here. A twentieth of
the rest is set aside to tell how well settings do. Half of what the network is asked for is the word that came, the other half what a
3-gram model of the same words would say there (`counted.py`): so it learns what is likely, beside what happened once.

    apt-get install fortunes fortunes-min
    pip install torch safetensors          (any version of torch from 2.4)
    python examples/keyboard/train.py [--go-on]

It trains in two cycles, of which the second begins with the file that the first wrote; with ``--go-on`` the second runs alone.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import torch
import words
from counted import LeftOut
from safetensors.torch import load_file, save_file
from torch import nn

HERE = Path(__file__).parent
WEIGHTS = HERE / "data" / "keyboard.safetensors"

SEED = 3
FEATURES, HIDDEN = 84, 160  # of a word, of h behind its projection; of the cell
STREAMS, STEPS = 32, 32  # texts read side by side, and words between two updates
COUNTED = 0.5  # of what is asked for, what the 3-gram model says
NEVER_OFFERED = 0.25  # of the ends and unknown words, how many are asked for


class Cycle(NamedTuple):
    """One cycle of the learning rate, and what is hidden meanwhile.

    Dropout is of features of words read, of h and of what is offered, the same ones over the words between two updates; `swapped` is the
    share of words read in whose place stands another.
    """

    epochs: int
    rate: float
    rising: float
    dropout: tuple[float, float, float]
    swapped: float


CYCLES = (Cycle(8, 5e-3, 0.1, (0.1, 0.08, 0.15), 0.05), Cycle(10, 3e-3, 0.05, (0.05, 0.05, 0.1), 0.03))

State = tuple[torch.Tensor, torch.Tensor]  # h (batch, FEATURES) and c (batch, HIDDEN)


class KeyboardNet(nn.Module):
    """(batch, time) indices -> (batch, time, FEATURES) after each; `scores` gives those of the next word.

    An LSTM whose input gate is what the forget gate leaves (CIFG), with a projection; one matrix for words read and words offered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dropout = (0.0, 0.0, 0.0)
        self.words = nn.Parameter(torch.randn(words.KNOWN, FEATURES) * 0.1)
        self.offset = nn.Parameter(torch.zeros(words.KNOWN))
        bound = HIDDEN**-0.5
        self.weight_ih = nn.Parameter(torch.empty(3 * HIDDEN, FEATURES).uniform_(-bound, bound))  # f g o
        self.weight_hh = nn.Parameter(torch.empty(3 * HIDDEN, FEATURES).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.cat([torch.ones(HIDDEN), torch.zeros(2 * HIDDEN)]))
        self.weight_hr = nn.Parameter(torch.empty(FEATURES, HIDDEN).uniform_(-bound, bound))

    def forward(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        h, c = state
        read, (kept_in, kept_h, kept_out) = self.words[x], self.kept(len(x))
        outputs = []
        for z_x in ((read * kept_in) @ self.weight_ih.T + self.bias).unbind(1):
            f, g, o = (z_x + (h * kept_h) @ self.weight_hh.T).chunk(3, 1)
            f = torch.sigmoid(f)
            c = f * c + (1 - f) * torch.tanh(g)
            h = (torch.sigmoid(o) * torch.tanh(c)) @ self.weight_hr.T
            outputs.append(h)
        return torch.stack(outputs, 1) * kept_out, (h, c)

    def scores(self, h: torch.Tensor) -> torch.Tensor:
        """(..., FEATURES) -> (..., KNOWN)."""
        return h @ self.words.T + self.offset

    def kept(self, batch: int) -> tuple[torch.Tensor, ...]:
        """What dropout multiplies features by (Gal and Ghahramani 2016): of words read, of h, of what is offered."""
        dropout = self.dropout if self.training else (0.0, 0.0, 0.0)
        shapes = (batch, 1, FEATURES), (batch, FEATURES), (batch, 1, FEATURES)
        return tuple(torch.empty(shape).bernoulli_(1 - p) / (1 - p) for p, shape in zip(dropout, shapes, strict=True))


def initial(count: int) -> State:
    return torch.zeros(count, FEATURES), torch.zeros(count, HIDDEN)


def swapped(text: torch.Tensor, often: torch.Tensor, share: float) -> torch.Tensor:
    """With some words replaced by others, drawn as often as they are met (Xie et al. 2017)."""
    others = torch.rand(text.shape) < share
    return torch.where(others, torch.multinomial(often, text.numel(), replacement=True).view(text.shape), text)


@torch.no_grad()
def checked(net: KeyboardNet, text: torch.Tensor) -> tuple[float, float]:
    """Nats a known word of a text, and the percentage of its words that are among the three likeliest."""
    net.eval()
    scores, right = net.scores(net(text[None, :-1], initial(1))[0][0]), text[1:]
    scores[:, :2] = -torch.inf  # neither an end nor an unknown word is offered
    loss = nn.functional.cross_entropy(scores[right > 1], right[right > 1]).item()
    among = ((scores.topk(3, 1)[1] == right[:, None]) & (right[:, None] > 1)).any(1)
    return loss, 100 * among[right != 0].float().mean().item()


def cost(net: KeyboardNet, h: torch.Tensor, places: torch.Tensor, counts: LeftOut) -> torch.Tensor:
    """Of what h (words, FEATURES) offers as the words at some places of the text."""
    right = torch.from_numpy(counts.text)[places]
    asked = (right > 1) | (torch.rand(right.shape) < NEVER_OFFERED)
    wanted = torch.from_numpy(counts.probabilities(places[asked].numpy())) * COUNTED
    wanted[torch.arange(len(wanted)), right[asked]] += 1 - COUNTED
    return nn.functional.cross_entropy(net.scores(h[asked]), wanted)


def train(net: KeyboardNet, cycle: Cycle, text: torch.Tensor, choosing: torch.Tensor) -> None:
    net.dropout = cycle.dropout
    counts, often = LeftOut(text.numpy(), words.KNOWN), torch.bincount(text, minlength=words.KNOWN).float()
    length = len(text) // STREAMS
    updates = (length - 1) // STEPS
    optimizer = torch.optim.AdamW(net.parameters(), lr=cycle.rate, weight_decay=0.02, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, cycle.rate, total_steps=cycle.epochs * updates, pct_start=cycle.rising)
    for epoch in range(1, cycle.epochs + 1):
        net.train()
        places = torch.arange(len(text)).roll(int(torch.randint(len(text), ())))[: STREAMS * length].reshape(STREAMS, length)
        state, total = initial(STREAMS), 0.0
        for at in range(updates):
            part = places[:, at * STEPS : (at + 1) * STEPS + 1]
            given, (h, c) = net(swapped(text[part[:, :-1]], often, cycle.swapped), state)
            state = h.detach(), c.detach()
            loss = cost(net, given.flatten(0, 1), part[:, 1:].flatten(), counts)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            schedule.step()
            total += loss.item()
        loss, among = checked(net, choosing)
        print(f"{epoch:3d}  training {total / updates:.3f}  set aside {loss:.3f} nats a word, {among:.1f} % among three", flush=True)


def held(net: KeyboardNet) -> dict[str, torch.Tensor]:
    """What the file holds: matrices in int8, with a scale for each row, and the rest in float32."""
    arrays = {}
    for name, value in net.state_dict().items():
        arrays[name] = value
        if value.dim() == 2:
            arrays[f"{name}.scale"] = value.abs().amax(1) / 127
            arrays[name] = (value / arrays[f"{name}.scale"][:, None]).round().to(torch.int8)
    return arrays


def as_held(net: KeyboardNet, arrays: dict[str, torch.Tensor]) -> None:
    """Give a network the weights that `held` keeps."""
    scales = {name: arrays.get(f"{name}.scale") for name in net.state_dict()}
    net.load_state_dict({name: arrays[name] if scale is None else arrays[name] * scale[:, None] for name, scale in scales.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--go-on", action="store_true", help="the second cycle alone, from the file")
    go_on = parser.parse_args().go_on
    torch.set_num_threads(1)
    began = time.process_time()
    texts = words.read()
    vocabulary = words.vocabulary_of(texts.training)
    text, choosing = (torch.tensor(words.indices(part, vocabulary)) for part in (texts.training, texts.choosing))
    torch.manual_seed(SEED)
    net = KeyboardNet()
    for number, cycle in list(enumerate(CYCLES))[go_on:]:
        if number > 0:
            torch.manual_seed(SEED + number)
            as_held(net, load_file(WEIGHTS))
        train(net, cycle, text, choosing)
        save_file(held(net), WEIGHTS)
    words.VOCABULARY.write_text(json.dumps({"tokens": vocabulary, "between": " "}) + "\n")
    print(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size} bytes, {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
