"""Kernel -> LLVM IR that is still portable: the only file that touches Numba's internals.

Tried with Numba 0.62 to 0.68 (LLVM 20 and 22), the range that `OLDEST` and `NEWEST` state. A test in `tests/test_numba_ir.py` fails loudly
on a release that breaks an assumption made here, and on one beyond the range. Numba's own optimisation passes are turned off, so that
nothing in the text belongs to the machine that compiles.
"""

import copy
import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numba
from numba.core import codegen, compiler, inline_closurecall, ir, ir_utils, postproc, transforms, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from ..errors import CompileError

#: Releases of Numba that kernels are compiled with. Before 0.62, LLVM 15 and its typed pointers, which this code does not write.
OLDEST, NEWEST = (0, 62), (0, 68)


class _PortableLibrary(codegen.AOTCodeLibrary):
    def _optimize_functions(self, ll_module):
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self):
        pass


class _PortableCodegen(codegen.AOTCPUCodegen):
    _library_class = _PortableLibrary


#: Kernels are inlined into their entry; LLVM must not turn their loops into calls of a C library that may not be there.
_ATTRIBUTES = 'alwaysinline nounwind "no-builtins"'

_LLVM_NAME = {types.float32: "float", types.int64: "i64", types.int32: "i32", types.void: "void"}


def _llvm(kind):
    return "ptr" if isinstance(kind, types.CPointer) else _LLVM_NAME[kind]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Numba makes millions of small objects that live: looking for garbage among them takes a fifth of its time, and saves 30 MiB."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _BlockCopies:
    """Stands for the module `copy` where Numba inlines a function, which it copies twice, block by block.

    With each block goes the function's scope, of all its variables: copied for every block, it takes two fifths of the time that a kernel
    takes. Here the blocks of a function share one copy of it. The second copy, of the first, is for a caller that wants the function as it
    was: no caller does.
    """

    def __init__(self) -> None:
        self._scope, self._given, self._made, self._memo = None, {}, {}, {}

    def deepcopy(self, block):
        if id(block) in self._made:
            return block
        if block.scope is not self._scope or id(block) in self._given:
            self._scope, self._given, self._made, self._memo = block.scope, {}, {}, {}
        made = copy.deepcopy(block, self._memo)
        self._given[id(block)], self._made[id(made)] = block, made
        return made


def _read_once(passes):
    """`InlineWorker.run_untyped_passes`, of which each function's result serves all calls of it in a kernel.

    What it gives is copied before it is changed. Each call needs names of its own, which are made of the function's identity; and what
    inlines must not have flags for single assignments, as the passes leave them.
    """
    read = {}

    def run(worker, function, enable_ssa=False):
        if function not in read:
            read[function] = passes(worker, function, enable_ssa)
            return read[function]
        worker.flags.enable_ssa = enable_ssa
        again = copy.copy(read[function])
        again.func_id = again.func_id.derive()
        return again

    return run


def _lifetimes_if_asked(run):
    """`PostProcessor.run`, which a dozen passes call on each function, without the lifetimes of variables that only the last one reads.

    Generators and loops that are taken out would read them too; a kernel has neither.
    """

    def quick(processor, emit_dels=False, extend_lifetimes=False):
        function = processor.func_ir
        if emit_dels or function.is_generator:
            return run(processor, emit_dels, extend_lifetimes)
        function.blocks = transforms.canonicalize_cfg(function.blocks)
        function.variable_lifetime = postproc.VariableLifetime(function.blocks)
        function.generator_info = None
        return None

    return quick


@contextmanager
def _quick_inlining() -> Iterator[None]:
    """Numba without what it does again and again for each function that is inlined; the code is the same."""
    worker, processor = inline_closurecall.InlineWorker, postproc.PostProcessor
    before = inline_closurecall.copy, worker.run_untyped_passes, processor.run
    inline_closurecall.copy = _BlockCopies()
    worker.run_untyped_passes, processor.run = _read_once(worker.run_untyped_passes), _lifetimes_if_asked(processor.run)
    ir.Loc.__deepcopy__ = lambda place, memo: place  # no place in a file is ever changed
    try:
        yield
    finally:
        inline_closurecall.copy, worker.run_untyped_passes, processor.run = before
        del ir.Loc.__deepcopy__


