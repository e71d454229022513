"""Convexity of a graph by rules of composition, everywhere and exactly.

A sum of convex functions with weights that are not negative is convex; so is a convex function of
what is linear, a convex increasing function of what is convex, a convex decreasing one of what is
concave (Boyd & Vandenberghe, Convex Optimization, section 3.2.4). Input-convex networks are built
from these rules.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lipmat.spectral.entries import Entries
from lipmat.spectral.graph import Graph
from lipmat.spectral.passing import passed
from lipmat.spectral.smooth import Smooth


@dataclass(frozen=True)
class Curvature(Entries):
    """Which entries are known to be convex, and which concave; those that are linear are both.

    Attributes:
        shape: Of the array.
        convex: Shape (n,).
        concave: Shape (n,).
    """

    shape: tuple[int, ...]
    convex: Tensor
    concave: Tensor

    def taken(self, places: Tensor) -> Curvature:
        """Return the entries at flat places."""
        flat = places.reshape(-1)
        return Curvature(tuple(places.shape), self.convex[flat], self.concave[flat])

    def reshaped(self, shape: tuple[int, ...]) -> Curvature:
        """Return the same entries."""
        return Curvature(shape, self.convex, self.concave)

    def constant(self, values: Tensor) -> Curvature:
        """Return what numbers are: both."""
        both = torch.ones(values.numel(), dtype=torch.bool)
        return Curvature(tuple(values.shape), both, both)

    @classmethod
    def joined(cls, parts: list[Curvature]) -> Curvature:
        """Return the entries of several arrays."""
        convex = torch.cat([p.convex for p in parts])
        concave = torch.cat([p.concave for p in parts])
        return Curvature((len(convex),), convex, concave)

    def scaled(self, factor: Tensor) -> Curvature:
        """Return what is left by a factor: a negative one turns it."""
        convex = torch.where(factor >= 0, self.convex, self.concave)
        concave = torch.where(factor >= 0, self.concave, self.convex)
        zero = factor == 0
        return Curvature(self.shape, convex | zero, concave | zero)

    def shifted(self, constant: Tensor) -> Curvature:
        """Return the same."""
        return self

    def mapped(self, matrix: Tensor, shape: tuple[int, int, int]) -> Curvature:
        """Return what sums with weights are."""
        before, m, after = shape
        up, down = (matrix > 0).double(), (matrix < 0).double()

        def all_terms(with_plus: Tensor, with_minus: Tensor) -> Tensor:
            wrong = [(~x).double().reshape(before, m, after) for x in (with_plus, with_minus)]
            count: Tensor = up @ wrong[0] + down @ wrong[1]
            return (count == 0).reshape(-1)

        convex = all_terms(self.convex, self.concave)
        return Curvature((len(convex),), convex, all_terms(self.concave, self.convex))

    def through(self, function: Smooth) -> Curvature:
        """Return what a function of each entry is."""
        linear, up, bend = self.convex & self.concave, function.increasing, function.bend
        no = torch.zeros_like(linear)
        convex = (linear | self.convex if up else linear) if bend > 0 else no
        concave = (linear | self.concave if up else linear) if bend < 0 else no
        return Curvature(self.shape, convex, concave)

    def __add__(self, other: Curvature) -> Curvature:
        return Curvature(self.shape, self.convex & other.convex, self.concave & other.concave)

    def __mul__(self, other: Curvature) -> Curvature:
        """Return nothing of a product, but that the square of what is linear is convex."""
        no = torch.zeros_like(self.convex)
        square = self.convex & self.concave if self is other else no
        return Curvature(self.shape, square, no)


def is_convex(graph: Graph, size: int) -> bool:
    """Tell whether the rules prove that a scalar graph of a vector is convex everywhere.

    Functions that are defined for positive numbers alone, a root or a logarithm, count where they
    are defined.
    """
    both = torch.ones(size, dtype=torch.bool)
    return bool(passed(graph, Curvature((size,), both, both)).convex.all())
