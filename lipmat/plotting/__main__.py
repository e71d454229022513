"""The drawing process.

``python -m lipmat.plotting FOLDER [picture] [movie]`` draws a run, and
``python -m lipmat.plotting --cells DATA PICTURE`` the cells' own limits of the step.
"""

import sys
from pathlib import Path

from lipmat.errors import InputError
from lipmat.plotting.cells import draw_cells
from lipmat.plotting.draw import draw_run


def main() -> None:
    """Draw, and print the names of the files written, one on a line."""
    first, *wanted = sys.argv[1:]
    try:
        if first == "--cells":
            files = [draw_cells(Path(wanted[0]), Path(wanted[1]))]
        else:
            files = draw_run(Path(first), "picture" in wanted, "movie" in wanted)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print("\n".join(file.name for file in files))


main()
