"""The three small-strain laws as networks to train: their variable, their start, their arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.experiments import starts
from lipmat.experiments.orbit_network import OrbitNetwork
from lipmat.experiments.strain_tests import DEVIATORIC
from lipmat.experiments.training import Trained
from lipmat.experiments.whitening import root
from lipmat.materials.mandel import VOLUMETRIC
from lipmat.materials.network import NetworkLaw
from lipmat.materials.pq import PQ
from lipmat.materials.pq import sealed as sealed_pq
from lipmat.materials.principal_values import PrincipalValues
from lipmat.materials.principal_values import sealed as sealed_principal_values
from lipmat.materials.ridge import Ridge
from lipmat.materials.ridge import sealed as sealed_ridge
from lipmat.materials.symmetry import Symmetry, operators

Array = NDArray[np.float64]
NEGLIGIBLE = 1e-7  # share of the certificate below which a unit is left out


@dataclass(frozen=True, eq=False)
class Variable:
    """The whitened variable at the states of some pairs, and what its gradient is in stress.

    Attributes:
        x: Shape (b, d).
        lift: From the gradient in x to the stress, shape (b, r, d).
    """

    x: Array
    lift: Array


class Form(Protocol):
    """A law before training, in the variable whitened by a stiffness."""

    @property
    def root(self) -> Array:
        """Root of the whitening stiffness in the space of the pairs, (3, 3) or (6, 6)."""
        ...

    def variable(self, strain: Array) -> Variable:
        """Return the whitened variable at the strains of pairs."""
        ...

    def start(self, seed: int) -> tuple[OrbitNetwork, Array]:
        """Return a network to train, and the space of its directions as columns (d, s)."""
        ...

    def law(self, trained: Trained, bulk_modulus: float, settings: dict[str, Any]) -> NetworkLaw:
        """Return the law, its arrays sealed below the whitening if that is a bound."""
        ...


@dataclass(frozen=True, eq=False)
class PrincipalForm:
    """``principal-values``: x are the three whitened principal strains, in any order.

    Attributes:
        stiffness: (3K, 2G) of the whitening [Pa].
        separate: Whether the volume change is apart from the network.
        sealed: Whether the whitening is a bound to be kept.
    """

    UNITS, SIDE = 8, 5  # directions, and knots on either side of 0: 6 x 8 x 11 ramps
    SHAPE_UNITS, SHAPE_SIDE = 5, 9  # of changes of shape only: 6 x 5 x 19
    SPECIAL = ((1, 0, 0), (1, 1, 1), (1, -1, 0), (2, -1, -1), (1, 1, 0))
    SHAPE_SPECIAL = ((1, -1, 0), (2, -1, -1))

    stiffness: Array
    separate: bool
    sealed: bool

    @property
    def root(self) -> Array:
        """Root of the whitening stiffness in principal values, shape (3, 3)."""
        return _isotropic_root(self.stiffness)

    def variable(self, strain: Array) -> Variable:
        """Return whitened principal strains, and the root of the whitening for each."""
        return Variable(strain @ self.root, np.broadcast_to(self.root, (len(strain), 3, 3)))

    def start(self, seed: int) -> tuple[OrbitNetwork, Array]:
        """Return directions spread over the sphere, or over the circle of changes of shape."""
        group = np.array([np.eye(3)[list(p)] for p in permutations(range(3))])
        span = np.linalg.svd(DEVIATORIC)[0][:, :2] if self.separate else np.eye(3)
        special = self.SHAPE_SPECIAL if self.separate else self.SPECIAL
        units, side = (
            (self.SHAPE_UNITS, self.SHAPE_SIDE) if self.separate else (self.UNITS, self.SIDE)
        )
        first = np.array(special, dtype=np.float64)
        directions = starts.spread_directions(group, span, first, seed, units)
        return _network(group, directions, side), span

    def law(self, trained: Trained, bulk_modulus: float, settings: dict[str, Any]) -> NetworkLaw:
        """Return a :class:`PrincipalValues`."""
        arrays = _ridges(trained, sealed_principal_values if self.sealed else None)
        return PrincipalValues(*arrays, bulk_modulus, self.stiffness, **settings)


@dataclass(frozen=True, eq=False)
class PQForm:
    """``pq``: x = (p, q) of the whitened strain; the group is the reflection of q.

    Attributes:
        stiffness: (3K, 2G) of the whitening [Pa].
        separate: Whether the volume change is apart from the network.
        sealed: Whether the whitening is a bound to be kept.
    """

    UNITS, SIDE = 12, 10
    SHAPE_SIDE = 40  # of the one unit that changes of shape need

    stiffness: Array
    separate: bool
    sealed: bool

    @property
    def root(self) -> Array:
        """Root of the whitening stiffness in principal values, shape (3, 3)."""
        return _isotropic_root(self.stiffness)

    def variable(self, strain: Array) -> Variable:
        """Return p and q, and the directions of their stresses in principal axes."""
        deviator = strain @ DEVIATORIC
        size = np.linalg.norm(deviator, axis=1, keepdims=True)
        unit = deviator / np.where(size > 0, size, 1.0)
        axis = np.full_like(strain, 3.0**-0.5)
        bulk, shear = np.sqrt(self.stiffness)
        x = np.stack([bulk * strain.sum(1) / 3.0**0.5, shear * size[:, 0]], 1)
        return Variable(x, np.stack([bulk * axis, shear * unit], 2))

    def start(self, seed: int) -> tuple[OrbitNetwork, Array]:
        """Return directions spread over a quarter of the circle, or that of q alone."""
        group = np.array([np.eye(2), np.diag([1.0, -1.0])])
        if self.separate:
            span = np.array([[0.0], [1.0]])
            return _network(group, span.T, self.SHAPE_SIDE), span
        first = np.eye(2)
        directions = starts.spread_directions(group, np.eye(2), first, seed, self.UNITS)
        return _network(group, directions, self.SIDE), np.eye(2)

    def law(self, trained: Trained, bulk_modulus: float, settings: dict[str, Any]) -> NetworkLaw:
        """Return a :class:`PQ`."""
        arrays = _ridges(trained, sealed_pq if self.sealed else None)
        return PQ(*arrays, bulk_modulus, self.stiffness, **settings)


class RidgeForm:
    """``ridge``: x is the whitened Mandel strain in material axes.

    Args:
        stiffness: S of the whitening, with the symmetry, shape (6, 6) [Pa].
        symmetry: Of the material.
        sealed: Whether the whitening is a bound to be kept.
    """

    UNITS, IMAGES, SIDE = 24, 48, 4  # ridges, all their images, knots on either side of 0
    NORM_KNOTS = 11

    def __init__(self, stiffness: Array, symmetry: Symmetry, sealed: bool) -> None:
        self.stiffness, self.symmetry, self.sealed = stiffness, symmetry, sealed
        self.root = root(stiffness)

    def variable(self, strain: Array) -> Variable:
        """Return whitened strains, and the root of the whitening for each."""
        return Variable(strain @ self.root, np.broadcast_to(self.root, (len(strain), 6, 6)))

    def start(self, seed: int) -> tuple[OrbitNetwork, Array]:
        """Return ridges spread over their orbits, and group ridges that have the symmetry.

        Under transverse isotropy ridges see the two linear invariants only.
        """
        group = operators(self.symmetry).numpy()
        shape = (np.eye(6) - VOLUMETRIC) @ np.linalg.inv(self.root)
        norms = starts.invariant_forms(group, shape / np.linalg.norm(shape, 2))
        span = np.eye(6)
        if self.symmetry == "transversely-isotropic":
            span = starts.invariant_space(group)
            group = np.eye(6)[None]
        none = np.zeros((0, 6))
        most = 8 if span.shape[1] == 2 else self.UNITS
        directions = starts.spread_directions(group, span, none, seed, most, self.IMAGES)
        return _network(group, directions, self.SIDE, norms, self.NORM_KNOTS), span

    def law(self, trained: Trained, bulk_modulus: float, settings: dict[str, Any]) -> NetworkLaw:
        """Return a :class:`Ridge` with all images of each direction, each of them once."""
        net, curvature = _used(trained)
        ridges, groups = net.split(curvature)
        group = net.group.numpy()
        generators = [starts.snapped(group, a) for a in net.directions.numpy()]
        orbits = [starts.distinct(group @ a) for a in generators]
        counts = [len(o) for o in orbits]
        times = torch.tensor([len(net.group) / n for n in counts], dtype=torch.float64)
        repeats = torch.tensor(counts)
        a = torch.from_numpy(np.concatenate([*orbits, np.zeros((0, 6))]))
        m = (ridges * times[:, None]).repeat_interleave(repeats, 0)
        knots, norms = net.knots.repeat_interleave(repeats, 0), net.norms
        if self.sealed:
            both = (a, knots, m), (norms, net.norm_knots, groups)
            a, norms = sealed_ridge(*both, torch.from_numpy(self.stiffness))
        arrays = (a, knots, m, norms, net.norm_knots, groups, bulk_modulus, self.stiffness)
        return Ridge(*arrays, symmetry=self.symmetry, **settings)


def _isotropic_root(stiffness: Array) -> Array:
    bulk, shear = np.sqrt(stiffness)
    out: Array = np.full((3, 3), bulk / 3.0) + shear * DEVIATORIC
    return out


def _network(
    group: Array, directions: Array, side: int, norms: Array | None = None, norm_knots: int = 2
) -> OrbitNetwork:
    """Return a network whose knots are still to be placed: 0 in the middle."""
    n, d = directions.shape
    forms = np.zeros((0, d, d)) if norms is None else norms
    line = np.arange(-side, side + 1, dtype=np.float64)
    half = np.arange(norm_knots, dtype=np.float64)
    arrays = (group, directions, np.tile(line, (n, 1)), forms, np.tile(half, (len(forms), 1)))
    return OrbitNetwork(*map(torch.from_numpy, arrays))


def _ridges(
    trained: Trained, seal: Callable[[Tensor, Tensor, Tensor], Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return directions, shrunk if they are to be sealed, knots and curvature of an isotropic law.

    Args:
        trained: The network, without group ridges.
        seal: Shrinks directions so that the bound of their law is that of the whitening.
    """
    net, curvature = _used(trained)
    ridges = net.split(curvature)[0]
    a = seal(net.directions, net.knots, ridges) if seal else net.directions
    return a, net.knots, ridges


def _used(trained: Trained) -> tuple[OrbitNetwork, Tensor]:
    """Return network and curvature without units that do nothing."""
    net = trained.network
    shares = trained.largest * net.grams().diagonal(dim1=1, dim2=2).sum(1)
    keep = shares > NEGLIGIBLE * shares.sum()
    n = len(net.directions)
    ridges, groups = net.split(trained.curvature)
    one, two = keep[:n], keep[n:]
    smaller = OrbitNetwork(
        net.group, net.directions[one], net.knots[one], net.norms[two], net.norm_knots[two]
    )
    return smaller, torch.cat([ridges[one].flatten(), groups[two].flatten()])
