"""`verify`: a model's answers beside those of another framework; what is wrong is found, placed, and exits with 1."""

import json
import re
import shlex

import numpy as np
import pytest
from cli_calls import LABELS, ROWS, call, make_model, refused
from conftest import lstm_model

import edgelstm as el

OFF = np.float32(0.25)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("verify") / "model.elstm"
    el.save(model, file)
    return file


@pytest.fixture(scope="module")
def answers(model):
    return el.Stream(model).process(ROWS)


@pytest.fixture
def folder(tmp_path, answers):
    """The same recording and answers in every form."""
    np.savetxt(tmp_path / "rec.csv", ROWS, fmt="%.9g", delimiter=",", header="ax,ay,az", comments="")
    np.savetxt(tmp_path / "bare.csv", answers, fmt="%.9g", delimiter=",")
    np.savetxt(tmp_path / "answers.csv", answers[:, ::-1], fmt="%.9g", delimiter=",", header="walk,rest", comments="")
    np.save(tmp_path / "answers.npy", answers)
    np.save(tmp_path / "rec.npy", ROWS)
    np.savez(tmp_path / "windows.npz", windows=ROWS.reshape(4, 10, 3))
    (tmp_path / "rec.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS.tolist()))
    return tmp_path


def by_window(model, steps=10):
    stream = el.Stream(model)
    found = []
    for window in ROWS.reshape(-1, steps, 3):
        stream.reset()
        found.append(stream.process(window))
    return np.array(found)  # (windows, steps, 2)


@pytest.mark.parametrize("data", ["rec.csv", "rec.npy", "rec.jsonl"])
@pytest.mark.parametrize("expect", ["answers.npy", "answers.csv", "bare.csv"])
def test_right_answers_pass_in_every_form(folder, path, data, expect):
    result = call("verify", path, "--data", folder / data, "--expect", folder / expect)
    assert result.exit_code == 0, result.output
    assert "40 answers compared" in result.stdout
    assert all(label in result.stdout for label in LABELS)


def test_a_wrong_answer_is_placed(folder, path, answers):
    wrong = answers.copy()
    wrong[17, 1] += OFF
    wrong[30, 1] -= 2 * OFF
    np.save(folder / "wrong.npy", wrong)
    result = call("verify", path, "-d", folder / "rec.csv", "-e", folder / "wrong.npy", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["passed"], told["steps"], told["recordings"]) == (False, 40, 1)
    assert told["error"] == pytest.approx(0.5, abs=1e-6)
    assert (told["worst"]["step"], told["worst"]["label"], told["worst"]["output"]) == (30, "walk", 1)
    assert told["first_beyond"]["step"] == 17
    rest, walk = told["outputs"]
    assert (rest["error"], rest["first_beyond"]) == (0, None)
    assert walk["got"] - walk["expected"] == pytest.approx(0.5, abs=1e-6)
    printed = call("verify", path, "-d", folder / "rec.csv", "-e", folder / "wrong.npy")
    assert printed.exit_code == 1
    assert "first beyond it: step 17" in printed.stdout
    assert call("verify", path, "-d", folder / "rec.csv", "-e", folder / "wrong.npy", "--tolerance", "0.6").exit_code == 0


def test_a_tolerance_grows_with_large_answers():
    model = el.Model([el.Dense([[1000.0]], [0.0])])
    assert el.verify(model, [[1.0]], [[1000.05]]).passed
    assert not el.verify(model, [[1.0]], [[1000.2]]).passed
    assert not el.verify(model, [[0.0]], [[0.0002]]).passed
    with pytest.raises(el.UsageError, match="positive"):
        el.verify(model, [[1.0]], [[1000.0]], tolerance=0)


@pytest.mark.parametrize("last", [False, True])
def test_windows_begin_from_the_initial_state(folder, path, model, last):
    right = by_window(model)
    right = right[:, -1] if last else right
    np.save(folder / "by_window.npy", right)
    result = call("verify", path, "-d", folder / "windows.npz", "-e", folder / "by_window.npy", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["recordings"], told["steps"]) == (4, 4 if last else 40)
    wrong = right.copy()
    wrong[2, ..., 0] += OFF
    np.save(folder / "wrong.npy", wrong)
    told = json.loads(call("verify", path, "-d", folder / "windows.npz", "-e", folder / "wrong.npy", "--json").stdout)
    assert (told["first_beyond"]["recording"], told["first_beyond"]["step"]) == (2, 9 if last else 0)
    assert told["first_beyond"]["name"].endswith("windows.npz, window 2")


def test_several_files_are_several_recordings(folder, path, model):
    parts = [ROWS[:25], ROWS[25:]]
    for index, rows in enumerate(parts):
        np.savetxt(folder / f"{index}.csv", rows, fmt="%.9g", delimiter=",")
        np.save(folder / f"{index}.npy", el.Stream(model).process(rows))
    given = [word for i in (0, 1) for word in ("-d", folder / f"{i}.csv", "-e", folder / f"{i}.npy")]
    assert call("verify", path, *given).exit_code == 0
    given[3] = folder / "answers.npy"
    assert "answers of recording 0" in refused(call("verify", path, *given), 1)
    last = np.array([np.load(folder / f"{i}.npy")[-1] for i in (0, 1)])
    np.save(folder / "last.npy", last)
    assert call("verify", path, "-d", folder / "0.csv", "-d", folder / "1.csv", "-e", folder / "last.npy").exit_code == 0
    three = ["-d", folder / "0.csv", "-e", folder / "0.npy", "-e", folder / "1.npy"]
    assert "--expect gives 2 arrays for 1 recordings" in refused(call("verify", path, *three), 2)


def test_answers_of_several_recordings_may_stand_below_each_other(folder, path, model):
    """As a CSV must have them."""
    right = by_window(model).reshape(40, 2)
    np.savetxt(folder / "below.csv", right, fmt="%.9g", delimiter=",")
    assert call("verify", path, "-d", folder / "windows.npz", "-e", folder / "below.csv").exit_code == 0
    right[25] += OFF
    found = el.verify(model, [ROWS[:10], ROWS[10:20], ROWS[20:]], right)
    assert (found.first_beyond.recording, found.steps) == (2, 40)
    one = el.Model([*model.layers, el.Dense([[1.0, 2.0]])])
    stream = el.Stream(one)
    assert el.verify(one, [ROWS], stream.process(ROWS).ravel()).passed
    windows = ROWS.reshape(4, 10, 3)
    ours = []
    for window in windows:
        stream.reset()
        ours.append(stream.process(window))
    assert el.verify(one, windows, np.concatenate(ours).ravel()).steps == 40


def test_of_many_outputs_the_worst_are_printed(rng, tmp_path):
    model = lstm_model(rng, inputs=3, outputs=60)
    el.save(model, tmp_path / "m.elstm")
    ys = el.Stream(model).process(ROWS)
    ys[3, 41] += 1
    np.save(tmp_path / "rec.npy", ROWS)
    np.save(tmp_path / "ys.npy", ys)
    result = call("verify", tmp_path / "m.elstm", "-d", tmp_path / "rec.npy", "-e", tmp_path / "ys.npy")
    assert "y41" in result.stdout
    assert result.stdout.count("\n") < 40
    assert (
        len(
            json.loads(call("verify", tmp_path / "m.elstm", "-d", tmp_path / "rec.npy", "-e", tmp_path / "ys.npy", "--json").stdout)[
                "outputs"
            ]
        )
        == 60
    )


@pytest.mark.parametrize("shape", [(40, 1), (40,), (1, 40, 1), (1, 40)])
def test_one_input_and_one_output_in_any_shape(rng, shape):
    model = lstm_model(rng, inputs=1, outputs=1)
    xs = rng.normal(size=40)
    ys = el.Stream(model).process(xs)
    for given in (xs, xs[:, None], xs[None, :, None], xs[None]):
        assert el.verify(model, given, ys.reshape(shape)).steps == 40
        assert not el.verify(model, given, ys.reshape(shape) + OFF).passed


def test_where_only_last_answers_are_compared_nothing_is_said_to_be_right_at_first(rng, tmp_path):
    model = lstm_model(rng, inputs=2, outputs=3)
    el.save(model, tmp_path / "m.elstm")
    xs = rng.normal(size=(3, 20, 2)).astype(np.float32)
    ys = np.array([el.Stream(model).process(x) for x in xs])
    np.save(tmp_path / "xs.npy", xs)
    for wrong, begins in ((ys[:, -1] + OFF, True), (ys + OFF * (np.arange(20) > 4)[:, None], False)):
        assert el.verify(model, xs, wrong).begins_wrong is begins
        np.save(tmp_path / "ys.npy", wrong)
        said = call("verify", tmp_path / "m.elstm", "-d", tmp_path / "xs.npy", "-e", tmp_path / "ys.npy").output
        assert ("Wrong from the first answer on" in said, "Right at first" in said) == (begins, not begins)
    assert not el.verify(model, xs, ys).begins_wrong


def test_a_forgotten_activation_is_found_and_named(rng):
    right = lstm_model(rng, inputs=2, outputs=3)
    xs = rng.normal(size=(20, 2))
    ys = el.Stream(right).process(xs).astype(np.float64)
    soft = np.exp(ys) / np.exp(ys).sum(axis=1, keepdims=True)
    found = el.verify(right, xs, soft)
    assert not found.passed
    assert "end its chain in :softmax" in found.hint
    behind = el.Model([*right.layers, el.Softmax()])
    assert el.verify(behind, xs, soft).passed
    assert "leave :softmax out" in el.verify(behind, xs, ys).hint
    assert "end its chain in :tanh" in el.verify(right, xs, np.tanh(ys)).hint
    assert "end its chain in :log_softmax" in el.verify(right, xs, ys - np.log(np.exp(ys).sum(axis=1, keepdims=True))).hint
    hidden, head = right.layers
    relu = el.Model([hidden, el.Activation("tanh"), el.Dense(head.weight, head.bias)])
    assert el.verify(right, xs, el.Stream(relu).process(xs)).hint == ""


def test_a_carried_state_is_found_and_named(model, answers):
    found = el.verify(model, ROWS.reshape(4, 10, 3), answers.reshape(4, 10, 2))
    assert (found.first_beyond.recording, found.first_beyond.step) == (1, 0)
    assert "carry the state" in found.hint
    with pytest.raises(el.UsageError):
        el.verify(model, ROWS, answers, tolerance=float("nan"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda a: a[:39], "must have shape (40, 2)"),
        (lambda a: a.T, "Transpose them"),
        (lambda a: np.full_like(a, np.nan), "give finite answers"),
        (lambda a: a.astype("U"), "numbers"),
        (lambda a: a[:, :1], "must have shape (40, 2)"),
        (lambda a: a[:0], "must have shape (40, 2)"),
    ],
)
def test_answers_that_do_not_fit_are_refused(folder, path, model, answers, wrong, said):
    with pytest.raises(el.InputError, match=re.escape(said)):
        el.verify(model, ROWS, wrong(answers))
    np.save(folder / "odd.npy", wrong(answers))
    assert said in refused(call("verify", path, "-d", folder / "rec.csv", "-e", folder / "odd.npy"), 1)


