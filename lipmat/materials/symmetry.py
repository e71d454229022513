"""Material symmetry in Mandel components: groups of rotations as orthogonal 6 x 6 matrices.

Axes are those of the material: orthotropic planes are normal to the axes 1, 2, 3, a transversely
isotropic material has its fibres along axis 1, a cubic one its cube along all three.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations, product
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.materials.mandel import INDICES, ROOT2

Array = NDArray[np.float64]
Symmetry = Literal["orthotropic", "transversely-isotropic", "cubic", "none"]
_TURNS = 5
_AGREE = 1e-10  # relative, of arrays that ought to be images of one another


def checked_symmetry(name: str) -> Symmetry:
    """Return the name of a symmetry.

    Raises:
        ValueError: There is no such symmetry.
    """
    for known in get_args(Symmetry):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"symmetry: found {name!r}, expected one of {', '.join(get_args(Symmetry))}")


def strain_operator(rotation: Array) -> Array:
    """Return the 6 x 6 matrix that turns Mandel vectors as ``R e R^T`` turns tensors."""
    scale = np.array([1.0, 1.0, 1.0, ROOT2, ROOT2, ROOT2])
    out = np.empty((6, 6))
    for column, (i, j) in enumerate(INDICES):
        unit = np.zeros((3, 3))
        unit[i, j] = unit[j, i] = 1.0 if i == j else 1.0 / ROOT2
        turned = rotation @ unit @ rotation.T
        out[:, column] = scale * [turned[k, m] for k, m in INDICES]
    return out


@cache
def operators(symmetry: Symmetry) -> Tensor:
    """Return the operators of a group on Mandel vectors, shape (g, 6, 6).

    Orthotropic: 4. Cubic: 24. Transversely isotropic: the five turns by 72 degrees; what five
    turns leave alone, a vector or a quadratic form of strain, all turns leave alone, for its
    angular frequencies are at most 2 and 4.
    """
    return torch.from_numpy(np.stack([strain_operator(r) for r in _rotations(symmetry)]))


def _rotations(symmetry: Symmetry) -> list[Array]:
    if symmetry == "orthotropic":
        return [np.diag(s) for s in ((1.0, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))]
    if symmetry == "cubic":
        signed = [
            np.eye(3)[list(p)] * np.array(s)
            for p in permutations(range(3))
            for s in product((1.0, -1.0), repeat=3)
        ]
        return [r for r in signed if np.linalg.det(r) > 0]
    turns = range(_TURNS if symmetry == "transversely-isotropic" else 1)
    return [_about_first_axis(2.0 * np.pi * k / _TURNS) for k in turns]


def _about_first_axis(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def orbit(symmetry: Symmetry, vectors: Tensor) -> Tensor:
    """Return all images of vectors (n, 6), shape (n, g, 6); differentiable.

    For transverse isotropy, whose orbits are infinite, it is the mean over the turns, g = 1: the
    part of the vector that no turn changes.
    """
    images = torch.einsum("gij,nj->ngi", operators(symmetry), vectors)
    return images.mean(1, keepdim=True) if symmetry == "transversely-isotropic" else images


def average(symmetry: Symmetry, matrices: Tensor) -> Tensor:
    """Return the mean of ``G Q G^T`` over the group of matrices (..., 6, 6): its symmetric part."""
    group = operators(symmetry)
    return torch.einsum("gij,...jk,glk->...il", group, matrices, group) / len(group)


def has_symmetry(symmetry: Symmetry, vectors: Tensor, labels: Tensor) -> bool:
    """Tell whether the group maps a set of vectors (n, 6), each with its label, onto itself.

    Args:
        symmetry: The group.
        vectors: Vectors; under transverse isotropy each must stay where it is.
        labels: What belongs to each vector and is equal within an orbit, shape (n, m).
    """
    images = torch.einsum("gij,nj->gni", operators(symmetry), vectors)
    return _is_closed(images, labels, apart=symmetry == "transversely-isotropic")


def forms_have_symmetry(symmetry: Symmetry, forms: Tensor, labels: Tensor) -> bool:
    """Tell the same of quadratic forms of strain (n, 6, 6), which turn as ``G Q G^T``."""
    group = operators(symmetry)
    images = torch.einsum("gij,njk,glk->gnil", group, forms, group).flatten(2)
    return _is_closed(images, labels, apart=symmetry == "transversely-isotropic")


def _is_closed(images: Tensor, labels: Tensor, apart: bool) -> bool:
    """Tell whether all images (g, n, d) hold the same things, equally often, as the first.

    ``apart`` asks that each be its own image.
    """
    if images.shape[1] == 0:
        return True
    if apart:
        return float((images - images[0]).abs().max()) <= _AGREE * float(images.abs().max())
    alike = _equal(labels, labels, float(labels.abs().max()))
    same = _equal(images[0], images[0], float(images.abs().max())) & alike
    for image in images[1:]:
        meets = _equal(image, images[0], float(images.abs().max())) & alike
        if not bool((meets.sum(1) == same.sum(1)).all()):
            return False
    return True


def _equal(a: Tensor, b: Tensor, size: float) -> Tensor:
    return torch.cdist(a, b, p=float("inf")) <= _AGREE * size
