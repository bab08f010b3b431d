"""SHA-256 where milliseconds count: the interpreter's own for little data, OpenSSL's, slow to load and quick to run, for much."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash, sha256
else:
    try:
        if sys.version_info >= (3, 12):
            from _sha2 import sha256
        else:
            from _sha256 import sha256
    except ImportError:
        from hashlib import sha256

#: Bytes from which loading OpenSSL pays.
MUCH = 1 << 20


def sha256_of(size: int) -> "_Hash":
    """A new SHA-256 for about so many bytes."""
    if size < MUCH:
        return sha256()
    import hashlib

    return hashlib.sha256()


__all__ = ["sha256", "sha256_of"]