@pytest.mark.parametrize("samples", [np.zeros((0, 3)), np.zeros((3, 0, 3)), [], np.zeros((4, 2)), 5.0, "text", [[1, 2, 3], [1, 2]]])
def test_samples_that_do_not_fit_are_refused(model, answers, samples):
    with pytest.raises(el.InputError):
        el.verify(model, samples, answers)


def test_a_bad_sample_names_recording_and_channel(model):
    xs = ROWS.reshape(4, 10, 3).copy()
    xs[2, 5, 1] = np.nan
    with pytest.raises(el.InputError, match=r"recording 2: channel 1 \(ay\) of sample 5"):
        el.verify(model, xs, by_window(model))


def test_files_that_are_damaged_are_refused(folder, path):
    whole = (folder / "answers.npy").read_bytes()
    random = np.random.default_rng(0)
    for cut in (7, 30, 100, len(whole) - 1):
        (folder / "bad.npy").write_bytes(whole[:cut])
        assert "bad.npy" in refused(call("verify", path, "-d", folder / "rec.csv", "-e", folder / "bad.npy"), 1)
    (folder / "bad.npy").write_bytes(whole.replace(b"(40, 2)", b"(9, 9e9"))
    refused(call("verify", path, "-d", folder / "rec.csv", "-e", folder / "bad.npy"), 1)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[random.integers(6, 128)] = random.integers(256)
        (folder / "bad.npy").write_bytes(damaged)
        result = call("verify", path, "-d", folder / "rec.csv", "-e", folder / "bad.npy")
        assert result.exit_code in (0, 1), damaged[:128]
        assert isinstance(result.exception, SystemExit | None)
    np.save(folder / "object.npy", np.array([{}], object), allow_pickle=True)
    assert "object.npy" in refused(call("verify", path, "-d", folder / "rec.csv", "-e", folder / "object.npy"), 1)
    assert "none.npy" in refused(call("verify", path, "-d", folder / "rec.csv", "-e", folder / "none.npy"), 1)


