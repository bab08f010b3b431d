"""IR texts -> object code for one CPU, through llvmlite alone."""

import re

import llvmlite.binding as llvm

from ..errors import CompileError
from .targets import Target


def host_cpu() -> str:
    """LLVM's name of this machine's CPU."""
    name: str = llvm.get_host_cpu_name()
    return name


def text_constant(symbol: str, text: str) -> str:
    """IR of a constant that holds a text and a final zero byte."""
    data = text.encode() + b"\0"
    escaped = "".join(f"\\{byte:02X}" for byte in data)
    return f'@{symbol} = constant [{len(data)} x i8] c"{escaped}"\n'


def _machine(target: Target) -> llvm.TargetMachine:
    """LLVM's view of a machine. Of this one, on x86 its feature list rules: a hypervisor may mask what the CPU's name implies."""
    options = {"opt": 3, "reloc": "static" if target.bare_metal else "pic", "codemodel": "small", "abiname": target.abi}
    if target.triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        words = {"cpu": target.cpu, "features": target.features}
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        words = {"cpu": llvm.get_host_cpu_name(), "features": llvm.get_host_cpu_features().flatten()}
    machine: llvm.TargetMachine = llvm.Target.from_triple(target.triple or llvm.get_process_triple()).create_target_machine(
        **words, **options
    )
    return machine


def _linked(texts: list[str], machine: llvm.TargetMachine, exports: tuple[str, ...]) -> llvm.ModuleRef:
    modules = []
    for text in texts:
        module = llvm.parse_assembly(text)
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        modules.append(module)
    main = modules[0]
    for module in modules[1:]:
        main.link_in(module)
    main.verify()
    for symbol in (*main.functions, *main.global_variables):
        if symbol.is_declaration:
            continue
        if symbol.name in exports:
            symbol.visibility = "protected"  # the code reaches what it exports directly, not through a table of addresses
        else:
            symbol.linkage = "internal"
    return main


#: What stands for llvm.maximum and llvm.minimum of a number and a bound where LLVM would expand them at length.
_BOUND = """
define <{n} x float> @edgelstm_{name}.v{n}f32(<{n} x float> %x, <{n} x float> %bound) alwaysinline {{
  %beyond = fcmp {beyond} <{n} x float> %x, %bound
  %answer = select <{n} x i1> %beyond, <{n} x float> %bound, <{n} x float> %x
  ret <{n} x float> %answer
}}
"""


def _with_selected_bounds(texts: list[str]) -> list[str]:
    """The texts with comparisons and selections in place of llvm.maximum and llvm.minimum."""
    defined = ""
    for name, beyond in (("maximum", "olt"), ("minimum", "ogt")):
        widths = sorted({int(n) for text in texts for n in re.findall(rf"@llvm\.{name}\.v(\d+)f32", text)})
        defined += "".join(_BOUND.format(n=n, name=name, beyond=beyond) for n in widths)
        texts = [text.replace(f"@llvm.{name}.", f"@edgelstm_{name}.") for text in texts]
    return [*texts, defined]


def emit(texts: list[str], target: Target, exports: tuple[str, ...]) -> bytes:
    """Optimise and compile.

    Parameters
    ----------
    texts : list of str
        Modules without triple or data layout, linked in this order.
    exports : tuple of str
        Symbols to keep; all others become internal.

    Returns
    -------
    bytes
        A relocatable object file.

    Raises
    ------
    CompileError
        If LLVM refuses the code or it calls something that the module does not define.
    """
    if not target.fma:
        texts = [text.replace("@llvm.fma.", "@llvm.fmuladd.") for text in texts]
    if not target.passing_bounds:
        texts = _with_selected_bounds(texts)
    machine = _machine(target)
    try:
        module = _linked(texts, machine, exports)
    except RuntimeError as problem:
        raise CompileError(
            f"LLVM refuses the generated code: {problem}. Please report this, with the model's `edgelstm describe`."
        ) from None
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.loop_interleaving = True
    # Kernels unroll by hand. On x86 more of it spreads a stream of weights over more instructions than prefetchers follow.
    options.loop_unrolling = target.architecture != "x86_64"
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    if missing := [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]:
        raise CompileError(f"the generated code calls {', '.join(missing)}, which no part of it defines. Please report this.")
    code: bytes = machine.emit_object(module)
    return code
