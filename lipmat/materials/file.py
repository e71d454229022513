"""The material file: float64 arrays in safetensors, all else as JSON in its metadata.

The metadata has one key, ``lipmat``, whose JSON has sorted keys, so that the same law gives the
same bytes. It ends in a digest of everything else in the file. No pickle is ever read.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from lipmat.errors import InputError
from lipmat.materials.describe import SCHEMA, bound_as_dict, describe
from lipmat.materials.law import Bound, Law, Provenance
from lipmat.materials.memory import PREFIX
from lipmat.materials.registry import law_named
from lipmat.spectral.branch_and_bound import TOLERANCE

KEY = "lipmat"
# Relative, between the stored bound and the one computed from the arrays, which is the one used:
# another processor may round otherwise and so close the boxes of branch and bound in another order,
# but both bounds enclose one maximum to this tolerance.
AGREEMENT = TOLERANCE


def save(law: Law, path: str | Path) -> None:
    """Write a law with its certified bound to a material file.

    The file is there whole or not at all: one that was there before stays until the new one is
    complete.

    Args:
        law: The law.
        path: Usually ``*.safetensors``.

    Raises:
        InputError: The file cannot be written.
    """
    arrays = {name: a.detach().contiguous() for name, a in law.arrays().items()}
    write(Path(path), describe(law), arrays)


def write(path: Path, description: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
    """Write a description and arrays, sealed by their digest, atomically.

    Raises:
        InputError: The file cannot be written.
    """
    sealed = {**description, "sha256": digest(description, arrays)}
    content = to_bytes(dict(arrays), metadata={KEY: _json(sealed)})
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written, {error.strerror or error}") from None
    finally:
        beside.unlink(missing_ok=True)


def load(path: str | Path) -> Law:
    """Read a law from a material file and check its bound against its arrays.

    Raises:
        InputError: The file is missing, no material file, of another schema version, altered, of an
            unknown law, with arrays that are missing or not admissible, or with a bound that does
            not recompute from them.
    """
    path = Path(path)
    description, arrays = _read(path)
    try:
        _check_seal(description, arrays)
        law = _restored(description, arrays)
        _check_bound(description["bound"], law.bound())
    except KeyError as error:
        raise InputError(f"{path}: the metadata lack {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: {error}") from None
    return law


def digest(description: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> str:
    """Return the SHA-256, in hexadecimal, of a description and arrays."""
    total = sha256(_json(description).encode())
    for name in sorted(arrays):
        array = arrays[name].numpy()
        total.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return total.hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY, "null")
            arrays = {name: file.get_tensor(name).clone() for name in sorted(file.keys())}
        description = json.loads(text)
    except FileNotFoundError:
        raise InputError(f"{path}: cannot be read, No such file or directory") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read, {error.strerror or error}") from None
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{path}: truncated or not a material file, {error}") from None
    if not isinstance(description, dict):
        raise InputError(f"{path}: found no metadata {KEY!r}, expected a material file")
    return description, arrays


def _check_seal(description: dict[str, Any], arrays: Mapping[str, Tensor]) -> None:
    """Check schema version and digest; the digest is taken out of the description."""
    if description.get("schema") != SCHEMA:
        version = description.get("schema")
        raise ValueError(f"found schema version {version!r}, expected {SCHEMA}")
    found = str(description.pop("sha256", None))
    computed = digest(description, arrays)
    if found != computed:
        raise ValueError(
            f"the file was altered, its digest is {computed[:16]}…, expected {found[:16]}…; "
            "fit the law again"
        )


def _restored(description: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> Law:
    law, settings = law_named(description["law"]), description["settings"]
    expected = set(law.array_names)
    if "equilibrium" in settings:
        rest = law_named(settings["equilibrium"]["law"])
        expected |= {PREFIX + name for name in rest.array_names}
    if set(arrays) != expected:
        raise ValueError(
            f"found arrays {', '.join(sorted(arrays)) or 'none'}, "
            f"expected {', '.join(sorted(expected))}"
        )
    for name, array in arrays.items():
        if array.dtype != torch.float64:
            raise ValueError(f"array {name!r}: found {array.dtype}, expected torch.float64")
    return law.restore(arrays, settings, Provenance(dict(description["provenance"])))


def _check_bound(stored: Mapping[str, Any], bound: Bound) -> None:
    found = dict(_leaves(stored))
    computed = dict(_leaves(bound_as_dict(bound)))
    for key in sorted(found.keys() | computed.keys()):
        a, b = found.get(key), computed.get(key)
        if not _agree(a, b):
            raise ValueError(
                f"bound {key}: found {a!r}, but the arrays give {b!r}; fit the law again"
            )


def _agree(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=AGREEMENT)
    return bool(a == b)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what a JSON value holds, with the path to it."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, child in items:
            yield from _leaves(child, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
