"""A potential that was a torch network elsewhere: its traced operations, and a proof of its bound.

The law evaluates the operations as they were traced, with their float64 arrays; the code that the
network was written in is not needed. The bound holds over a declared range of principal strains or
stretches, which a run watches. The proof is a tree of boxes, each of which is evaluated again when
the bound is computed, see ``adopted_bound``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from math import prod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lipmat.materials import adopted_bound
from lipmat.materials.adopted_domain import SIZES, AdoptedDomain
from lipmat.materials.law import SMALL_STRAIN, Bound, Part, Provenance
from lipmat.materials.mandel import isotropic_stiffness
from lipmat.materials.network import register_arrays
from lipmat.spectral.curvature import is_convex
from lipmat.spectral.graph import Graph
from lipmat.spectral.tangent_search import values_and_gradients

AGREEMENT = 1e-9  # of the largest energy: what symmetry and rest may lack
STATES = 200  # at which they are tested
WORST_CONDITION = 1e4  # of the reference


@dataclass(frozen=True)
class Proof:
    """What the bound is computed from.

    Attributes:
        reference: Stiffness in whose units the tangent is bounded, symmetric and positive,
            shape (6, 6) [Pa]; of large deformation it is not used.
        tree: Halvings of the domain's box, see :class:`lipmat.spectral.tangent_search.Search`.
        extremes: States with the largest tangent and with its smallest eigenvalue that were found,
            shape (2, 3) or (2, 6) [-].
    """

    reference: Tensor
    tree: Tensor
    extremes: Tensor


class Adopted(nn.Module):  # type: ignore[misc]  # torch is not followed
    """The law of a traced potential.

    Args:
        graph: Energy density [J/m^3] of the numbers of the measure.
        domain: The measure, and the range of its principal values where the law is certified.
        proof: Of the bound there.
        provenance: Where the law comes from.

    Raises:
        ValueError: An array or a setting is not admissible.
    """

    name: ClassVar[str] = "adopted"
    array_names: ClassVar[tuple[str, ...]] = ("weights", "reference", "tree", "extremes")

    def __init__(
        self,
        graph: Graph,
        domain: AdoptedDomain,
        proof: Proof,
        provenance: Provenance | None = None,
    ) -> None:
        super().__init__()
        self.graph, self.domain = graph, domain
        flat = [a.reshape(-1) for a in graph.arrays]
        weights = torch.cat(flat) if flat else torch.zeros(0, dtype=torch.float64)
        found = (weights, proof.reference, proof.tree, proof.extremes)
        register_arrays(self, self.array_names, dict(zip(self.array_names, found, strict=True)))
        self.provenance = provenance or Provenance()
        self._check()

    def _check(self) -> None:
        size = SIZES[self.domain.measure]
        if self.reference.shape != (6, 6) or self.extremes.shape != (2, size):
            raise ValueError(
                f"found arrays reference {tuple(self.reference.shape)} and extremes "
                f"{tuple(self.extremes.shape)}, expected (6, 6) and (2, {size})"
            )
        if not torch.equal(self.reference, self.reference.T):
            raise ValueError("reference: found a matrix that is not symmetric")
        eigenvalues = torch.linalg.eigvalsh(self.reference)
        if not float(eigenvalues[0]) > float(eigenvalues[-1]) / WORST_CONDITION:
            raise ValueError(
                f"reference: found eigenvalues from {float(eigenvalues[0]):.3g} to "
                f"{float(eigenvalues[-1]):.3g}, expected a ratio of {WORST_CONDITION:g} at most"
            )
        if size == 3 and not _is_isotropic(self.reference):
            raise ValueError("reference: found none that is isotropic, expected one")
        if not bool(self.domain.holds(self.extremes, 1e-9).all()):
            raise ValueError("extremes: found a state outside of the domain")
        self._check_energy()

    def _check_energy(self) -> None:
        """Test what the proof takes for granted: rest, and for principal values their symmetry."""
        states, rest = self.domain.random(STATES), self.domain.at_rest()[None]
        energy, _ = values_and_gradients(self.graph, states)
        size = float(energy[:, 0].abs().max())
        least = AGREEMENT * size
        at_rest, stress = values_and_gradients(self.graph, rest)
        reach = self.domain.high - self.domain.low
        found = float(stress[0, 0].norm()) * reach
        if not (abs(float(at_rest[0, 0])) <= least and found <= least):
            raise ValueError(
                f"network: found the energy {float(at_rest[0, 0]):.3g} J/m^3 and the stress "
                f"{found / reach:.3g} Pa at rest, expected none"
            )
        for order in permutations(range(3)) if self.isotropic else ():
            turned, _ = values_and_gradients(self.graph, states[:, list(order)])
            apart = float((turned - energy).abs().max())
            if not apart <= least:
                raise ValueError(
                    f"network: found energies that differ by {apart:.3g} J/m^3 with the order of "
                    "the principal values, expected the same ones"
                )

    @property
    def proof(self) -> Proof:
        """What the bound is computed from."""
        return Proof(self.reference, self.tree, self.extremes)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The network, the only part."""
        return (Part("network", self.domain.measure),)

    @property
    def isotropic(self) -> bool:
        """Whether the measure is one of principal values."""
        return SIZES[self.domain.measure] == 3

    @cached_property
    def convex_by_rules(self) -> bool:
        """Whether rules of composition prove the network convex in its measure everywhere."""
        return is_convex(self.graph, SIZES[self.domain.measure])

    @property
    def convex(self) -> bool:
        """Whether the law is one of small strain and proved to be convex in its domain."""
        if self.domain.measure not in SMALL_STRAIN:
            return False
        return self.convex_by_rules or self.range.lower >= 0.0

    def network(self, x: Tensor) -> Tensor:
        """Return the energy density at the numbers of the measure (3,) or (6,) [J/m^3]."""
        return self.graph(x)

    @cached_property
    def range(self) -> adopted_bound.TangentBounds:
        """The certified bounds over the domain, evaluated on the leaves of the tree."""
        return adopted_bound.verify(self)

    def bound(self) -> Bound:
        """Return the certified bound over the domain, see ``adopted_bound``."""
        return self._bound

    @cached_property
    def _bound(self) -> Bound:
        return adopted_bound.certify(self)

    def rest_moduli(self) -> tuple[float, float]:
        """Return bulk and shear modulus at rest [Pa]; of an anisotropic law Voigt's averages."""
        return adopted_bound.rest_moduli(self)

    def arrays(self) -> dict[str, Tensor]:
        """Return the arrays that define the law."""
        return {key: getattr(self, key) for key in self.array_names}

    def settings(self) -> dict[str, Any]:
        """Return the operations, the shapes of their arrays and the domain."""
        return {
            "operations": self.graph.as_json(),
            "shapes": [list(a.shape) for a in self.graph.arrays],
            "domain": self.domain.as_dict(),
        }

    @classmethod
    def restore(
        cls, arrays: Mapping[str, Tensor], settings: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Build the law from what :meth:`arrays` and :meth:`settings` return.

        Raises:
            ValueError: An array, an operation or a setting is not admissible.
        """
        shapes = [tuple(s) for s in settings["shapes"]]
        counts = [prod(s) for s in shapes]
        weights = arrays["weights"]
        if weights.ndim != 1 or len(weights) != sum(counts):
            raise ValueError(f"weights: found {len(weights)} numbers, expected {sum(counts)}")
        pieces = [w.reshape(s) for w, s in zip(weights.split(counts), shapes, strict=True)]
        graph = Graph.from_json(settings["operations"], pieces)
        proof = Proof(arrays["reference"], arrays["tree"], arrays["extremes"])
        return cls(graph, AdoptedDomain(**settings["domain"]), proof, provenance)


def _is_isotropic(stiffness: Tensor) -> bool:
    """Tell whether a stiffness (6, 6) is ``3K P_vol + 2G P_dev``, to rounding."""
    own = isotropic_stiffness(float(stiffness[:3, :3].sum()) / 3.0, float(stiffness[3, 3]))
    expected = torch.from_numpy(own)
    return bool((stiffness - expected).abs().max() <= 1e-14 * expected.abs().max())
