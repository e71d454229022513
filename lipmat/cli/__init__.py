"""The command line, and what its commands do with the other rooms."""

from lipmat.cli.main import main

__all__ = ["main"]
