"""A law for a step: the stiffest whose certified step on a mesh is the one that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lipmat.cli.build import grid_of
from lipmat.config import MeshSpec, parse_mesh
from lipmat.errors import InputError
from lipmat.experiments.report import FittedLaw
from lipmat.fem.body import Body, Material
from lipmat.fem.step import Step, critical_step
from lipmat.materials.law import is_small_strain
from lipmat.materials.mandel import VOLUMETRIC
from lipmat.materials.network import NetworkLaw

Array = NDArray[np.float64]
Train = Callable[[Array | None], FittedLaw]
SOFTEST = 1e-3  # share of the least stiff law's C0 below which nothing of the material is left
TRIALS = 4  # the computed bound of a frequency is larger than the frequency by up to 0.1 %


@dataclass(frozen=True)
class StepRequest:
    """A step that a mesh is to have.

    Attributes:
        step: [s], positive.
        mesh: The mesh.
        density: [kg/m^3].
        level: Level of the certificate; None: the most that the law allows.
    """

    step: float
    mesh: MeshSpec
    density: float
    level: str | None

    @classmethod
    def parse(
        cls,
        step: str | None,
        mesh: str | None,
        density: str | None,
        level: str | None,
        known_density: float | None,
    ) -> Self | None:
        """Return the request of a command line, None if there is none.

        Raises:
            InputError: An option is missing or goes with no step, or the step is not positive.
        """
        from lipmat.units import to_si

        if step is None:
            for option, found in (("--mesh", mesh), ("--density", density), ("--level", level)):
                if found is not None:
                    raise InputError(f"{option}: found {found!r} without --step, expected both")
            return None
        if mesh is None:
            raise InputError("--step: found it without --mesh, expected the mesh it is meant for")
        value = to_si(step, "time", "--step")
        if not (isfinite(value) and value > 0):
            raise InputError(f"--step: found {step!r}, expected a positive time")
        given = known_density if density is None else to_si(density, "density", "--density")
        if given is None or given <= 0:
            raise InputError(f"--density: found {density}, expected one such as '930 kg/m^3'")
        return cls(value, parse_mesh(mesh), given, level)

    def step_of(self, law: FittedLaw) -> Step:
        """Return the certified step of the mesh made of a law, material axes along the mesh's."""
        axes = None if law.isotropic else np.eye(3)
        body = Body(grid_of(self.mesh), [Material(law, self.density, axes=axes)])
        return critical_step(body, self.level)


def fit_for_step(train: Train, request: StepRequest | None) -> FittedLaw:
    """Return the law, fitted under the bound that a requested step needs.

    The highest frequency goes with the root of C0, so the C0 of the least stiff law that fits is
    scaled by the square of the steps' ratio, and the law is fitted again below it. What that costs
    is said in the provenance under ``step``.

    Args:
        train: Fits a law below a bound C0 (6, 6) [Pa], or without one.
        request: The step; None: any.

    Raises:
        InputError: The law has no reference stiffness, or no material is left at that step.
    """
    free = train(None)
    if request is None:
        return free
    if not (isinstance(free, NetworkLaw) and is_small_strain(free)):
        raise InputError(
            f"--step: found law {free.name!r}, whose bound depends on the deformation, expected a "
            "law in small strain (principal-values, pq, ridge)"
        )
    first = request.step_of(free)
    if request.step <= first.value:
        return _with_step(free, request, first, {"certified": first.value, "binds": False})
    return _below(train, free, first, request)


def _below(train: Train, free: NetworkLaw, first: Step, request: StepRequest) -> FittedLaw:
    scale = (first.value / request.step) ** 2
    reference = free.reference() + 3.0 * float(free.bulk_modulus) * VOLUMETRIC
    for _ in range(TRIALS):
        if scale < SOFTEST:
            longest = first.value / SOFTEST**0.5
            raise InputError(
                f"--step: found {request.step:g} s, for which C0 would have to be {scale:.2g} of "
                f"what the data ask for, expected at most {longest:.3g} s; mend the smallest cells "
                "of the mesh or scale its mass"
            )
        law = train(_symmetric(scale * reference))
        found = request.step_of(law)
        if found.value >= request.step:
            break
        scale *= 0.9999 * (found.value / request.step) ** 2
    else:
        raise InputError(
            f"--step: found {request.step:g} s, but the certificate reaches {found.value:g} s only"
        )
    said = {
        "certified": found.value,
        "binds": True,
        "scale": scale,
        "tests_without_bound": free.provenance.entries["tests"],
    }
    assert isinstance(law, NetworkLaw)
    return _with_step(law, request, first, said)


def _with_step(
    law: NetworkLaw, request: StepRequest, first: Step, said: dict[str, Any]
) -> NetworkLaw:
    """Return the law with the step in its provenance."""
    about = {"requested": request.step, "without_bound": first.value, "level": first.level, **said}
    entries = {**law.provenance.entries, "step": about}
    law.provenance = type(law.provenance)(entries)
    return law


def _symmetric(matrix: Array) -> Array:
    out: Array = 0.5 * (matrix + matrix.T)
    return out
