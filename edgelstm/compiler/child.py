"""Object code made in a process of its own: an instruction that the CPU asked for lacks ends LLVM's process, not the user's.

``python -m edgelstm.compiler.child`` is the other side: on standard input a line of JSON, and the texts behind it, which hold all weights;
on standard output a line of JSON, what the CPU must have, and the object file.
"""

import json
import os
import subprocess
import sys

from ..errors import CompileError
from .features import FEATURES, lacking, wish_of
from .targets import Target, changed

#: Seconds after which a compilation is given up.
TIMEOUT = 600


def emit_apart(texts: list[str], target: Target, exports: tuple[str, ...], shown: dict[str, str]) -> tuple[bytes, tuple[str, ...]]:
    """`object_code.emit` in a child process.

    Returns
    -------
    bytes
        The object file.
    tuple of str
        What /proc/cpuinfo must list where the code is to run.

    Raises
    ------
    CompileError
        If LLVM refuses the code, or its process dies.
    """
    pieces = [text.encode() for text in texts]
    given = {"sizes": [len(piece) for piece in pieces], "target": target._asdict(), "exports": exports, "shown": shown}
    request = b"".join([json.dumps(given).encode(), b"\n", *pieces])
    del pieces
    command = [sys.executable, "-P", "-m", "edgelstm.compiler.child"]
    wish = wish_of(target)
    try:
        done = subprocess.run(command, input=request, capture_output=True, check=False, timeout=TIMEOUT, env=_environment())
    except subprocess.TimeoutExpired:
        raise CompileError(
            f"compiling for {wish} took more than {TIMEOUT} s and was given up. Split the model, or build on a faster machine."
        ) from None
    except OSError as problem:
        raise CompileError(
            f"building starts a Python process of its own, which the system refuses ({problem.strerror or problem}). Build where it may, "
            "and copy the library."
        ) from None
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()] or ["no message"]
    if unknown := [line for line in said if "is not a recognized" in line]:
        raise CompileError(
            f"LLVM does not know what was asked for: {unknown[0].partition(' (')[0]}. Check --cpu and --features for {target.name}."
        )
    if done.returncode == 0:
        needs, _, code = done.stdout.partition(b"\n")
        return code, tuple(json.loads(needs))
    if changed(target):
        raise lacking(target)
    reason = next((line for line in said if "LLVM ERROR" in line), said[-1])
    if done.returncode == _REFUSED:
        raise CompileError(reason)
    raise CompileError(
        f"LLVM cannot compile for {wish}; its process ended with code {done.returncode}: {reason[:300]}. "
        "Check --cpu and --features: every instruction that the target's kernels use must be there."
    )


#: Exit code of the child where the error is already a sentence.
_REFUSED = 3


def _environment() -> dict[str, str]:
    """What the child needs to find the same package."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _needs(target: Target) -> list[str]:
    """The target's own list, or if its CPU or features are not the target's, all that LLVM may have made use of."""
    from .object_code import features_of

    if not changed(target):
        return list(target.needs)
    names = FEATURES.get(target.architecture, {})
    return list(dict.fromkeys(names[feature] for feature in features_of(target, tuple(names))))


def main() -> int:
    from .object_code import emit

    request = json.loads(sys.stdin.buffer.readline())
    texts = [sys.stdin.buffer.read(size).decode() for size in request["sizes"]]
    target = Target(**request["target"])
    try:
        code = emit(texts, target, tuple(request["exports"]), request["shown"])
        needs = _needs(target)
    except CompileError as problem:
        print(" ".join(str(problem).split()), file=sys.stderr)
        return _REFUSED
    sys.stdout.buffer.write(json.dumps(needs).encode() + b"\n" + code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
