"""The command line on checkpoints of PyTorch: every verb takes the same words, and none overwrites its source."""

import numpy as np
import pytest
from cli_calls import call, refused
from torch_nets import LIMIT, Net, Siblings, answers, saved

import edgelstm as el
from edgelstm import device

torch = pytest.importorskip("torch")
nn, prune = torch.nn, pytest.importorskip("torch.nn.utils.prune")
parametrizations = pytest.importorskip("torch.nn.utils.parametrizations")
utils = torch.nn.utils

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


VERBS = {
    "run": ["-i", "rows.csv"],
    "describe": [],
    "build": ["-o", "out.so"],
    "quantize": ["-d", "rows.csv", "-o", "out.elstm"],
    "bench": ["--rate", "900", "--steps", "20"],
    "convert": ["-o", "out.elstm"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_reads_a_checkpoint_with_the_same_words(verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = Siblings()
    torch.save({"model": net.state_dict(), "ema": Net().state_dict()}, "n.pt")
    rows = np.random.default_rng(2).normal(size=(300, 3)).astype(np.float32)
    (tmp_path / "rows.csv").write_text("\n".join(",".join(map(str, row)) for row in rows.tolist()) + "\n")
    several = refused(call(verb, "n.pt", *VERBS[verb]), 1)
    assert "--prefix" in several
    assert "prefix=" not in several
    chosen = ["--prefix", "model", "--without", "aux, conv, loss, heads"]
    if verb == "build":  # its own --prefix is of symbols
        assert 'edgelstm convert … --prefix "NAME"' in several
        chosen = ["--without", "ema, aux, conv, loss, heads"]
    result = call(verb, "n.pt", *VERBS[verb], *chosen, "--layers", "lstm, fc:tanh, softmax")
    assert result.exit_code == 0, result.stderr
    assert "Left out, as --without" in (result.stdout if verb == "convert" else result.stderr)
    if verb == "run":
        given = np.array([line.split(",") for line in result.stdout.splitlines()[-300:]], np.float32)
        expected = torch.softmax(torch.tanh(torch.from_numpy(answers(net, rows))), 1).numpy()
        np.testing.assert_allclose(given, expected, atol=LIMIT)


@pytest.mark.parametrize("link", ["spelling", "symbolic", "hard"])
@pytest.mark.parametrize("verb", ["convert", "build", "quantize"])
def test_no_verb_overwrites_its_source(verb, link, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(Net(), tmp_path / "n.pt")
    before = (tmp_path / "n.pt").read_bytes()
    (tmp_path / "rows.csv").write_text("1,2,3\n" * 50)
    target = {"spelling": tmp_path / ".." / tmp_path.name / "n.pt", "symbolic": tmp_path / "s.elstm", "hard": tmp_path / "h.elstm"}[link]
    if link == "symbolic":
        target.symlink_to(tmp_path / "n.pt")
    elif link == "hard":
        target.hardlink_to(tmp_path / "n.pt")
    data = ["-d", "rows.csv"] if verb == "quantize" else []
    assert "would overwrite" in refused(call(verb, "n.pt", *data, "-o", target), 2)
    assert (tmp_path / "n.pt").read_bytes() == before


@pytest.mark.parametrize("name", ["x.pt", "x.PTH", "x.safetensors", "x.tflite", "x.so"])
def test_a_model_file_is_not_written_under_the_name_of_another_format(name, tmp_path):
    source = saved(Net(), tmp_path / "n.pt")
    assert ".elstm" in refused(call("convert", source, "-o", tmp_path / name), 2)
    assert not (tmp_path / name).exists()


def test_doctor_proposes_no_command_that_overwrites_what_it_was_asked_about(tmp_path):
    source = saved(Net(), tmp_path / "n.pt")
    result = call("doctor", source)
    assert result.exit_code == 1
    assert "-o" not in result.output.split()
    with pytest.raises(el.LibraryError, match="edgelstm build") as caught:
        device.Stream(str(source))
    assert " -o" not in str(caught.value)
