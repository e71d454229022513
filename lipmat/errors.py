"""The one error of bad input."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Bad input, said in one line: which file, which key or row, what was found, what is expected.

    The command line prints the line and exits with code 2.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the known word nearest to ``name``."""
    words = sorted(known)
    close = get_close_matches(name, words, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words)}"
