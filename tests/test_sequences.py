"""Whole recordings in batches: the answers of a stream that begins anew with each."""

import pickle

import numpy as np
import pytest
from conftest import lstm_model

import edgelstm as el
from edgelstm.adapters.sequences import ScoreSequences

MODEL = lstm_model(np.random.default_rng(1), 3, 20, 2)


def test_recordings_of_one_length_and_of_several(tmp_path):
    el.save(MODEL, tmp_path / "m.elstm")
    score = ScoreSequences(tmp_path / "m.elstm", samples="xs", answers="ys")
    rng = np.random.default_rng(2)
    recordings = [rng.uniform(-1, 1, (steps, 3)).astype(np.float32) for steps in (5, 9, 1)]
    truth = [el.Stream(MODEL).process(one) for one in recordings]
    ragged = np.empty(3, object)
    ragged[:] = recordings
    made = score({"xs": ragged, "id": np.arange(3)})
    assert list(made) == ["xs", "id", "ys"]
    assert [one.tobytes() for one in made["ys"]] == [one.tobytes() for one in truth]
    ragged[:] = [np.array([*one, None], object)[:-1] for one in recordings]  # rows of rows, as Arrow's nested lists come
    assert [one.tobytes() for one in score({"xs": ragged})["ys"]] == [one.tobytes() for one in truth]
    same = score({"xs": np.stack([recordings[1], recordings[1][::-1]])})["ys"]
    assert (same.shape, same[0].tobytes()) == ((2, 9, 2), truth[1].tobytes())
    with pytest.raises(el.InputError, match="no column xs; it has id"):
        score({"id": np.arange(3)})
    with pytest.raises(el.ModelFileError, match="holds another model"):
        ScoreSequences(tmp_path / "m.elstm", "0" * 64)
    assert pickle.loads(pickle.dumps(ScoreSequences)) is ScoreSequences
