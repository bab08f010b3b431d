"""TorchScript that is refused: code that cannot be followed, and archives made to mislead, of which nothing is run."""

import io
import zipfile

import pytest
from test_torchscript import NETWORKS, Ends, saved

import edgelstm as el

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.filterwarnings("ignore")


class Outdated(nn.Module):
    """Reads a part of what it changed since."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        y = self.fc(x)
        row = y.view(-1)
        y.add_(1)
        return row.view(x.shape)


class Loops(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        for _ in range(x.shape[1]):
            x = self.fc(x)
        return x


class Chooses(Loops):
    def forward(self, x):
        return self.fc(x) if bool(x.sum() > 0) else x


class TakesNumber(Loops):
    def forward(self, x, rate: int):
        return self.fc(x) * rate


class Behind(nn.Module):
    """What follows an LSTM of sequences (batch, time, features); of two axes it would be computed of features in place of steps."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 5, batch_first=True)
        self.fc = nn.Linear(5, 2)

    def scores(self, x):
        return self.fc(self.lstm(x)[0])


class Sums(Behind):
    def forward(self, x):
        return torch.cumsum(self.scores(x), 1)


class Weighs(Behind):
    def forward(self, x):
        return torch.softmax(self.scores(x), 1)


class Alone(Behind):
    def forward(self, x):
        return torch.cumsum(self.scores(x[None])[0], 1)


def test_code_of_three_axes_is_not_read_as_code_of_two(tmp_path):
    """Where the author writes batch_first, samples have a batch; code that adds one itself takes two axes."""
    for make, message in ((Sums, "sums all earlier steps"), (Weighs, "softmax over the steps")):
        with pytest.raises(el.UnsupportedModelError, match=message):
            el.load(saved(make(), None, "script", tmp_path / "n.pt"))
    net, x = Alone().eval(), torch.randn(7, 3)
    model = el.load(saved(net, None, "script", tmp_path / "n.pt"))
    with torch.no_grad():
        assert abs(el.Stream(model).process(x.numpy()) - net(x).numpy()).max() <= 1e-5


@pytest.mark.parametrize(
    ("make", "message"), [(Loops, "loops"), (Outdated, "changed"), (Chooses, "no operator|choice"), (TakesNumber, "'rate' of type int")]
)
def test_code_that_cannot_be_followed_is_refused(make, message, tmp_path):
    with pytest.raises(el.UnsupportedModelError, match=message):
        el.load(saved(make(), None, "script", tmp_path / "n.pt"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = saved(Ends(), NETWORKS["ends"][1], "trace", tmp_path_factory.mktemp("sound") / "n.pt")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(entries, path, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    return path


HEAD = "class Ends(Module):\n  def forward(self,\n    x: Tensor) -> Tensor:\n"


@pytest.mark.parametrize(
    "body",
    [
        "    __import__('os').system('true')\n    return x\n",
        "    return eval('x')\n",
        "    return self.__class__\n",
        "    return (self).forward(x, )\n",
        "    return ops.prim.RaiseException(x)\n",
        "    return torch.load('/etc/passwd')\n",
        "    return torch.zeros([1073741824, 1073741824])\n",
        "    while True:\n      pass\n",
        "    return lambda: x\n",
        "    return [y for y in x]\n",
        "    return CONSTANTS.c99\n",
        "    return CONSTANTS.cx\n",
        "    return x[3]\n",
        "    return self.rnn.weight_ih_l0[0]\n",
        "    a, b = x\n    return a\n",
        "    return " + "-" * 5000 + "1\n",
        "    return\n",
        "    return 'text'\n",
        "    return torch.linear(x, x, x, x, x)\n",
        "    return torch.lstm(x, x, x, x, x, x, x, x, x)\n",
        "    return torch.mul(x)\n",
        "    return torch.permute(x, [7, 8, 9])\n",
        "    return torch.select(x, 9, 0)\n",
        "    return undefined\n",
        "".join(f"    y{n + 1} = torch.cat([y{n}, y{n}], -1)\n" for n in range(40)).replace("y0", "x") + "    return y40\n",
        "".join(f"    y{n + 1} = torch.add(y{n}, x)\n" for n in range(5000)).replace("y0", "x") + "    return y5000\n",
        "    y = x\n" * 30_000,
        "return\n\x00",
        "    return (self.rnn).forward(x.y.z, )\n",
    ],
)
def test_code_made_to_mislead_is_refused_and_never_run(sound, body, tmp_path):
    (name,) = (name for name in sound if name.endswith(".py") and b"class Ends" in sound[name])
    path = rewritten({**sound, name: (HEAD + body).encode()}, tmp_path / "n.pt")
    with pytest.raises(el.EdgeLSTMError) as caught:
        el.load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_archives_made_to_mislead_are_refused(sound, tmp_path):
    (pickle,) = (name for name in sound if name.endswith("/data.pkl"))
    root = pickle.removesuffix("data.pkl")
    for entries in (
        {**sound, pickle: b"\x80\x02cos\nsystem\n(X\x04\0\0\0truetR."},
        {**sound, pickle: b"\x80\x02c__torch__\nNet\n)\x81}bK\1b."},
        {**sound, pickle: b"\x80\x02N."},
        {**sound, f"{root}code/big.py": b"x = 1\n" * 1_000_000},
        {**sound, f"other/{pickle}": sound[pickle]},
        {name: data for name, data in sound.items() if "/data/0" not in name},
        {name: data for name, data in sound.items() if not name.endswith(".py")},
    ):
        with pytest.raises(el.EdgeLSTMError):
            el.load(rewritten(entries, tmp_path / "n.pt"))
    with pytest.raises(el.ModelFileError, match="compressed"):
        el.load(rewritten(sound, tmp_path / "c.pt", zipfile.ZIP_DEFLATED))
