"""Train two vowel networks: which of nine men is speaking, answered at every frame while he says "ae", or once he has said it.

The streaming one's answer that counts is the one at the last frame; its loss counts every frame, later ones more. Its twin reads an
utterance in both directions, and answers with the mean of what it says at all frames. A fifth of the training utterances is set aside to
choose the weights; the held-out utterances are read once, at the end, to report.

    pip install torch          (any version from 2.4)
    python examples/vowels/train.py
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
#: Checkpoints of the streaming network and of its twin, by whether they read in both directions.
CHECKPOINTS = {False: HERE / "data" / "vowels.pt", True: HERE / "data" / "both_ways.pt"}
SPEAKERS = 9

SEED = 7
HIDDEN = 40
ITERATIONS = 300
BATCH = 54
NOISE = 0.3  # of each channel's standard deviation, new at every frame
OFFSET = 0.3  # the same, one for a whole utterance: another day, another microphone
DROPOUT = 0.3
CHECK_EVERY = 20


@dataclass(frozen=True)
class Utterances:
    frames: torch.Tensor  # (utterances, longest, 12), zero after the end
    lengths: torch.Tensor  # (utterances,)
    speakers: torch.Tensor  # (utterances,)

    def part(self, index: np.ndarray) -> "Utterances":
        return Utterances(self.frames[index], self.lengths[index], self.speakers[index])

    @property
    def spoken(self) -> torch.Tensor:
        """Where there is a frame: (utterances, longest) bool."""
        return torch.arange(self.frames.shape[1]) < self.lengths[:, None]


class Normalizer(nn.Module):
    """Coefficients to numbers of order one, stored with the weights."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)  # (12,)
        self.register_buffer("scale", scale)  # (12,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


class VowelNet(nn.Module):
    """(batch, time, 12) coefficients -> (batch, time, 9) logits: one answer a frame."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor, both_ways: bool) -> None:
        super().__init__()
        self.norm = Normalizer(mean, scale)
        self.lstm = nn.LSTM(mean.numel(), HIDDEN, batch_first=True, bidirectional=both_ways)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN * (1 + both_ways), SPEAKERS)

    @property
    def both_ways(self) -> bool:
        return self.lstm.bidirectional

    def forward(self, utterances: "Utterances") -> torch.Tensor:
        frames = self.norm(utterances.frames)
        if not self.both_ways:
            return self.fc(self.dropout(self.lstm(frames)[0]))
        packed = nn.utils.rnn.pack_padded_sequence(frames, utterances.lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=frames.shape[1])
        return self.fc(self.dropout(hidden))

    def answer(self, utterances: "Utterances") -> torch.Tensor:
        """Probabilities (batch, 9) once an utterance has ended."""
        said = self(utterances).softmax(-1)
        if not self.both_ways:
            return said[torch.arange(len(said)), utterances.lengths - 1]
        return (said * utterances.spoken[..., None]).sum(1) / utterances.lengths[:, None]


def read(part: str) -> Utterances:
    with np.load(HERE / "data" / "vowels.npz") as file:
        frames = torch.tensor(file[f"{part}_millionths"] / 1e6, dtype=torch.float32)
        lengths = torch.tensor(file[f"{part}_lengths"], dtype=torch.int64)
        speakers = torch.tensor(file[f"{part}_speakers"], dtype=torch.int64)
    return Utterances(nn.utils.rnn.pad_sequence(frames.split(lengths.tolist()), batch_first=True), lengths, speakers)


def loss_of(net: VowelNet, batch: Utterances) -> torch.Tensor:
    """Cross entropy over the frames of each utterance, weighted from 0 before it to 1 at its end; of the twin all frames alike."""
    logits = net(batch)
    speakers = batch.speakers[:, None].expand(logits.shape[:2])
    losses = nn.functional.cross_entropy(logits.flatten(0, 1), speakers.flatten(), reduction="none").view(speakers.shape)
    rising = torch.arange(1, logits.shape[1] + 1) / batch.lengths[:, None]
    weights = torch.where(batch.spoken, 1.0 if net.both_ways else rising, 0.0)
    return (losses * weights).sum() / weights.sum()


@torch.no_grad()
def evaluate(net: VowelNet, utterances: Utterances) -> tuple[float, float]:
    """Loss, and the share of utterances right."""
    net.eval()
    return loss_of(net, utterances).item(), (net.answer(utterances).argmax(-1) == utterances.speakers).float().mean().item()


def examples(utterances: Utterances, rng: np.random.Generator) -> Utterances:
    """A random batch, each utterance moved and made noisier."""
    batch = utterances.part(rng.choice(len(utterances.lengths), BATCH, replace=False))
    scale = utterances.frames[utterances.spoken].std(0)  # (12,)
    noise = rng.normal(0, NOISE, batch.frames.shape) + rng.normal(0, OFFSET, (BATCH, 1, len(scale)))
    return Utterances(batch.frames + torch.tensor(noise, dtype=torch.float32) * scale, batch.lengths, batch.speakers)


def train(training: Utterances, validation: Utterances, both_ways: bool) -> VowelNet:
    rng = np.random.default_rng(SEED)
    frames = training.frames[training.spoken]  # (frames, 12)
    net = VowelNet(frames.mean(0), frames.std(0), both_ways)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    best, kept = float("inf"), net.state_dict()
    for iteration in range(1, ITERATIONS + 1):
        net.train()
        loss = loss_of(net, examples(training, rng))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % CHECK_EVERY == 0:
            checked, right = evaluate(net, validation)
            print(f"{iteration:4d}  loss {loss.item():.3f}  validation loss {checked:.3f}  utterances right {right:.1%}")
            if checked < best:
                best, kept = checked, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)
    return net


def main() -> None:
    torch.set_num_threads(1)
    recordings = read("training")
    chosen = np.arange(len(recordings.lengths)) % 30 >= 24  # the last six of each speaker's thirty
    for both_ways, checkpoint in CHECKPOINTS.items():
        torch.manual_seed(SEED)
        began = time.perf_counter()
        net = train(recordings.part(~chosen), recordings.part(chosen), both_ways)
        torch.save(net.state_dict(), checkpoint)
        _, right = evaluate(net, read("held_out"))
        print(f"{checkpoint.name}: {checkpoint.stat().st_size} bytes, {time.perf_counter() - began:.0f} s")
        print(f"held-out utterances: {right:.1%} right at the end")


if __name__ == "__main__":
    main()
