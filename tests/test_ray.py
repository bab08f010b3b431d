"""Keyed streams on Ray's actors, which are killed, and recordings in Ray Data: the bits of one process."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model

import edgelstm as el
from edgelstm.adapters.ray import RayStreams, ScoreSequences

ROOT = Path(__file__).parents[1]
MODEL = lstm_model(np.random.default_rng(1), 3, 20, 2)
KEYS = [f"pump-{k}" for k in range(13)]
XS = np.random.default_rng(2).uniform(-1, 1, (60, len(KEYS), 3)).astype(np.float32)

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def ray(tmp_path_factory):
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    module = pytest.importorskip("ray")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    module.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    yield module
    module.shutdown()


@pytest.fixture
def model(tmp_path):
    el.save(MODEL, tmp_path / "m.elstm")
    return tmp_path / "m.elstm"


def _process(ray, actor):
    """The number of the process that an actor runs in now."""
    return ray.get(actor.facts.options(max_task_retries=-1).remote())[1]


def _another(ray, actor, before):
    """The number of the process that has taken the place of one that was killed."""
    end = time.monotonic() + 300
    while (found := _process(ray, actor)) == before:
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


@pytest.mark.filterwarnings("ignore")
def test_actors_that_are_killed_come_back_as_they_were(ray, model, tmp_path):
    truth = np.stack([el.Stream(MODEL).process(XS[:, k]) for k in range(len(KEYS))], axis=1)  # (time, keys, outputs)
    streams = RayStreams(model, tmp_path / "store", shards=2, every=100, resources={"num_cpus": 0.5})
    dice = np.random.default_rng(3)
    kills = set(dice.choice(np.arange(1, 50), 20, replace=False).tolist())
    processes = [{_process(ray, actor)} for actor in streams._actors]
    for t in range(50):
        if t in kills:
            shard = int(dice.integers(2))
            actor = streams._actors[shard]
            before = _process(ray, actor)
            if t % 2:
                ray.kill(actor, no_restart=False)
            else:
                os.kill(before, signal.SIGKILL)
            if t % 3 == 0:
                _another(ray, actor, before)  # before anybody has asked for a step
        np.testing.assert_array_equal(streams.step_many(KEYS, np.full(len(KEYS), t), XS[t]), truth[t])
        assert streams.fresh.all()
        if t in kills:
            processes[shard].add(_another(ray, actor, before))  # Ray kills when it comes to it: the step may have come first
    assert sum(map(len, processes)) == 2 + len(kills), "each kill ended a process, and another took its place"
    assert streams.losses > 0
    for actor in streams._actors:  # this process is lost too, and the actors with it: nobody checkpoints
        ray.kill(actor)
    again = RayStreams(model, tmp_path / "store", shards=2, every=100, resources={"num_cpus": 0.5})
    behind = again.numbers()
    assert set(behind) == set(KEYS)
    for t in range(min(behind.values()) + 1, 60):
        found = again.step_many(KEYS, np.full(len(KEYS), t), XS[t])
        assert again.fresh.tolist() == [behind[key] < t for key in KEYS]
        np.testing.assert_array_equal(found[again.fresh], truth[t][again.fresh])
    with pytest.raises(el.InputError, match="stream 'pump-3'"):
        again.step_many(["pump-3"], [99], [[np.nan, 0, 0]])
    again.close()
    with pytest.raises(el.UsageError, match="the states of 2 shards"):
        RayStreams(model, tmp_path / "store", shards=3)


@pytest.mark.filterwarnings("ignore")
def test_recordings_are_scored_in_batches(ray, model):
    pytest.importorskip("pyarrow")
    truth = [el.Stream(MODEL).process(XS[:, k]) for k in range(len(KEYS))]
    rows = ray.data.from_items([{"id": k, "samples": XS[:, k]} for k in range(len(KEYS))])
    made = rows.map_batches(ScoreSequences, fn_constructor_args=(str(model),), concurrency=1, batch_size=5).take_all()
    assert sorted(row["id"] for row in made) == list(range(len(KEYS)))
    for row in made:
        np.testing.assert_array_equal(row["answers"], truth[row["id"]])
