"""What a target of another CPU or other features may make use of, and what is said where LLVM cannot compile for it."""

from ..errors import CompileError
from .targets import AVX512, SDOT, VNNI, VNNI_256, Target

_SAME_WORDS = ("ssse3", "popcnt", "avx", "avx2", "fma", "bmi2", "f16c", "movbe", "gfni", "sse4a", "xop", "fma4", "tbm")
_AVX512_WORDS = ("vbmi2", "bitalg", "vpopcntdq", "bf16")

#: By architecture: what compiled code may use beyond the least CPU, in LLVM's words, and its name in /proc/cpuinfo.
FEATURES = {
    "x86_64": {
        "sse4.1": "sse4_1",
        "sse4.2": "sse4_2",
        "bmi": "bmi1",
        "lzcnt": "abm",
        "avxvnni": VNNI_256,
        "avx512vnni": VNNI,
        **{word: word for word in (*_SAME_WORDS, *AVX512, "avx512vbmi", "avx512ifma")},
        **{f"avx512{word}": f"avx512_{word}" for word in _AVX512_WORDS},
    },
    "aarch64": {"dotprod": SDOT, "sve": "sve", "sve2": "sve2", "i8mm": "i8mm", "cssc": "cssc"},
    "armv7": {"neon": "neon", "vfp4": "vfpv4", "vfp4d16sp": "vfpv4"},
    "riscv64": {"v": "v"},
}


def wish_of(target: Target) -> str:
    """A target and its CPU, for messages."""
    return f"{target.name} (cpu {target.cpu}{f', features {target.features}' if target.features else ''})"


def lacking(target: Target) -> CompileError:
    """What to raise where the code of a `changed` target cannot be made."""
    return CompileError(
        f"LLVM cannot compile for {wish_of(target)}: it lacks instructions that the kernels of {target.name} are made of. Check --cpu and "
        "--features: leave out what takes instructions away, or choose a target for that CPU; `edgelstm targets` lists all there are."
    )
