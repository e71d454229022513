"""Files that are whole at every moment, also when the process is killed or the disk is full."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its place, bring it to the disk, and put it in its place.

    Raises:
        OSError: The file cannot be written; the old one stays as it was.
    """
    beside = path.with_suffix(".part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_to_disk(path.parent)


def sync_to_disk(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def assure_room(descriptor: int, size: int) -> None:
    """Check that a file can grow: for writers that do not recover from a full disk half way.

    Where the system cannot tell (macOS), the writer finds out itself.

    Args:
        descriptor: Of the file, open for writing.
        size: Bytes to be added.

    Raises:
        OSError: The disk is full, or a quota or a limit is reached.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    end = os.fstat(descriptor).st_size
    try:
        os.posix_fallocate(descriptor, end, size)
    finally:
        os.ftruncate(descriptor, end)
