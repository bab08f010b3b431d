"""What the applications in `examples/` have in common.

A folder there holds `run.py`, which makes an `Example`; ``python examples/NAME/run.py --write`` measures it and writes `result.json` and
the picture. Whatever tells of an example reads that file. Some examples are in the package too (`edgelstm/_examples`), for `edgelstm demo`.
"""

from .example import Example as Example
from .result import Measure as Measure
from .result import Result as Result