def test_a_built_library_is_verified(folder, model):
    el.build(model, "host").write(folder / "model.so")
    assert call("verify", folder / "model.so", "-d", folder / "rec.csv", "-e", folder / "answers.csv").exit_code == 0
    np.save(folder / "wrong.npy", np.load(folder / "answers.npy") + OFF)
    assert call("verify", folder / "model.so", "-d", folder / "rec.csv", "-e", folder / "wrong.npy").exit_code == 1


def help_lines(framework):
    """The lines of a framework that `edgelstm verify --help` shows."""
    text = call("verify", "--help").stdout
    return "\n".join(line.strip(" ") if not line.startswith("        ") else "    " + line.strip() for line in _block(text, framework))


def _block(text, framework):
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if framework in line)
    start = next(i for i in range(start, len(lines)) if not lines[i])
    end = next(i for i in range(start + 1, len(lines)) if not lines[i])
    return lines[start + 1 : end]


def test_the_lines_of_pytorch(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.fc = torch.nn.LSTM(3, 4, batch_first=True), torch.nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(torch.relu(self.lstm(x)[0]))

    monkeypatch.chdir(tmp_path)
    network = Network()
    samples = np.random.default_rng(0).normal(size=(5, 20, 3)).astype(np.float32)
    exec(help_lines("PyTorch"), {"torch": torch, "np": np, "network": network, "samples": samples})
    torch.save(network.state_dict(), "n.pt")
    command = "convert n.pt -o n.elstm --layers 'lstm:relu, fc'"
    assert call(*shlex.split(command)).exit_code == 0
    right = call("verify", "n.elstm", "--data", "samples.npz", "--expect", "answers.npy")
    assert right.exit_code == 0, right.output
    assert call(*shlex.split(command.replace(":relu", ""))).exit_code == 0
    assert call("verify", "n.elstm", "--data", "samples.npz", "--expect", "answers.npy").exit_code == 1
    assert call("verify", "n.pt", "--data", "samples.npz", "--expect", "answers.npy").exit_code == 1


def test_the_lines_of_keras(tmp_path, monkeypatch, model, path):
    class Network:
        def predict(self, samples):
            return by_window(model)

    monkeypatch.chdir(tmp_path)
    exec(help_lines("Keras"), {"np": np, "network": Network(), "samples": ROWS.reshape(4, 10, 3)})
    assert call("verify", path, "--data", "samples.npz", "--expect", "answers.npy").exit_code == 0
