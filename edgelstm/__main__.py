"""`python -m edgelstm`: the command line."""

from .cli import main

main()
