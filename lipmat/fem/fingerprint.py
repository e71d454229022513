"""Hashes that tell whether two bodies are the same, however they are divided among the ranks."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from lipmat.fem.body import Body, Material
from lipmat.fem.mpi import on_root
from lipmat.fem.order import Order, cell_order, node_order, whole_mesh

Parts = tuple[bytes, ...]


def fingerprint(body: Body) -> dict[str, str]:
    """Return the SHA-256 of a body's ``mesh`` (nodes, cells) and of its ``materials``.

    Laws enter with their name, settings and arrays, materials with density, region and axes. All
    ranks must call this; all get the result.
    """
    nodes, cells = node_order(body.mesh), cell_order(body.mesh)
    points, corners = whole_mesh(body.mesh, nodes, cells)
    axes = [_axes(m, cells) for m in body.materials]

    def hashes() -> dict[str, str]:
        materials = [_material(m, a) for m, a in zip(body.materials, axes, strict=True)]
        formulation = body.formulation.encode()
        return {
            "mesh": _sha((points.tobytes(), corners.tobytes())),
            "materials": _sha((formulation, *(part for parts in materials for part in parts))),
        }

    return on_root(body.comm, hashes)


def _sha(parts: Parts) -> str:
    """Return the hash of byte strings, each with its length before it."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8))
        found.update(part)
    return found.hexdigest()


def _axes(material: Material, cells: Order) -> bytes:
    """Return the bytes of a material's axes, those of each cell in the order of the mesh file."""
    if material.axes is None:
        return b""
    axes = np.asarray(material.axes, dtype=np.float64)
    whole = axes if axes.ndim == 2 else cells.gather(axes)
    return b"" if whole is None else whole.tobytes()


def _material(material: Material, axes: bytes) -> Parts:
    law = material.law
    settings = json.dumps(law.settings(), sort_keys=True)
    text = repr((law.name, settings, float(material.density), material.region))
    arrays = [(name, law.arrays()[name].detach().cpu().numpy()) for name in law.array_names]
    return (text.encode(), axes, *(part for n, a in arrays for part in (n.encode(), a.tobytes())))
