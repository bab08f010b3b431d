"""Networks of PyTorch, one for each layer that may stand around a recurrent one: (1, time, 6) -> (1, answers, some)."""

import torch
from torch import nn
from torch.nn import functional


class Along(nn.Module):
    """A recurrent layer behind layers that read (1, channels, time)."""

    def __init__(self, *layers, width=6):
        super().__init__()
        self.layers, self.rnn = nn.Sequential(*layers), nn.GRU(width, 4, batch_first=True)

    def forward(self, x):
        return self.rnn(self.layers(x.transpose(1, 2)).transpose(1, 2))[0]


class Causal(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def forward(self, x):
        return functional.pad(x, (self.rows, 0))


class Behind(nn.Module):
    """Layers that read (1, time, width), behind a recurrent one."""

    def __init__(self, *layers):
        super().__init__()
        self.rnn, self.layers = nn.LSTM(6, 8, batch_first=True), nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(self.rnn(x)[0])


class Function(nn.Module):
    """A function of the rows behind a recurrent layer; what it needs of layers beside."""

    def __init__(self, function, **layers):
        super().__init__()
        self.rnn, self.function = nn.LSTM(6, 8, batch_first=True), function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, self.rnn(x)[0])


class Frames(nn.Module):
    """A two-dimensional convolution of each timestep's map."""

    def __init__(self):
        super().__init__()
        self.conv, self.rnn = nn.Conv2d(1, 3, (2, 2), padding=(0, 1)), nn.LSTM(12, 4, batch_first=True)

    def forward(self, x):
        y = functional.relu(self.conv(x.reshape(-1, 1, 2, 3)))
        return self.rnn(y.reshape(1, -1, 12))[0]


class Spectrogram(nn.Module):
    """Time and frequency together, causal along time."""

    def __init__(self):
        super().__init__()
        self.conv, self.rnn = nn.Conv2d(1, 3, (2, 3), padding=(0, 1)), nn.LSTM(18, 4, batch_first=True)

    def forward(self, x):
        y = self.conv(functional.pad(x[:, None], (0, 0, 1, 0)))  # (1, 3, time, 6)
        return self.rnn(y.transpose(1, 2).flatten(2))[0]


class Transform(nn.Module):
    """A Fourier transform as a convolution over samples, its magnitude, bands and their logarithm."""

    def __init__(self, *, bands=True):
        super().__init__()
        angles = 2 * torch.pi / 16 * torch.outer(torch.arange(9.0), torch.arange(16.0))
        self.register_buffer("basis", (torch.hann_window(16) * torch.cat([angles.cos(), -angles.sin()]))[:, None])
        self.register_buffer("mel", torch.rand(5, 9))
        self.bands, self.rnn = bands, nn.GRU(5 if bands else 9, 4, batch_first=True)

    def forward(self, x):
        y = functional.conv1d(x.transpose(1, 2)[:, :1], self.basis, stride=4)  # (1, 18, frames)
        y = (y[:, :9] ** 2 + y[:, 9:] ** 2).sqrt().transpose(1, 2)
        if self.bands:
            y = (functional.linear(y, self.mel) + 1e-3).log()
        return self.rnn(y)[0]


class Bank(nn.Module):
    """Windows of even sizes with half of them as padding on both sides, which give a row too many, that is cut off."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(3, 4, size, padding=size // 2) for size in (1, 2, 3, 4))
        self.pool, self.gru = nn.MaxPool1d(2, 1, padding=1), nn.GRU(16, 2, batch_first=True)

    def forward(self, x):
        y = torch.cat([conv(x.transpose(1, 2))[:, :, : x.shape[1]] for conv in self.convs], 1)
        return self.gru(self.pool(y)[:, :, : x.shape[1]].transpose(1, 2))[0]


class Shorter(nn.Module):
    """The last row is read by nothing, and the last answer is left out."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(3, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        return self.fc(self.lstm(x[:, :-1])[0])[:, :-2]


