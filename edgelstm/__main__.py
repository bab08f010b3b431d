"""`python -m edgelstm` and `edgelstm`: the command line, or a sentence on what it lacks."""

import sys

#: What a board that only steps libraries may lack, as pip names it.
_NEEDED = {"click": "click rich", "rich": "click rich", "numpy": "numpy", "safetensors": "safetensors"}


def main() -> None:
    """Run the command line."""
    try:
        from .cli import main as command

        command()
    except KeyboardInterrupt:
        print("edgelstm: interrupted.", file=sys.stderr)
        sys.exit(130)
    except ModuleNotFoundError as problem:
        name = (problem.name or "").partition(".")[0]
        if name not in _NEEDED:
            raise
        sys.exit(f"edgelstm: this command needs {name}, which is not installed. Install it with: pip install {_NEEDED[name]}")


if __name__ == "__main__":
    main()
