"""The drawing process: ``python -m lipmat.plotting FOLDER [picture] [movie]``."""

import sys
from pathlib import Path

from lipmat.errors import InputError
from lipmat.plotting.draw import draw_run


def main() -> None:
    """Draw, and print the names of the files written, one on a line."""
    folder, *wanted = sys.argv[1:]
    try:
        files = draw_run(Path(folder), "picture" in wanted, "movie" in wanted)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print("\n".join(file.name for file in files))


main()
