"""Packages that few users need: imported where they are met, and named with the way to get them where they are absent."""

from importlib import import_module
from typing import Any

from ..errors import UsageError


def extra(module: str, package: str, what: str, name: str) -> Any:
    """The module of a package that the extra `name` installs.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise UsageError(f"{what} needs {package}, which is not installed; install it with: pip install 'edgelstm[{name}]'") from None
