"""What the names in a checkpoint's pickle mean: what is passed over, and why the rest is refused."""

import sys

from ...errors import printable

#: NumPy arrays and scikit-learn's scalers: not read either, but a user may miss them.
DATA_NAMES = frozenset(
    (
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "numpy.core.numeric._frombuffer",
        "numpy._core.numeric._frombuffer",
        *(
            f"sklearn.preprocessing.{module}.{kind}"
            for module in ("_data", "data")
            for kind in ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler")
        ),
    )
)

#: Names that stand in ordinary checkpoints beside the weights. They become `Inert` and are never looked at.
INERT_NAMES = frozenset(
    (
        "torch.device",
        "torch.float16",
        "torch.float32",
        "torch.float64",
        "torch.bfloat16",
        "torch.int64",
        "torch.int32",
        "torch.int8",
        "torch.uint8",
        "torch.bool",
        "collections.Counter",
        "collections.defaultdict",
        "builtins.set",
        "builtins.complex",
        "builtins.dict",
        "builtins.list",
        "builtins.int",
        "builtins.float",
        "argparse.Namespace",
        "pathlib.PosixPath",
        "pathlib.Path",
        "pathlib.WindowsPath",
        "datetime.datetime",
        "datetime.timedelta",
        "_codecs.encode",
        "numpy.dtype",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.ndarray",
        *DATA_NAMES,
    )
)


ADVICE = "edgelstm reads state_dicts and runs no code. Write one with torch.save(model.state_dict(), path)."


#: Tensors that a state_dict may hold and that are no plain arrays of floating-point numbers: by what their names contain.
_OTHER_TENSORS = (
    (
        ("_rebuild_qtensor", "torch.QInt", "torch.QUInt", "torch.qint", "torch.quint", "ScriptObject"),
        "holds weights quantized by torch ({}); save the state_dict of the float model instead, before it is quantized.",
    ),
    (
        ("_rebuild_sparse", "_get_layout"),
        "holds sparse tensors ({}); save each of them with .to_dense().",
    ),
    (
        ("_rebuild_nested",),
        "holds nested tensors ({}); save each of them with torch.nested.to_padded_tensor, or the weights alone.",
    ),
    (
        ("float8_", "float4_", "_rebuild_tensor_v3", "UntypedStorage"),
        "holds tensors of a type that has no storage of its own in torch, such as float8 or uint16 ({}); save each of them with .float().",
    ),
    (
        ("ComplexFloatStorage", "ComplexDoubleStorage", "torch.complex"),
        "holds complex tensors ({}), which no layer of edgelstm has; save real ones, or leave them out of the state_dict.",
    ),
    (
        ("_rebuild_from_type", "_rebuild_wrapper_subclass", "DTensor", "_rebuild_meta_tensor"),
        "holds tensors of a class of their own ({}), or without numbers; save plain ones, with full_tensor() or torch.Tensor(tensor).",
    ),
    (
        ("sklearn.",),
        'holds an object of scikit-learn ({}), which is not read; save its numbers, np.savez("scaler.npz", mean=…, scale=…), apart.',
    ),
)


#: Packages and scripts whose objects are part of a network, or code, where they do not lie within an object of another library.
_NEAR = ("__main__", "torch", "numpy")


def is_near(name: str) -> bool:
    """Whether an object of that name may be what the file is about, so that it is not passed over beside the weights."""
    return name.partition(".")[0] in _NEAR and name not in INERT_NAMES


#: Of the standard library what stands among the attributes of modules and of what they hold. It is called as little as anything else.
_BESIDE = frozenset(
    (
        *("builtins.getattr", "builtins.slice", "builtins.range", "collections.deque", "datetime.date", "functools.partial"),
        *("logging.getLogger", "types.SimpleNamespace"),
    )
)


def is_foreign(name: str) -> bool:
    """Whether a name is that of an object that may stand beside weights, or within such an object, and need not be read to have these.

    Other names of the standard library would be code, and those of other kinds of tensors are weights.
    """
    return name in _BESIDE or (
        name.partition(".")[0] not in sys.stdlib_module_names and not any(word in name for words, _ in _OTHER_TENSORS for word in words)
    )


def refusal(name: str, advice: str = ADVICE) -> str:
    """Why a pickle that names `name` is not read, and what to do."""
    shown = printable(name, 80)
    if kind := next((kind for words, kind in _OTHER_TENSORS if any(word in name for word in words)), None):
        return kind.format(shown)
    return f"its pickle asks for {shown!r}, which is no plain data; {advice}"
