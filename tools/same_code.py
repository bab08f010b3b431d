"""Is the machine code of this tree the same to the byte as that of another revision? ``python tools/same_code.py REVISION``.

Builds a list of models for a list of targets in both trees, each in a process of its own, and compares the files. Exits with 1 if one
differs. A move of code from file to file must pass it.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

#: Targets of different kinds: SIMD widths, forms of int8 products, 32 bits, bare metal.
TARGETS = (
    "host",
    "x86-64-v2",
    "x86-64-v3",
    "x86-64-v4",
    "rpi3",
    "rpi4",
    "rpi5",
    "armv7",
    "riscv64",
    "riscv64-v",
    "cortex-m3",
    "cortex-m4f",
)

#: Targets for which every model is built; for the others those with sizes that end in a narrow tile.
WHOLE = ("host", "x86-64-v3", "rpi4", "cortex-m4f")


def models() -> dict[str, Any]:
    """Models by name, of every float kind and of every scheme."""
    import numpy as np

    import edgelstm

    el: Any = edgelstm

    def lstm(rng: Any, inputs: int, hidden: int) -> Any:
        k = 1 / np.sqrt(hidden)
        return el.LSTM(*(rng.uniform(-k, k, shape) for shape in ((4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,))))

    def stack(inputs: int, hidden: int, layers: int, outputs: int = 1) -> Any:
        rng = np.random.default_rng([inputs, hidden, layers])
        cells = [lstm(rng, inputs if i == 0 else hidden, hidden) for i in range(layers)]
        return el.Model([*cells, el.Dense(rng.uniform(-1, 1, (outputs, hidden)), rng.uniform(-1, 1, outputs))])

    rng = np.random.default_rng(0)
    made = {
        f"{i},{h},{n}": stack(i, h, n, o) for i, h, n, o in ((1, 8, 1, 1), (6, 32, 1, 1), (7, 41, 2, 3), (40, 128, 1, 5), (40, 512, 1, 1))
    }
    made["around"] = el.Model(
        [
            el.Normalizer(rng.uniform(-1, 1, 3), rng.uniform(1, 2, 3), name="units"),
            lstm(rng, 3, 12),
            el.Activation("tanh", name="a"),
            el.Dense(rng.uniform(-1, 1, (12, 12)), name="d", inputs=("a",)),
            el.Add(name="sum", inputs=("a", "d")),
            el.Dense(rng.uniform(-1, 1, (4, 15)), inputs=("sum", "units")),
            el.Softmax(),
        ]
    )
    made["table"] = el.Model([el.Embedding(rng.uniform(-1, 1, (20, 8))), lstm(rng, 8, 16), el.Dense(rng.uniform(-1, 1, (20, 16)))])
    windows = rng.uniform(-1, 1, (8, 120, 7)).astype(np.float32)
    for scheme in ("int8-weight", "int8-dynamic", "int8-static"):
        made[f"7,41,2 {scheme}"] = el.quantize(made["7,41,2"], windows, scheme=scheme)
    return made


def digests() -> dict[str, str]:
    """SHA-256 of each model's file for each target, for this process's package."""
    import edgelstm

    build: Any = edgelstm.build
    found = {}
    for name, model in models().items():
        for target in TARGETS:
            if target in WHOLE or name.startswith("7,41,2"):
                found[f"{name} for {target}"] = hashlib.sha256(build(model, target).data).hexdigest()
    return found


def of_tree(tree: Path) -> dict[str, str]:
    """`digests` of the package in another folder."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--digests"]
    answer = subprocess.run(command, env=environment, cwd=tree, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", nargs="?", help="what to compare with")
    parser.add_argument("--digests", action="store_true", help="print this tree's digests as JSON instead")
    asked = parser.parse_args()
    if asked.digests or not asked.revision:
        print(json.dumps(digests(), indent=1))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", asked.revision], capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        then, now = of_tree(Path(folder)), of_tree(ROOT)
    differing = [name for name in now if now[name] != then.get(name)]
    print("\n".join(f"differs: {name}" for name in differing) or f"all {len(now)} files are the same to the byte")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
