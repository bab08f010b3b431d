"""Cycles per step that LLVM's model of a core predicts for what a program executed on the emulated Pi.

    python tools/static_cycles.py DIR --cpu cortex-a72 program 1000 2000

How often each block ran is measured (`emulated_pi.count`); what it costs is llvm-mca's steady state of that block repeating back to
back. That is right for loops and too low for chains of blocks that wait for each other. There are no cache misses, no mispredicted
branches and no front end in it, and loads and stores never alias. Compare such numbers with each other, not with a stopwatch.

Needs llvm-mc and llvm-mca of LLVM 19 (Debian: llvm-19).
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from emulated_pi import count
from emulated_system import BOARDS, EmulationError
from execution_profile import Profile

#: LLVM's scheduling model for each core. It has none for the Cortex-A76, whose server sibling is the Neoverse N1.
MODELS = {"cortex-a53": "cortex-a53", "cortex-a72": "cortex-a72", "cortex-a76": "neoverse-n1"}

_FEATURES = "-mattr=+v8.2a,+dotprod,+fullfp16,+lse"
_ITERATIONS = 100
_POST_INDEXED = re.compile(r"(\S+)\s+(.*), \[(\w+)\], #(-?\d+)")
_PRE_INDEXED = re.compile(r"(\S+)\s+(.*), \[(\w+), #(-?\d+)\]!")


def _llvm(command: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise EmulationError(f"{command[0]} is not on this machine. Install it: apt-get install llvm-19") from None


def disassemble(instructions: list[str]) -> list[str]:
    """Assembly of A64 instructions (bytes in the order of memory, hexadecimal); empty where LLVM knows none."""
    text = "".join(" ".join(f"0x{byte:02x}" for byte in bytes.fromhex(code)) + "\n" for code in instructions)
    done = _llvm(["llvm-mc-19", "-disassemble", "-triple=aarch64", _FEATURES], text)
    unknown = {int(number) for number in re.findall(r"<stdin>:(\d+):\d+: warning", done.stderr)}
    lines = (line.strip() for line in done.stdout.splitlines() if line.startswith("\t") and not line.startswith("\t."))
    return ["" if number in unknown else next(lines) for number in range(1, len(instructions) + 1)]


def _modelled(line: str) -> list[str]:
    """An instruction as llvm-mca is to see it.

    It takes a base register that an access writes back as ready with the loaded data; cores have it a cycle later, as after an add.
    """
    if not line or line.startswith(("svc", "hint")):
        return []
    if match := _POST_INDEXED.fullmatch(line):
        operation, data, base, distance = match.groups()
        return [f"{operation} {data}, [{base}]", _moved(base, int(distance))]
    if match := _PRE_INDEXED.fullmatch(line):
        operation, data, base, distance = match.groups()
        return [_moved(base, int(distance)), f"{operation} {data}, [{base}]"]
    return [line]


def _moved(base: str, distance: int) -> str:
    return f"{'sub' if distance < 0 else 'add'} {base}, {base}, #{abs(distance)}"


def _block_cycles(blocks: list[list[str]], model: str) -> list[float]:
    """Steady-state cycles of each block; 0 for one that llvm-mca leaves out."""
    regions = "".join(f"# LLVM-MCA-BEGIN {i}\n" + "\n".join(lines) + "\n# LLVM-MCA-END\n" for i, lines in enumerate(blocks))
    settings = [_FEATURES, f"-iterations={_ITERATIONS}", "-call-latency=1", "-skip-unsupported-instructions=lack-sched", "-json"]
    done = _llvm(["llvm-mca-19", "-mtriple=aarch64", f"-mcpu={model}", *settings], regions)
    if done.returncode:
        problem = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[-200:])
        raise EmulationError(f"llvm-mca refuses the disassembled code: {problem}")
    cycles = [0.0] * len(blocks)
    for region in json.loads(done.stdout)["CodeRegions"]:
        cycles[int(region["Name"])] = region["SummaryView"]["TotalCycles"] / _ITERATIONS
    return cycles


def cycles(step: Profile) -> float:
    """Predicted cycles per step.

    Parameters
    ----------
    step : Profile
        Of a program for a 64-bit ARM board, as `emulated_pi.count` returns it.

    Raises
    ------
    EmulationError
        If LLVM's tools are missing or refuse the code.
    """
    ran = {block: times for block, times in step.executions.items() if times > 0}
    distinct = sorted({instruction for block in ran for instruction in block.instructions})
    assembly = dict(zip(distinct, disassemble(distinct), strict=True))
    blocks = [([line for code in block.instructions for line in _modelled(assembly[code])], times) for block, times in ran.items()]
    blocks = [(lines, times) for lines, times in blocks if lines]
    costs = _block_cycles([lines for lines, _ in blocks], MODELS[step.cpu])
    return sum(cost * times for cost, (_, times) in zip(costs, blocks, strict=True)) / step.steps


def main() -> int:
    parser = argparse.ArgumentParser(description="Predicted cycles per step of a program on the emulated Pi.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the emulated system")
    parser.add_argument("--cpu", choices=BOARDS, required=True)
    parser.add_argument("program", type=Path, help="a program that takes its number of steps as argument")
    parser.add_argument("first", type=int, metavar="N1")
    parser.add_argument("second", type=int, metavar="N2")
    options = parser.parse_args()
    try:
        step = count(options.folder, options.cpu, options.program, options.first, options.second)
        predicted = cycles(step)
    except EmulationError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    print(f"{predicted:.1f} cycles and {step.instructions:.2f} instructions per step ({MODELS[options.cpu]} model)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
