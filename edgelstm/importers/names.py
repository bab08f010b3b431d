"""Names of what a network reads."""


def numbered(name: str, width: int) -> list[str]:
    """Names of the numbers of an input: its own, or ``name[0]``, ``name[1]``, …"""
    return [name] if width == 1 else [f"{name}[{k}]" for k in range(width)]
