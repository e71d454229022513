"""The command line, and what its commands do with the other rooms."""

from lipmat.cli.commands import main

__all__ = ["main"]
