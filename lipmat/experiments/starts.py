"""Directions and group ridges to start a training from, spread evenly over their orbits."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space

Array = NDArray[np.float64]
CANDIDATES = 400
ROUNDING = 1e-12  # of a projector's entries
SAME = 1e-6  # distance of two vectors that are one but for rounding


def spread_directions(
    group: Array,
    span: Array,
    special: Array,
    seed: int,
    most_directions: int,
    most_images: int | None = None,
) -> Array:
    """Return unit vectors far from one another and from each other's images.

    Candidates are chosen greedily, the one farthest from all chosen ones first; of two equally far
    that with fewer images, which costs less in a run.

    Args:
        group: Orthogonal matrices (g, d, d).
        span: Orthonormal columns, the space of the directions (d, s).
        special: Directions to have first (n, d).
        seed: Of the candidates.
        most_directions: How many there may be.
        most_images: How many images all of them may have together; None: any number.

    Returns:
        Shape (n, d).
    """
    rng = np.random.default_rng(seed)
    pool = _candidates(group, span, rng)
    images = _images(group, pool)
    sizes = np.array([len(distinct(i)) for i in images])
    chosen = [v / np.linalg.norm(v) for v in special[:most_directions]]
    left = np.inf if most_images is None else most_images
    left -= sum(len(distinct(i)) for i in _images(group, np.array(chosen))) if chosen else 0
    closest = np.zeros(len(pool))
    for v in chosen:
        closest = np.maximum(closest, np.abs(images @ v).max(1))
    while len(chosen) < most_directions:
        distance = np.arccos(np.clip(closest, 0.0, 1.0)) / np.sqrt(sizes)
        distance[sizes > left] = 0.0
        best = int(np.argmax(distance))
        if distance[best] < SAME:
            break
        chosen.append(pool[best])
        left -= sizes[best]
        closest = np.maximum(closest, np.abs(images @ pool[best]).max(1))
    return np.array(chosen)


def distinct(vectors: Array) -> Array:
    """Return the vectors (n, d) without repetitions, in their order."""
    far = np.abs(vectors[:, None] - vectors[None]).max(-1) > SAME
    first = [i for i in range(len(vectors)) if far[i, :i].all()]
    return vectors[first]


def snapped(group: Array, vector: Array) -> Array:
    """Return a vector (d,) freed of the rounding that keeps an element from leaving it alone."""
    out: Array = (stabiliser(group, vector) @ vector).mean(0)
    return out


def stabiliser(group: Array, vector: Array) -> Array:
    """Return the elements of a group that leave a vector (d,) alone, shape (s, d, d)."""
    near = np.abs(group @ vector - vector).max(1) <= SAME
    out: Array = group[near]
    return out


def invariant_space(group: Array) -> Array:
    """Return orthonormal columns (d, s): the vectors that no element of a group moves."""
    mean = group.mean(0)
    values, vectors = np.linalg.eigh(0.5 * (mean + mean.T))
    out: Array = vectors[:, values > 1.0 - 1e-6]
    return out


def invariant_forms(group: Array, shape: Array) -> Array:
    """Return matrices B (m, d, d) whose ``B^T B`` no element of a group changes.

    The identity, the change of shape, the group's irreducible spaces of two dimensions or more, and
    sums of two of all these.

    Args:
        group: Orthogonal matrices (g, d, d).
        shape: The matrix whose length is the change of shape, scaled to largest value 1, (d, d).
    """
    d = group.shape[1]
    trial = np.random.default_rng(0).normal(size=(d, d))
    mean = np.einsum("gij,jk,glk->il", group, trial + trial.T, group) / len(group)
    values, vectors = np.linalg.eigh(mean)
    starts = np.flatnonzero(np.diff(values, prepend=-np.inf) > 1e-6)
    parts = [vectors[:, i:j] for i, j in zip(starts, [*starts[1:], d], strict=True)]
    spaces = [p @ p.T for p in parts if p.shape[1] > 1]
    forms = [np.eye(d), shape, *(s for s in spaces if len(parts) > 1)]
    for i, j in product(range(len(spaces)), repeat=2):
        if i != j:
            forms.append(spaces[i] + 0.5 * spaces[j])
    out = np.array(forms)
    out[np.abs(out) < ROUNDING] = 0.0  # rows that are nothing stay so
    return out


def _candidates(group: Array, span: Array, rng: np.random.Generator) -> Array:
    """Return unit vectors (n, d) of the span: random ones, and ones that elements keep or flip."""
    out = []
    for number in range(CANDIDATES):
        space = span
        for _ in range(number % 3):
            element = group[rng.integers(len(group))]
            sign = rng.choice([1.0, -1.0])
            kept = null_space((element - sign * np.eye(len(element))) @ space, rcond=1e-9)
            space = space @ kept
        if space.shape[1]:
            vector = space @ rng.normal(size=space.shape[1])
            out.append(vector / np.linalg.norm(vector))
    return np.array(out)


def _images(group: Array, vectors: Array) -> Array:
    """Return all images of vectors (n, d), shape (n, g, d)."""
    out: Array = np.einsum("gij,nj->ngi", group, vectors)
    return out
