"""``python -m lipmat``."""

from lipmat.cli import main

main()
