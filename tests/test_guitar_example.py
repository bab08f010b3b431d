"""The pedal answers as its own runtime does, far nearer than any linear filter; the guitar has the pitches of its strings."""

import numpy as np
import pytest
from example_modules import EXAMPLES, script

import edgelstm as el
from edgelstm.gallery.result import read


@pytest.fixture(scope="module")
def run():
    return script("guitar")


def test_the_pedal_is_that_of_its_runtime(run):
    result = read(EXAMPLES / "guitar")
    decibels, largest = run.network()
    assert decibels < -100
    assert largest < 10
    filtered, curve, dry = run.others().values()
    assert decibels < filtered[0] - 60
    assert filtered[0] < curve[0] < dry[0]
    assert filtered[0] == pytest.approx(result.baseline[1], abs=0.05)


def test_steps_and_blocks_agree(run):
    stream, dry = el.Stream(run.load()), run.guitar.riff()[:2000]
    one_by_one = run.stepped(stream, dry)
    stream.reset()
    np.testing.assert_array_equal(stream.process(dry[:, None])[:, 0], one_by_one)
    assert (run.timed(stream, dry) > 0).all()


@pytest.mark.parametrize("hertz", [82.41, 146.83, 329.63])
def test_a_string_has_its_pitch(run, hertz):
    """To a third of a semitone: the delay is a whole number of samples."""
    rate = run.RATE
    sound = run.guitar.pluck(hertz, rate, np.random.default_rng(3))
    spectrum = np.abs(np.fft.rfft(sound[rate // 4 :] * np.hanning(rate - rate // 4), 4 * rate))
    window = slice(round(4 * hertz * 0.8), round(4 * hertz * 1.25))
    found = (window.start + spectrum[window].argmax()) / 4
    assert abs(12 * np.log2(found / hertz)) < 0.34
    assert np.square(sound[-rate // 8 :]).mean() < np.square(sound[: rate // 8]).mean()


def test_a_recording_is_played(run, tmp_path, monkeypatch, capsys):
    run.write(tmp_path / "mine.wav", run.guitar.riff()[:3000])
    monkeypatch.setattr("sys.argv", ["run.py", str(tmp_path / "mine.wav"), "-o", str(tmp_path)])
    run.main()
    told = capsys.readouterr().out
    assert "times real time" in told
    assert "of 3000 steps took longer" in told
    played = run.read(tmp_path / "guitar.wav")
    dry = run.read(tmp_path / "mine.wav")
    np.testing.assert_allclose(played, run.stepped(el.Stream(run.load()), dry), atol=1e-4)


def test_sound_files(run, tmp_path):
    samples = np.array([0, 0.5, -0.25, 2, -2], np.float32)
    run.write(tmp_path / "it.wav", samples)
    np.testing.assert_allclose(run.read(tmp_path / "it.wav"), samples.clip(-1, 1), atol=1e-4)


def test_what_is_no_sound_file_is_refused_in_one_line(run, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    run.write(tmp_path / "none.wav", np.zeros(0))
    for name, told in (("absent.wav", "is no WAV file: .*No such file"), ("text.wav", "is no WAV file"), ("none.wav", "samples in it")):
        with pytest.raises(SystemExit, match=told):
            run.read(tmp_path / name)


def test_errors_against_signals(run):
    right = np.array([1.0, -1, 1, -1])
    assert run.guitar.error_to_signal(right * 1.1, right) == pytest.approx(-20)
    np.testing.assert_allclose(run.guitar.best_filter(right, np.roll(right, 1) * [0, 3, 3, 3]), [0, 3, -3, 3], atol=1e-12)
    x = np.linspace(-1, 1, 50)
    np.testing.assert_allclose(run.guitar.best_curve(x, x**3 - x), x**3 - x, atol=1e-12)
