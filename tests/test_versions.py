"""Outputs have the same bits with every release of Python, NumPy, Numba and LLVM that is supported.

``$EDGELSTM_DIGESTS`` names a file. The first environment writes the digests of its outputs there; the next ones compare theirs with it.
"""

import json
import os
import platform
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model
from int8_records import integers, lstm_int8, lstm_int8_static

import edgelstm as el

DIGESTS = os.environ.get("EDGELSTM_DIGESTS")


def models(rng):
    """Models of every number form, small ones and ones of several tiles, by name."""
    for inputs, hidden in [(1, 8), (6, 20), (18, 70)]:
        yield f"f32 {inputs},{hidden}", lstm_model(rng, inputs, hidden)
        for scheme, calibrated in [("int8-weight", False), ("int8-dynamic", False), ("int8-dynamic", True)]:
            layer = lstm_int8(rng, inputs, hidden, scheme, calibrated=calibrated)
            head = el.DenseInt8(scheme, integers(rng, 3, hidden), rng.uniform(0.5, 1, 3) / 900)
            yield f"{scheme}{' calibrated' * calibrated} {inputs},{hidden}", el.Model([layer, head])
        yield f"int8-static {inputs},{hidden}", el.Model([lstm_int8_static(rng, inputs, hidden)])


def outputs(rng):
    """Digest of what each model answers, by its name."""
    digests = {}
    for name, model in models(rng):
        xs = rng.uniform(-1, 1, (100, model.input_size)).astype(np.float32)
        digests[name] = sha256(el.Stream(model).process(xs).tobytes()).hexdigest()
    return digests


def made_with():
    import llvmlite
    import numba

    return f"Python {platform.python_version()}, NumPy {np.__version__}, Numba {numba.__version__}, llvmlite {llvmlite.__version__}"


def test_bits_do_not_depend_on_versions(rng):
    if DIGESTS is None:
        pytest.skip("EDGELSTM_DIGESTS names no file of digests")
    digests, file = outputs(rng), Path(DIGESTS)
    if not file.exists():
        file.write_text(json.dumps({"made with": made_with(), "digests": digests}))
    kept = json.loads(file.read_text())
    different = [name for name, digest in kept["digests"].items() if digests.get(name) != digest]
    assert not different, f"{made_with()} differs from {kept['made with']}"
    assert digests.keys() == kept["digests"].keys()
    print(f"{len(digests)} digests of {kept['made with']} hold with {made_with()}")
