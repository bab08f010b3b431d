"""What a program executed, block by block, as the plugin `qemu_count.c` wrote it. Runs nothing; `emulated_pi.py` does."""

from pathlib import Path
from typing import NamedTuple

from emulated_system import EmulationError

#: A64 instructions of interest as (class, mask, value); the first match wins. Arm Architecture Reference Manual, C4.1.
_A64_CLASSES = (
    ("multiply-add", 0xBF20FC00, 0x0E20CC00),  # fmla, fmls of vectors
    ("multiply-add", 0xBF60FC00, 0x0E400C00),  # of half precision
    ("multiply-add", 0xBF80B400, 0x0F801000),  # by element
    ("multiply-add", 0xBFC0B400, 0x0F001000),  # by element, of half precision
    ("multiply-add", 0xFF000000, 0x1F000000),  # fmadd, fmsub, fnmadd, fnmsub
    ("dot", 0x9FE0FC00, 0x0E809400),  # sdot, udot
    ("dot", 0x9FC0F400, 0x0F80E000),  # by element
    ("widening", 0x9F20DC00, 0x0E208000),  # smlal, smlsl, umlal, umlsl
    ("widening", 0x9F20FC00, 0x0E20C000),  # smull, umull
    ("widening", 0x9F00B400, 0x0F002000),  # smlal, smlsl, umlal, umlsl by element
    ("widening", 0x9F00F400, 0x0F00A000),  # smull, umull by element
    ("widening", 0x9F3FFC00, 0x0E206800),  # sadalp, uadalp
    ("divide", 0xBFA0FC00, 0x2E20FC00),  # fdiv of vectors
    ("divide", 0xFF20FC00, 0x1E201800),  # of scalars
    ("load-store", 0x0A000000, 0x08000000),
    ("branch", 0x1C000000, 0x14000000),
    ("other-simd", 0x0E000000, 0x0E000000),
)
CLASSES = (*dict.fromkeys(name for name, _, _ in _A64_CLASSES), "integer")


class Block(NamedTuple):
    """Instructions that run one after the other.

    Parameters
    ----------
    address : int
    code : str
        Each instruction's bytes in the order of memory, hexadecimal, separated by dots.
    """

    address: int
    code: str

    @property
    def instructions(self) -> list[str]:
        return self.code.split(".")


class Profile(NamedTuple):
    """How often each block of a program ran.

    Parameters
    ----------
    cpu : str
        QEMU's name of the emulated CPU.
    executions : dict of Block to int
    steps : int
        What `instructions` and `mix` are divided by.
    """

    cpu: str
    executions: dict[Block, int]
    steps: int = 1

    @property
    def instructions(self) -> float:
        """Of all blocks, per step."""
        return sum((block.code.count(".") + 1) * times for block, times in self.executions.items()) / self.steps

    @property
    def mix(self) -> dict[str, float]:
        """Instructions per step by class (`CLASSES`). For 64-bit ARM only: others' encodings are not known here."""
        mix = dict.fromkeys(CLASSES, 0)
        known: dict[str, str] = {}
        for block, times in self.executions.items():
            for instruction in block.instructions:
                if instruction not in known:
                    known[instruction] = _classify(instruction)
                mix[known[instruction]] += times
        return {name: times / self.steps for name, times in mix.items()}

    def minus(self, other: "Profile") -> "Profile":
        """What ran here beyond what ran there; negative where less ran."""
        blocks = self.executions.keys() | other.executions.keys()
        rest = {block: self.executions.get(block, 0) - other.executions.get(block, 0) for block in blocks}
        return self._replace(executions={block: times for block, times in rest.items() if times})


def _classify(instruction: str) -> str:
    word = int.from_bytes(bytes.fromhex(instruction), "little")
    return next((name for name, mask, value in _A64_CLASSES if word & mask == value), "integer")


def read_profile(path: Path, cpu: str) -> Profile:
    """A file of the plugin.

    Raises
    ------
    EmulationError
        If it does not end as the plugin ends it: the program did not end by itself.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    if not lines or lines.pop() != "end":
        raise EmulationError(f"the profile {path} is missing or incomplete: the program was killed, or its disk is full.")
    executions: dict[Block, int] = {}
    for line in lines:
        address, times, code = line.split()
        executions[Block(int(address, 16), code)] = int(times)
    return Profile(cpu, executions)
