"""Headers for C programs that use what `edgelstm build` makes."""

from importlib.resources import files
from typing import Any

#: What functions and macros begin with where nothing else is asked for.
PREFIX = "edgelstm"


def of_model(info: dict[str, Any]) -> str:
    """A model's own header: its sizes as C macros, so that an arena can be reserved at compile time; with a prefix the interface too.

    Parameters
    ----------
    info : dict
        As ``edgelstm_info`` says.
    """
    if info["prefix"] != PREFIX:
        return _whole(info)
    include = '#include "edgelstm.h"'
    return "\n".join([_about(info), "#ifndef EDGELSTM_MODEL_H", "#define EDGELSTM_MODEL_H", include, *_sizes(info), "#endif", ""])


def _about(info: dict[str, Any]) -> str:
    return f"/* {info['scheme']} model {info['digest'][:12]} for {info['target']}, made by edgelstm {info['edgelstm']}. */"


def _sizes(info: dict[str, Any]) -> list[str]:
    names = ("arena_bytes", "snapshot_bytes", "row_bytes", "input_size", "output_size", "every", "first", "sums_up", "answers")
    return [f"#define {info['prefix'].upper()}_{name.upper()} {int(info[name])}" for name in names if name in info]


def interface() -> str:
    """`edgelstm.h`."""
    return (files("edgelstm") / "include" / "edgelstm.h").read_text("utf-8")


def _whole(info: dict[str, Any]) -> str:
    """The interface's header with this model's prefix and sizes."""
    prefix = info["prefix"]
    text = interface().replace("edgelstm_", f"{prefix}_").replace("EDGELSTM_", f"{prefix.upper()}_")
    version = f"#define {prefix.upper()}_ABI {info['abi']}"
    return "\n".join([_about(info), text.replace(version, "\n".join([version, *_sizes(info)]), 1)])
