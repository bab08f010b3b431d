"""The lines of docs/clusters.md for Bytewax: aborted in the middle and run again, they give the bits of one process."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from cli_calls import ROOT
from conftest import lstm_model

import edgelstm as el

pytestmark = pytest.mark.nightly

DEVICES, SAMPLES, ABORTED = 20, 30, 250
MODEL = lstm_model(np.random.default_rng(1), 3, 12, 1)
XS = np.random.default_rng(2).uniform(-1, 1, (DEVICES, SAMPLES, 3)).astype(np.float32)

PROGRAM = """
import json, os
from datetime import timedelta
import numpy as np
from bytewax.connectors.files import FileSink
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource
import page

page.ONE_SECOND = timedelta(seconds=1)
xs = np.load("xs.npy")
rows = [(f"pump-{k}", t, xs[k, t]) for t in range(xs.shape[1]) for k in range(len(xs))]
rows.insert({at}, TestingSource.ABORT() if os.environ.get("ABORTED") else rows[{at} - 1])
pumps = Dataflow("pumps")
answers = page.flow(op.input("rows", pumps, TestingSource(rows, batch_size=10)))
lines = op.flat_map("lines", answers, lambda of: [(of[0], json.dumps([k, n, float(y[0]), bool(new)])) for k, n, y, new in of[1]])
op.output("out", lines, FileSink("answers"))
"""


@pytest.mark.filterwarnings("ignore")
def test_a_flow_that_is_aborted_goes_on_from_its_recovery_store(tmp_path):
    pytest.importorskip("bytewax", reason="needs bytewax, and Python 3.12 or older", exc_type=ImportError)
    text = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python bytewax_flow\.py\n(.*?)```", text, re.DOTALL)
    (tmp_path / "page.py").write_text(code.replace("/models/pump.elstm", str(tmp_path / "m.elstm")))
    (tmp_path / "program.py").write_text(
        PROGRAM.replace("import page", "import bytewax.operators as op\nimport page").replace("{at}", str(ABORTED))
    )
    el.save(MODEL, tmp_path / "m.elstm")
    np.save(tmp_path / "xs.npy", XS)
    (tmp_path / "recovery").mkdir()
    asked = ("program:pumps", "-r", "recovery", "-s", "0", "-b", "0")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(module, *words, **more):
        command = [sys.executable, "-m", module, *words]
        return subprocess.run(command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=False)

    made = run("bytewax.recovery", "recovery", "1")
    assert made.returncode == 0, made.stderr
    for _ in range(10):  # often it is aborted before an answer is written
        assert run("bytewax.run", *asked, ABORTED="1").returncode == 0
        if (tmp_path / "answers").exists() and (tmp_path / "answers").read_text():
            break
    assert 0 < len((tmp_path / "answers").read_text().splitlines()) <= ABORTED
    done = run("bytewax.run", *asked)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in (tmp_path / "answers").read_text().splitlines()]
    steps = {(key, number): y for key, number, y, new in told if new}
    assert len(told) == DEVICES * SAMPLES + 1  # the row that came again
    assert len(steps) == DEVICES * SAMPLES
    for k in range(DEVICES):
        truth = el.Stream(MODEL).process(XS[k])[:, 0]
        np.testing.assert_array_equal(np.array([steps[f"pump-{k}", t] for t in range(SAMPLES)], np.float32), truth)
