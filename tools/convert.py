"""The converter from a checkout, installed or not: `python tools/convert.py model.pt -o model.elstm` is `edgelstm convert`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edgelstm.cli import main

if __name__ == "__main__":
    main(["convert", *sys.argv[1:]])
