"""Compiles C code once, and keeps the libraries for later runs."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cffi

from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
import dolfinx.jit

FLAGS = ("-std=gnu17", "-O3", "-march=native", "-ffast-math", "-fPIC", "-w")


def library(
    name: str, signature: str, declarations: str, source: Callable[[], str]
) -> tuple[Any, Any]:
    """Return cffi's interface and a compiled library, from dolfinx's cache if it is there.

    Args:
        name: For the file.
        signature: Of what the source is generated from; the same signature, the same source.
        declarations: Of its functions.
        source: Returns the C code; called only if the library is not in the cache.

    Raises:
        RuntimeError: There is no C compiler, or it refuses the code.
    """
    folder = Path(dolfinx.jit.get_options()["cache_dir"])
    key = hashlib.sha256("\n".join((signature, _target())).encode()).hexdigest()[:32]
    path = folder / f"lipmat_{name}_{key}.so"
    ffi = cffi.FFI()
    ffi.cdef(declarations)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compile(path, source())
    return ffi, ffi.dlopen(str(path))


def _compile(path: Path, source: str) -> None:
    """Write the library; another process that does so at the same time does no harm.

    It is linked without the flags: with ``-ffast-math`` GCC would link code that makes the whole
    process take subnormal numbers for zero.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        code, compiled, built = (Path(folder, name) for name in ("code.c", "code.o", "built.so"))
        code.write_text(source)
        _run([*_compiler(), *FLAGS, "-c", str(code), "-o", str(compiled)])
        _run([*_compiler(), "-shared", str(compiled), "-o", str(built), "-lm"])
        os.replace(built, path)


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise RuntimeError(
            f"C compiler: found no {command[0]!r}, expected one; install gcc or clang, or set "
            "the environment variable CC"
        ) from error
    if done.returncode:
        raise RuntimeError(f"C compiler: {shlex.join(command)} failed: {done.stderr[:2000]}")


def _compiler() -> list[str]:
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


@cache
def _target() -> str:
    """Return what a compiled library depends on besides its source."""
    cpu = ""
    if (info := Path("/proc/cpuinfo")).exists():
        lines = info.read_text().splitlines()
        cpu = next((x for x in lines if x.startswith(("flags", "Features"))), "")
    return "\n".join((*_compiler(), *FLAGS, platform.machine(), cpu))
