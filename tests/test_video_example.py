"""The film network is the one that was trained, and foresees frames better than the last frame does."""

import numpy as np
import pytest
from example_modules import EXAMPLES, modules_of, script

from edgelstm.gallery.result import read


@pytest.fixture(scope="module")
def run():
    return script("video")


def test_the_model_is_what_was_trained(run):
    """Both, on frames of a size that no film has, by the float64 twin: the same weights for any."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from edgelstm import reference

    with modules_of("video"):
        import train
    frames = np.random.default_rng(1).random((4, 9, 7)).astype(np.float32)
    for name in run.NETWORKS.values():
        net = train.VideoNet()
        net.load_state_dict({key: value.float() for key, value in load_file(run.DATA / f"{name}.safetensors").items()})
        with torch.no_grad():
            wanted = net(torch.tensor(frames)[:, None, None])[:, 0, 0].numpy()
        found = reference.run(run.load(name, 9, 7), frames.reshape(4, -1))
        np.testing.assert_allclose(found.reshape(4, 9, 7), wanted, atol=1e-5)


def test_what_chooses_is_not_held_back(run):
    with modules_of("video"):
        import frames
    film = np.arange(100)[:, None, None].astype(np.uint8)
    training, held_back = frames.parted(film)
    learned, choosing = frames.chosen_by(training)
    assert [len(part) for part in (learned, choosing, training, held_back)] == [60, 20 + run.BEFORE, 80, 20 + run.BEFORE]
    assert choosing[run.BEFORE, 0, 0] == 60
    assert choosing.max() < held_back[run.BEFORE, 0, 0] == 80


@pytest.mark.slow
def test_it_reaches_its_figures(run):
    result = read(EXAMPLES / "video")
    for place, (name, size) in enumerate({"carphone": (24, 36, 44), "bikes": (50, 68, 160)}.items()):
        film = run.held_out(name)
        assert film.shape == (size[0] + run.BEFORE, *size[1:])
        error = np.mean((film[run.BEFORE :] / 255 - film[run.BEFORE - 1 : -1] / 255) ** 2)
        last, found = run.others()["the last frame"][place], run.network()[place]
        assert last == pytest.approx(-10 * np.log10(error))
        assert last == pytest.approx(result.rows["the last frame"][place], abs=0.01)
        assert found == pytest.approx(result.rows["the network"][place], abs=0.01)
        assert found > last


def test_a_line_through_blurred_frames_is_fitted_to_what_it_was_given(rng):
    """Least squares: on the frames that it was fitted to it errs no more than the last frame does; of a still film all are one."""
    with modules_of("video"):
        import blurred
        import frames
    film = rng.integers(0, 256, (30, 12, 10)).astype(np.uint8)
    said = blurred.forecasts(film, film)
    wanted, copied = film[frames.BEFORE :] / 255, film[frames.BEFORE - 1 : -1] / 255
    assert ((said - wanted) ** 2).mean() < 0.7 * ((copied - wanted) ** 2).mean()  # of white noise a blur halves the error
    still = np.repeat(film[:1], 20, axis=0)
    assert np.ptp(blurred.forecasts(film, still), axis=0).max() < 1e-12
    np.testing.assert_allclose(blurred.blurred(np.full((1, 9, 9), 0.3), 2.0), 0.3)
