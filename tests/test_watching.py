"""A folder of models that is watched while a stream runs: proved, compiled, shadowed, taken over, taken back."""

import json
import select
import time
from dataclasses import replace

import numpy as np
import pytest
from cli_calls import ROWS, call, launch, line_of, refused, scaled

import edgelstm as el
from edgelstm.cli import watching
from edgelstm.cli.watching import Asked
from edgelstm.files import elstm
from edgelstm.runners import Samples


class Run:
    """A stream over the first model of a folder, its folder watched, ten samples at a time."""

    def __init__(self, folder):
        self.said = []
        asked = Asked(str(folder), shadow=15, keep_state=False)
        stream = el.Stream(el.load(folder / "1.elstm"))
        self.watching = asked.over(stream, None, folder / "1.elstm", self.said.append)

    def until(self, true):
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline, self.said
            self.watching._due = 0.0
            for block in self.watching.between([Samples(ROWS[:10], range(10))]):
                self.watching.succession.process(block.values)
            time.sleep(0.01)

    @property
    def number(self):
        return self.watching.succession.number


@pytest.mark.slow
def test_models_on_the_shelf_follow_one_another(tmp_path):
    el.save(scaled(1), tmp_path / "1.elstm")
    run = Run(tmp_path)
    assert run.number == 1
    data = (tmp_path / "1.elstm").read_bytes()
    (tmp_path / "2.elstm").write_bytes(data[: len(data) // 2])  # still being copied
    run.until(lambda: run.said)
    assert run.said[-1].startswith("model 2 is not taken: ")
    el.save(scaled(2), tmp_path / "two.elstm")
    (tmp_path / "two.elstm").replace(tmp_path / "2.elstm")
    run.until(lambda: run.number == 2)
    assert run.watching.succession.stream.digest == el.Stream(scaled(2)).digest
    el.save(replace(scaled(3), labels=("a", "b")), tmp_path / "3.elstm")
    run.until(lambda: len(run.said) > 2)
    assert run.said[-1] == "model 3 is not taken: its labels is another. Model 2 goes on."
    (tmp_path / "2.elstm").unlink()
    run.until(lambda: run.number == 1)
    assert run.said[-1].startswith(f"model 2 is taken back: it was taken out of {tmp_path}. Model 1")
    assert run.watching.counts() == {"swaps": 1, "swaps_refused": 2}


def test_what_cannot_be_watched(tmp_path):
    stream = el.Stream(scaled(1))
    assert Asked(None, 1, False).over(stream, None, tmp_path / "m", print) is None
    with pytest.raises(el.UsageError, match="is no folder"):
        Asked(str(tmp_path / "none"), 1, False).over(stream, None, tmp_path / "m", print)


def test_digest_and_probe_are_checked(tmp_path):
    """Of four models, one with a bit that fell over, and one that answers otherwise than it says; the highest of the others is taken."""
    for number in (1, 2, 3):
        el.save(scaled(number), tmp_path / f"{number}.elstm")
    data = bytearray((tmp_path / "3.elstm").read_bytes())
    data[-4] ^= 1
    (tmp_path / "3.elstm").write_bytes(data)
    probe = el.load(tmp_path / "2.elstm").probe
    said = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(elstm, "_replay", lambda model: None)
        el.save(replace(scaled(4), probe=probe), tmp_path / "4.elstm")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(watching, "say", lambda sentence, level: said.append(sentence))
        assert Asked(str(tmp_path), 1, False).first(tmp_path / "1.elstm") == tmp_path / "2.elstm"
    assert [sentence[:20] for sentence in said] == ["model 4 is not taken", "model 3 is not taken"]
    assert "probe" in said[0]
    assert "digest" in said[1] or "damaged" in said[1]


def test_a_run_begins_with_the_newest_model_that_is_sound(tmp_path):
    for number in (1, 2):
        el.save(scaled(number), tmp_path / f"{number}.elstm")
    (tmp_path / "3.elstm").write_bytes(b"half")
    lines = "ax,ay,az\n" + "".join(",".join(map(repr, row)) + "\n" for row in ROWS.tolist())
    result = call("run", tmp_path / "1.elstm", "--watch", tmp_path, "--state", f"{tmp_path}/s/", given=lines)
    assert result.exit_code == 0, result.output
    written = np.array([line.split(",") for line in result.stdout.splitlines()[1:]], np.float32)
    assert np.array_equal(written, el.Stream(scaled(2)).process(ROWS))
    assert "model 3 is not taken" in result.stderr
    refused(call("run", tmp_path / "1.elstm", "--watch", tmp_path / "none", given=lines), 2)


@pytest.mark.slow
def test_a_running_process_takes_up_a_new_model(tmp_path):
    el.save(scaled(1), tmp_path / "1.elstm")
    told = ("--watch", tmp_path, "--shadow", 4, "--metrics", tmp_path / "m.jsonl", "--metrics-every", 0)
    answers, sent = [], []
    with launch("run", tmp_path / "1.elstm", *told) as process:
        said, swapped, deadline = "", 0, time.monotonic() + 300
        while not said or len(sent) < swapped + 10:
            row = ROWS[len(sent) % len(ROWS)]
            process.stdin.write((",".join(map(repr, row.tolist())) + "\n").encode())
            sent.append(row)
            for _ in range(1 if answers else 2):
                line = line_of(process).decode()
            answers.append(line)
            if len(sent) == 1:
                el.save(scaled(2), tmp_path / "2.elstm")
            if not said and select.select([process.stderr], [], [], 0.05)[0]:
                said, swapped = process.stderr.readline().decode(), len(sent)
            assert time.monotonic() < deadline
        process.stdin.close()
        process.wait(60)
    assert process.returncode == 0
    assert said == "edgelstm: model 2 answers from now on, with the recent samples read.\n"
    written = np.array([line.split(",") for line in answers], np.float32)
    assert np.array_equal(written[:swapped], el.Stream(scaled(1)).process(np.array(sent))[:swapped])
    digests = [json.loads(line)["digest"] for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert digests[0] == el.Stream(scaled(1)).digest
    assert digests[-1] == el.Stream(scaled(2)).digest
    assert len(sent) > swapped
    follower = el.Stream(scaled(2))
    followed = follower.process(np.array(sent))  # the recent samples are all there were
    assert np.array_equal(written[swapped:], followed[swapped:])


def test_a_run_that_is_started_again_goes_on_with_the_model_whose_state_was_kept(tmp_path):
    """A newer model came while the run was away: it does not take up the state of the old one, and does not stand in its way."""
    lines = "who,t,ax,ay,az\n" + "".join(f"{'ab'[i % 2]},{i // 2},{','.join(map(repr, row))}\n" for i, row in enumerate(ROWS.tolist()))
    head, *rows = lines.splitlines(keepends=True)
    el.save(scaled(1), tmp_path / "1.elstm")
    for kind, told in (
        ("one", ()),
        ("timed", ("--time", "t", "--period", "0.5")),
        ("keyed", ("--key", "who", "--time", "t", "--period", "1")),
    ):
        command = ("run", tmp_path / "1.elstm", "--watch", tmp_path, "--state", f"{tmp_path}/{kind}/", *told)
        (tmp_path / "2.elstm").unlink(missing_ok=True)
        first = call(*command, given=head + "".join(rows[:20]))
        el.save(scaled(2), tmp_path / "2.elstm")
        second = call(*command, given=head + "".join(rows[20:]))
        assert (first.exit_code, second.exit_code) == (0, 0), second.output
        whole = call("run", tmp_path / "1.elstm", *told, given=lines).stdout.splitlines()
        assert first.stdout.splitlines() + second.stdout.splitlines()[1:] == whole
    (tmp_path / "1.elstm").rename(tmp_path / "elsewhere.elstm")
    again = call("run", tmp_path / "elsewhere.elstm", *command[2:], given=head + "".join(rows[20:]))
    assert again.exit_code == 0
    (tmp_path / "elsewhere.elstm").unlink()
    assert "another model" in refused(call("run", tmp_path / "2.elstm", *command[2:], given=lines), 1)
