"""The least-squares problem of a fit: unknown spline weights, and residuals that are all relative.

Unknowns are counted in units of the stress scale of the tests, so that one weight of the stiffness
and one of the roughness serve all data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from lipmat.errors import InputError
from lipmat.experiments.linear_model import LinearModel, linear_model, linearised_model
from lipmat.experiments.modes import Measurement, Response
from lipmat.experiments.stiffness import domain_paths, incompressible_tangent, path_end
from lipmat.materials.domain import StretchDomain
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.stretches import principal_forces
from lipmat.spectral.power_iteration import PowerIteration

STIFFNESS = 1e-4  # weight of the relative tangent; one value for all data
ROUGHNESS = 4e-4  # weight of its relative change along the stretch; one value for all data
KNOTS_BELOW, KNOTS_ABOVE = 5, 15
ASSUMED_BULK_RATIO = 100.0  # bulk over shear modulus when nothing tells it (Poisson's ratio 0.495)
SMALLEST_BULK = 1e-6  # over the stress scale: a fitted one may tend to zero, as in a foam
VOLUME_RANGE = (0.6, 1.6)  # of the declared domain, unless tests reach further
POWER_STEPS = 8
_FITTED = ("stretch_tension", "stretch_curvature", "area_tension", "area_curvature")


class Problem:
    """Residuals of a fit as a function of the unknown weights.

    The unknowns are f'(0), f'' at the knots, g'(0), g'' at the knots, and the bulk modulus if it
    is fitted, all over :attr:`scale`.

    Args:
        measurements: The tests to fit.
        seed: Of the random start of the power iteration.
        bulk_modulus: If given [Pa]; else it is fitted if a test tells it.
        reach: Tests that the knots and the declared domain span. Default: those that are fitted.

    Attributes:
        scale: Root mean square stress of the tests [Pa].
        range: Smallest and largest principal stretch of the tests [-].

    Raises:
        InputError: No test changes the shape of the material.
    """

    def __init__(
        self,
        measurements: Sequence[Measurement],
        seed: int,
        bulk_modulus: float | None,
        reach: Sequence[Measurement] | None = None,
    ) -> None:
        self.measurements = measurements
        invariant = largest_invariant(reach or measurements)
        states = torch.cat([m.stretches for m in reach or measurements])
        self.range = (float(states.min()), float(states.max()))
        mean_squares = torch.stack([(m.measured**2).mean() for m in measurements])
        self.scale = float(mean_squares.mean().sqrt())
        self.paths = domain_paths(invariant)
        self.domain = declared_domain(states, invariant)
        self.stretch_knots = _knots(self.domain.stretch_max)
        self.area_knots = _knots(path_end("equibiaxial", invariant) ** 2)
        self.reach = path_end("uniaxial", invariant) - 1.0
        self._weights = len(self.stretch_knots) + len(self.area_knots) + 2
        self.given_bulk = bulk_modulus
        self.fits_bulk = bulk_modulus is None and any(tells_bulk(m) for m in measurements)
        self._energy = _Energy(self.with_bulk(self.start(), self.scale))
        self._tangents = self._path_tangents()
        self._fixed = [linear_model(m, self._units) for m in measurements if not m.free]
        self._free = [m for m in measurements if m.free]
        generator = torch.Generator().manual_seed(seed)
        self._power = PowerIteration(len(self.paths), 3, POWER_STEPS, generator)
        self.follow(self.start())

    @property
    def bulk_origin(self) -> str:
        """Where the bulk modulus comes from, in words."""
        if self.given_bulk is not None:
            return "given"
        return "fitted" if self.fits_bulk else f"assumed {ASSUMED_BULK_RATIO:g} x shear modulus"

    def start(self) -> Tensor:
        """Return the unknowns to start from."""
        start = torch.full((self._weights,), 0.1, dtype=torch.float64)
        return torch.cat([start, start.new_tensor([10.0])]) if self.fits_bulk else start

    def law(self, x: Tensor) -> PolyconvexStretch:
        """Return the law of the unknowns, in SI, on its declared domain."""
        if self.given_bulk is not None:
            return self.with_bulk(x, self.given_bulk)
        if self.fits_bulk:
            return self.with_bulk(x, max(float(x[-1]), SMALLEST_BULK) * self.scale)
        shear_modulus = self.with_bulk(x, self.scale).rest_moduli()[1]
        return self.with_bulk(x, ASSUMED_BULK_RATIO * shear_modulus)

    def follow(self, x: Tensor) -> None:
        """Let the power iteration follow the direction of the largest tangent."""
        self._power.update(torch.einsum("unij,u->nij", self._tangents[0], x[: self._weights]))

    def linearised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return stress errors, tangents and roughness, all relative (m,), and derivative (m, u).

        All are linear in the unknowns but where tests have free faces.
        """
        free = [linearised_model(m, self._units, self._response(x), x) for m in self._free]
        parts = [self._stress_error(model, x) for model in (*self._fixed, *free)]
        rows = self.regularisation()
        parts.append((rows @ x, rows))
        errors, derivatives = zip(*parts, strict=True)
        return torch.cat(errors), torch.cat(derivatives)

    def columns(self) -> list[LinearModel]:
        """Return what the unknowns make of the tests without free faces, over the scale."""
        return self._fixed

    def regularisation(self, roughness: float = ROUGHNESS) -> Tensor:
        """Return rows whose products with the unknowns are tangents and roughness, relative."""
        return torch.cat([self._stiffness(), self._roughness(roughness)])

    def _stress_error(self, model: LinearModel, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a test's errors; every test has the same weight, whatever its size."""
        measured = model.measured / self.scale
        size = size_of(measured, len(self.measurements))
        return (model.at(x) - measured) / size, model.columns / size

    def _stiffness(self) -> Tensor:
        hessians, pairs = self._tangents
        largest = torch.func.vmap(self._power.estimate)(hessians)
        rows = torch.cat([largest, pairs.flatten(1)], 1).T
        return self._padded(STIFFNESS * self.reach * rows / np.sqrt(len(self.paths)))

    def _roughness(self, weight: float) -> Tensor:
        _, f2, _, g2 = self._split(torch.eye(self._weights, dtype=torch.float64))
        rows = [
            weight * self.reach * (torch.diff(m) * torch.sqrt(self.reach / torch.diff(knots))).T
            for knots, m in ((self.stretch_knots, f2), (self.area_knots, g2))
        ]
        return self._padded(torch.cat(rows))

    def _padded(self, rows: Tensor) -> Tensor:
        """Return rows with a column for the bulk modulus, on which they do not depend."""
        return torch.cat([rows, rows.new_zeros(len(rows), 1)], 1) if self.fits_bulk else rows

    def _forces(self, states: Tensor, again: bool = False) -> tuple[Tensor, Tensor]:
        """Return the forces (u, n, 3) of each unknown weight alone, and the states (u, n, 3).

        They can be differentiated once more if so asked.
        """
        units = torch.eye(self._weights, dtype=torch.float64)

        def energy(x: Tensor, s: Tensor) -> Tensor:
            return self._potential(x)(s)

        with torch.enable_grad():
            each = states.expand(len(units), -1, -1).clone().requires_grad_()
            energies = torch.func.vmap(torch.func.vmap(energy, (None, 0)))(units, each)
            (forces,) = torch.autograd.grad(energies.sum(), each, create_graph=again)
        return forces, each

    def _path_tangents(self) -> tuple[Tensor, Tensor]:
        """Return Hessians (u, n, 3, 3) and pairs (u, n, 6) of each unknown along the paths."""
        forces, each = self._forces(self.paths, again=True)
        rows = [torch.autograd.grad(p.sum(), each, retain_graph=True)[0] for p in forces.unbind(2)]
        arrays = each.detach(), forces.detach(), torch.stack(rows, 2)
        hessians, pairs = incompressible_tangent(*(a.flatten(0, 1) for a in arrays))
        return hessians.unflatten(0, each.shape[:2]), pairs.unflatten(0, each.shape[:2])

    def _units(self, states: Tensor) -> list[Response]:
        """Return the law without unknowns and that of each one, at some states only."""
        forces, _ = self._forces(states)
        nothing = torch.zeros_like(states)
        laws = [_known(f, self._known_bulk) for f in (nothing, *forces)]
        return [*laws, _known(nothing, 1.0)] if self.fits_bulk else laws

    def _response(self, x: Tensor) -> Response:
        potential = self._potential(x)
        bulk = x[-1] if self.fits_bulk else self._known_bulk
        return Response(
            forces=lambda s: principal_forces(potential, s), bulk=lambda j: bulk * (j - 1.0)
        )

    @property
    def _known_bulk(self) -> float:
        """The bulk modulus over the scale; 0 if it is fitted, or if no test depends on it."""
        return (self.given_bulk or 0.0) / self.scale

    def _potential(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the law's own distortional energy with other weights."""
        weights = {f"law.{k}": v for k, v in zip(_FITTED, self._split(x), strict=True)}

        def potential(s: Tensor) -> Tensor:
            value: Tensor = torch.func.functional_call(self._energy, weights, (s,))
            return value

        return potential

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n, m = len(self.stretch_knots), len(self.area_knots)
        f0, f2, g0, g2 = x[..., : self._weights].split([1, n, 1, m], -1)
        return f0.squeeze(-1), f2, g0.squeeze(-1), g2

    def with_bulk(self, x: Tensor, bulk_modulus: float) -> PolyconvexStretch:
        """Return the law of the unknowns with another bulk modulus [Pa]."""
        f0, f2, g0, g2 = self._split(x * self.scale)
        kappa = torch.tensor(bulk_modulus, dtype=torch.float64)
        return PolyconvexStretch(
            self.stretch_knots, f0, f2, self.area_knots, g0, g2, kappa, self.domain
        )


def _known(forces: Tensor, bulk_modulus: float) -> Response:
    """Return a law whose forces are known at some states."""
    return Response(forces=lambda _: forces, bulk=lambda j: bulk_modulus * (j - 1.0))


class _Energy(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Makes the law's distortional energy callable with other weights."""

    def __init__(self, law: PolyconvexStretch) -> None:
        super().__init__()
        self.law = law

    def forward(self, stretches: Tensor) -> Tensor:
        return self.law.distortional(stretches)


def size_of(measured: Tensor, tests: int) -> float:
    """Return what the errors of a test are divided by, so that all tests have the same weight."""
    return float((measured**2).mean().sqrt()) * float(np.sqrt(len(measured) * tests))


def largest_invariant(measurements: Sequence[Measurement]) -> float:
    """Return the largest first invariant ``sum l_i^2 / J^(2/3)`` of the tests.

    Raises:
        InputError: No test changes the shape of the material.
    """
    states = torch.cat([m.stretches for m in measurements])
    invariant = float(((states**2).sum(1) / states.prod(1) ** (2 / 3)).max())
    if invariant <= 3.0 + 1e-6:
        raise InputError(f"{measurements[0].test.path}: no test stretches the material")
    return invariant


def declared_domain(states: Tensor, invariant: float) -> StretchDomain:
    """Return a domain that holds the tests and all paths up to the same first invariant."""
    volume = states.prod(1)
    return StretchDomain(
        min(float(states.min()), 1.0 / path_end("equibiaxial", invariant) ** 2),
        max(float(states.max()), path_end("uniaxial", invariant)),
        min(float(volume.min()), VOLUME_RANGE[0]),
        max(float(volume.max()), VOLUME_RANGE[1]),
    )


def tells_bulk(m: Measurement) -> bool:
    """Tell whether a test depends on the bulk modulus."""
    return m.test.mode == "volumetric" or (
        m.test.mode != "simple_shear" and m.test.lateral != "incompressible"
    )


def _knots(last: float) -> Tensor:
    """Return knots from 0 through 1, the rest state, to the last."""
    below = torch.linspace(0, 1, KNOTS_BELOW + 1, dtype=torch.float64)[:-1]
    return torch.cat([below, torch.linspace(1, last, KNOTS_ABOVE, dtype=torch.float64)])
