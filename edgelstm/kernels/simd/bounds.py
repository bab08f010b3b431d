"""What kernels call and each kind of CPU has in its own form: holding a number within bounds, multiply-adds, numbers in half precision.

`formulas.Value` and `halves` write the calls; here their definitions are chosen, as LLVM's text, once the target is known.
"""

import re

#: `formulas.Value.within`: %x within +-%most, and its square. Both forms of the square are the same number.
_WITHIN = """
define {{ {v}, {v} }} @edgelstm_within.v{n}f32({v} %x, {v} %most) alwaysinline {{
  %least = fneg {v} %most
{held}
  %first = insertvalue {{ {v}, {v} }} poison, {v} %held, 0
  %both = insertvalue {{ {v}, {v} }} %first, {v} %square, 1
  ret {{ {v}, {v} }} %both
}}
"""

_PASSING = """
  %raised = call {v} @llvm.maximum.v{n}f32({v} %x, {v} %least)
  %held = call {v} @llvm.minimum.v{n}f32({v} %raised, {v} %most)
  %square = fmul {v} %held, %held
"""

_SELECTED = """
  %below = fcmp olt {v} %x, %least
  %raised = select <{n} x i1> %below, {v} %least, {v} %x
  %above = fcmp ogt {v} %raised, %most
  %held = select <{n} x i1> %above, {v} %most, {v} %raised
  %square = fmul {v} %held, %held
"""

#: The smaller magnitude, with the sign of %x: the square need not wait for it. A NaN stays in the square alone.
_RANGE = """
  %held = call {v} @llvm.x86.avx512.mask.range.ps.{bits}({v} %x, {v} %most, i32 2, {v} poison, i{mask} -1{rounding})
  %whole = fmul {v} %x, %x
  %largest = fmul {v} %most, %most
  %square = call {v} @llvm.minimum.v{n}f32({v} %whole, {v} %largest)
"""


#: How what these call is declared.
_CALLED = {
    "@llvm.maximum": "declare {v} @llvm.maximum.v{n}f32({v}, {v})\n",
    "@llvm.minimum": "declare {v} @llvm.minimum.v{n}f32({v}, {v})\n",
    "mask.range": "declare {v} @llvm.x86.avx512.mask.range.ps.{bits}({v}, {v}, i32, {v}, i{mask}{also})\n",
}


def within(n: int, bounds: str) -> str:
    """The function for vectors of n lanes, and what it calls."""
    v = f"<{n} x float>"
    words = {"v": v, "n": n, "bits": 32 * n, "mask": max(n, 8)}
    # The 512-bit form has a rounding operand; it has no effect here.
    words |= {"rounding": ", i32 4", "also": ", i32"} if n == 16 else {"rounding": "", "also": ""}
    held = {"range": _RANGE if n >= 4 else _PASSING, "passing": _PASSING, "selected": _SELECTED}[bounds]
    called = [line for name, line in _CALLED.items() if name in held]
    return "".join([*called, _WITHIN]).replace("{held}", held.strip("\n")).format(**words)


#: `halves.load_halves`: what the bits %x stand for. Without an instruction for it, exponents are moved by a product, which is exact.
_HALVES = """
define <{n} x float> @edgelstm_halves.v{n}f32(<{n} x i16> %x) alwaysinline {{
{converted}
  ret <{n} x float> %y
}}
"""

_EXTENDED = """
  %h = bitcast <{n} x i16> %x to <{n} x half>
  %y = fpext <{n} x half> %h to <{n} x float>
"""

_SHIFTED = """
  %wide = zext <{n} x i16> %x to <{n} x i32>
  %placed = shl <{n} x i32> %wide, splat (i32 13)
  %positive = and <{n} x i32> %placed, splat (i32 268427264)
  %small = bitcast <{n} x i32> %positive to <{n} x float>
  %magnitude = fmul <{n} x float> %small, splat (float 0x46F0000000000000)
  %bits = bitcast <{n} x float> %magnitude to <{n} x i32>
  %high = shl <{n} x i32> %wide, splat (i32 16)
  %sign = and <{n} x i32> %high, splat (i32 -2147483648)
  %all = or <{n} x i32> %bits, %sign
  %y = bitcast <{n} x i32> %all to <{n} x float>
"""


def of_halves(n: int, extends: bool) -> str:
    """The function for vectors of n numbers in half precision."""
    return _HALVES.replace("{converted}", (_EXTENDED if extends else _SHIFTED).strip("\n")).format(n=n)


def defined(texts, bounds, *, fma, halves):
    """IR texts with the functions that they call defined for a target.

    Parameters
    ----------
    texts : list of str
    bounds : {"range", "passing", "selected"}
        How the target holds a number within bounds.
    fma : bool
        Whether it multiplies and adds with one rounding. If not, it rounds twice.
    halves : bool
        Whether it has an instruction that makes float32 of half precision.
    """
    if not fma:
        texts = [text.replace("@llvm.fma.", "@llvm.fmuladd.") for text in texts]
    widths, of_half = (
        sorted({int(n) for text in texts for n in re.findall(rf"@edgelstm_{name}\.v(\d+)f32", text)}) for name in ("within", "halves")
    )
    return [*texts, *(within(n, bounds) for n in widths), *(of_halves(n, halves) for n in of_half)]
