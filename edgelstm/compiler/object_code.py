"""IR texts -> object code for one CPU, through llvmlite alone."""

from collections.abc import Mapping

import llvmlite.binding as llvm

from ..errors import CompileError
from ..kernels.simd.bounds import defined
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


def features_of(target: Target, asked: tuple[str, ...]) -> list[str]:
    """Which of these features, in LLVM's words, code for a target may make use of: all that its CPU and its list of features bring.

    LLVM tells nobody what a CPU has. It inlines a function if that needs nothing which its caller lacks.
    """
    machine = _machine(target)
    words = f'"target-cpu"="{target.cpu}" "target-features"="'
    texts = [f'attributes #0 = {{ {words}{target.features}" }}']
    for i, feature in enumerate(asked):
        texts += [
            f"define internal i32 @having{i}(i32 %x) #{i + 1} {{\n  %y = mul i32 %x, 3\n  ret i32 %y\n}}",
            f"define i32 @asked{i}(i32 %x) #0 {{\n  %y = call i32 @having{i}(i32 %x)\n  ret i32 %y\n}}",
            f'attributes #{i + 1} = {{ {words}{",".join(filter(None, (target.features, f"+{feature}")))}" }}',
        ]
    module = llvm.parse_assembly("\n".join(texts))
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    left = {function.name for function in module.functions}
    return [feature for i, feature in enumerate(asked) if f"having{i}" not in left]


def emit(texts: list[str], target: Target, exports: tuple[str, ...], shown: Mapping[str, str] | None = None) -> bytes:
    """Optimise and compile.

    Parameters
    ----------
    texts : list of str
        Modules without triple or data layout, linked in this order.
    exports : tuple of str
        Symbols to keep; all others become internal.
    shown : mapping, optional
        Other names for some of them.

    Returns
    -------
    bytes
        A relocatable object file.

    Raises
    ------
    CompileError
        If LLVM refuses the code or it calls something that the module does not define.
    """
    texts = defined(texts, target.bounds, fma=target.fma, halves=target.halves)
    machine = _machine(target)
    try:
        module = _linked(texts, machine, exports)
    except RuntimeError as problem:
        raise CompileError(
            f"LLVM refuses the generated code: {problem}. Please report this, with the model's `edgelstm describe`."
        ) from None
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.loop_interleaving = True
    # Kernels unroll by hand. On x86, more of it spreads a stream of weights over more loads than prefetchers follow. Measured on Zen 5.
    options.loop_unrolling = target.architecture != "x86_64"
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    if missing := [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]:
        raise CompileError(f"the generated code calls {', '.join(missing)}, which no part of it defines. Please report this.")
    for symbol in module.functions:
        symbol.name = (shown or {}).get(symbol.name, symbol.name)
    code: bytes = machine.emit_object(module)
    return code
