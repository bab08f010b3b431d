"""The fleet of pumps: logs that are what they say, and the command that scores them in every way there is."""

import os
import subprocess
import sys

import numpy as np
import pytest
from cli_calls import ROOT

import edgelstm as el

FLEET = ROOT / "examples" / "fleet"


@pytest.fixture(scope="module")
def pumps():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FLEET))
        import pumps

        yield pumps


def test_logs_are_the_same_for_the_same_seed_and_faults_do_what_they_are_called(pumps):
    one, again, sound = pumps.log(3, 20, seed=2, faults=3), pumps.log(3, 20, seed=2, faults=3), pumps.log(3, 20, seed=2, faults=0)
    np.testing.assert_array_equal(one.samples, again.samples)
    assert (one.fault == again.fault).all()
    assert np.isfinite(one.samples).all()
    assert (sound.fault == "").all()
    assert (one.fault != "").any()
    values = dict(zip(pumps.FEATURES, sound.samples.T.astype(float), strict=True))
    assert np.corrcoef(values["flow"], values["speed"])[0, 1] > 0.9
    assert np.corrcoef(values["current"], values["speed"] ** 3)[0, 1] > 0.95
    assert all(value.min() > 0 for value in values.values())
    assert values["speed"].max() < 1.03  # full speed, and the error of a sensor
    ramp = np.ones(len(values["flow"]))
    for name, direction in (("leak", 1), ("clogged", -1), ("dry", -1)):
        changed = {key: value.copy() for key, value in values.items()}
        pumps.FAULTS[name][0](changed, ramp)
        assert (np.sign(changed["flow"] - values["flow"]) == direction).all(), name


@pytest.mark.slow
def test_the_network_finds_faults_of_pumps_that_it_was_not_trained_on(pumps):
    stream, met, raised, false = el.Stream(el.load(FLEET / "data" / "pump.elstm")), 0, 0, 0
    for pump in range(5000, 5012):
        stream.reset()
        log = pumps.log(pump, 21)
        sure, fault = stream.process(log.samples)[:, 0] > 0.5, log.fault != ""
        met, raised, false = met + int((sure & fault).sum()), raised + int(fault.sum()), false + int((sure & ~fault).sum())
    assert met > 0.75 * raised
    assert false < 0.15 * raised


@pytest.mark.slow
def test_the_command_scores_in_every_way_and_compares(tmp_path):
    pytest.importorskip("pyarrow")
    command = [sys.executable, str(FLEET / "fleet.py"), "--pumps", "5", "--days", "4", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 pumps, 4 days: 2,880 samples" in done.stdout
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FLEET))
        import fleet
    ways = ["1 worker", "2 workers", *["Spark"] * fleet.has_spark()]
    assert f"the same answers to the last bit: {', '.join(ways)}\n" in done.stdout
    assert "bearing wear" in done.stdout
    assert len(list((tmp_path / "2-workers").glob("*.parquet"))) > 4