def _check_release() -> None:
    if numba.version_info.short < OLDEST:
        first, after = ".".join(map(str, OLDEST)), f"{NEWEST[0]}.{NEWEST[1] + 1}"
        raise CompileError(
            f"expected Numba {first} or later, and {numba.__version__} is installed, whose LLVM is too old for this code: "
            f"pip install 'numba>={first},<{after}', or compile elsewhere and copy the library."
        )


@lru_cache(maxsize=128)
def kernel_ir(name, factory, argument_types, result=types.void, /, **constants):
    """IR text of a kernel under a plain C name; that of the last kernels asked for is kept.

    Parameters
    ----------
    name : str
        Symbol that the text defines, with the C calling convention. Pointer arguments are declared not to alias.
    factory : function
        ``factory(**constants)`` gives a nopython function that allocates nothing and raises nothing.
    argument_types : tuple of numba types
    result : numba type, optional
    constants
        Sizes and what else the kernel is made for: hashable, and all that it depends on.

    Returns
    -------
    str
        A module without target triple or data layout; every other function in it is internal.

    Raises
    ------
    CompileError
        If Numba is older than `OLDEST`.
    """
    _check_release()
    return _lowered(name, factory, argument_types, result, constants)


@global_compiler_lock
def _lowered(name, factory, argument_types, result, constants):
    context = cpu_target.target_context.subtarget(_internal_codegen=_PortableCodegen("edgelstm"), aot_mode=True)
    flags = compiler.Flags()
    flags.no_compile = True
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.boundscheck = False
    flags.nrt = False  # an allocation in a kernel is a compile-time error
    library = context.codegen().create_library(name)
    typing, kernel = cpu_target.typing_context, factory(**constants)
    # Each function that is inlined about doubles the number that the next block is named by, for as long as the process lives: after some
    # thousand kernels names have hundreds of digits, which LLVM refuses.
    ir_utils._the_max_label._value = 0
    with _no_collection(), _quick_inlining():
        compiled = compiler.compile_extra(typing, context, kernel, argument_types, result, flags, {}, library=library)
        if not library._finalized:
            library.finalize()
    text = str(library._final_module)
    text = re.sub(r"^target (datalayout|triple) = .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^define (linkonce_odr |weak_odr |internal )?", "define internal ", text, flags=re.MULTILINE)
    text = re.sub(r"^(define internal .*?)(#\d+ )?\{$", r"\1" + _ATTRIBUTES + " {", text, flags=re.MULTILINE)
    return text + _entry(name, compiled.fndesc.llvm_func_name, argument_types, result)


def _entry(name, inner, argument_types, result):
    """A function of C's convention around Numba's own: (result*, exception**, arguments...) -> status."""
    pointer = "ptr noalias nocapture"
    declared = ", ".join(f"{pointer if _llvm(t) == 'ptr' else _llvm(t)} %a{i}" for i, t in enumerate(argument_types))
    passed = ", ".join(f"{_llvm(t)} %a{i}" for i, t in enumerate(argument_types))
    answer = _llvm(result)
    slot = "ptr" if answer == "void" else answer
    leave = "ret void" if answer == "void" else f"%value = load {answer}, ptr %result\n  ret {answer} %value"
    return (
        f'\ndefine {answer} @{name}({declared}) nounwind "no-builtins" {{\n'
        f"  %result = alloca {slot}\n  %exception = alloca ptr\n"
        f'  %status = call i32 @"{inner}"(ptr %result, ptr %exception, {passed})\n'
        f"  {leave}\n}}\n"
    )