class Neighbours(nn.Module):
    """Each channel and those beside it go through one GRU, as the bands of a spectrum do."""

    def __init__(self):
        super().__init__()
        self.gru, self.fc = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 1)

    def forward(self, x):
        batch, steps, bands = x.shape
        wide = nn.functional.pad(x.transpose(1, 2)[:, None], (0, 0, 1, 1), mode="reflect")
        cut = nn.functional.unfold(wide, (3, steps)).reshape(batch, 3, steps, bands)
        y = self.gru(cut.permute(0, 3, 2, 1).reshape(batch * bands, steps, 3))[0]
        return self.fc(y).reshape(batch, bands, steps).transpose(1, 2)


def rms(module, y):
    return y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-5) * module.norm.weight


def attention(module, y):
    scores = torch.softmax(module.key(y) @ module.query(y).transpose(1, 2), -1)
    return scores @ y


def additive(module, y):
    scores = module.score(torch.tanh(module.query(y)[:, :, None] + module.key(y)[:, None]))[..., 0]
    return torch.softmax(scores, -1) @ y


#: By name: makes the network.
NETWORKS = {
    "conv": lambda: Along(nn.Conv1d(6, 5, 3), width=5),
    "conv, dilated": lambda: Along(Causal(4), nn.Conv1d(6, 5, 3, dilation=2), nn.ReLU(), width=5),
    "conv, strided": lambda: Along(nn.Conv1d(6, 5, 4, stride=2), nn.ReLU(), width=5),
    "conv, grouped": lambda: Along(Causal(2), nn.Conv1d(6, 9, 3, groups=3), width=9),
    "conv, depthwise": lambda: Along(Causal(2), nn.Conv1d(6, 6, 3, groups=6), nn.Conv1d(6, 7, 1), width=7),
    "conv, same": lambda: Along(nn.Conv1d(6, 5, 3, padding="same"), width=5),
    "conv, transposed": lambda: Along(nn.ConvTranspose1d(6, 5, 3, padding=2), width=5),
    "max pool": lambda: Along(nn.MaxPool1d(2)),
    "average pool": lambda: Along(nn.AvgPool1d(3, 2)),
    "mean of all": lambda: Function(lambda module, y: module.fc(y.mean(1)), fc=nn.Linear(8, 3)),
    "largest of all": lambda: Function(lambda module, y: module.fc(y.amax(1)), fc=nn.Linear(8, 3)),
    "last": lambda: Function(lambda module, y: module.fc(y[:, -1]), fc=nn.Linear(8, 3)),
    "batch norm": lambda: Along(nn.Conv1d(6, 5, 1), nn.BatchNorm1d(5), nn.ReLU(), width=5),
    "layer norm": lambda: Behind(nn.LayerNorm(8), nn.Linear(8, 3)),
    "rms norm": lambda: Behind(nn.RMSNorm(8), nn.Linear(8, 3)),
    "rms norm, written out": lambda: Function(rms, norm=nn.RMSNorm(8)),
    "instant layer norm": lambda: Function(
        lambda module, y: module.fc((y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-7).sqrt()),
        fc=nn.Linear(8, 3),
    ),
    "product": lambda: Function(lambda module, y: y * torch.sigmoid(module.fc(y)), fc=nn.Linear(8, 8)),
    "beside each other": lambda: Function(lambda module, y: torch.cat([y, module.fc(y)], -1), fc=nn.Linear(8, 3)),
    "part": lambda: Function(lambda module, y: module.fc(y[..., 2:7]), fc=nn.Linear(5, 3)),
    "map, turned": lambda: Function(lambda module, y: module.fc(y.reshape(1, -1, 2, 4).transpose(2, 3).flatten(2)), fc=nn.Linear(8, 3)),
    "frames": Frames,
    "time and frequency": Spectrogram,
    "along features": lambda: Function(lambda module, y: module.conv(y.reshape(-1, 1, 8)).reshape(1, -1, 12), conv=nn.Conv1d(1, 2, 3)),
    "magnitude": lambda: Transform(bands=False),
    "log-mel": Transform,
    "window": lambda: Function(lambda module, y: module.fc(y.unfold(1, 3, 1).flatten(2)), fc=nn.Linear(24, 3)),
    "attention, dot product": lambda: Function(attention, key=nn.Linear(8, 4), query=nn.Linear(8, 4)),
    "attention, additive": lambda: Function(additive, key=nn.Linear(8, 4), query=nn.Linear(8, 4), score=nn.Linear(4, 1)),
}
