"""The film network is the one that was trained, and foresees frames better than the last frame does."""

import numpy as np
import pytest
from example_modules import EXAMPLES, modules_of, script

from edgelstm.gallery.result import read


@pytest.fixture(scope="module")
def run():
    return script("video")


def test_the_model_is_what_was_trained(run):
    """On frames of a size that no film has, by the float64 twin: the same weights for any."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from edgelstm import reference

    with modules_of("video"):
        import train
    net = train.VideoNet()
    net.load_state_dict({name: value.float() for name, value in load_file(run.WEIGHTS).items()})
    frames = np.random.default_rng(1).random((4, 9, 7)).astype(np.float32)
    with torch.no_grad():
        wanted = net(torch.tensor(frames)[:, None, None])[:, 0, 0].numpy()
    found = reference.run(run.load(9, 7), frames.reshape(4, -1))
    np.testing.assert_allclose(found.reshape(4, 9, 7), wanted, atol=1e-5)


@pytest.mark.slow
def test_it_reaches_its_figures(run):
    result = read(EXAMPLES / "video")
    film = run.held_out()
    assert film.shape == (24 + run.BEFORE, 36, 44)
    error = np.mean((film[run.BEFORE :] / 255 - film[run.BEFORE - 1 : -1] / 255) ** 2)
    last = run.others()["the last frame"]
    assert last[0] == pytest.approx(-10 * np.log10(error))
    assert last == pytest.approx(result.rows["the last frame"], abs=0.01)
    assert run.network() == pytest.approx(result.rows["the network"], abs=0.01)
    assert run.network()[0] > last[0]
