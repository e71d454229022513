"""What can be passed through a graph entry by entry: enclosures or signs of curvature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from lipmat.spectral.smooth import Smooth


class Entries(ABC):
    """An array of n entries, of which something is known.

    Attributes:
        shape: Of the array.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def taken(self, places: Tensor) -> Self:
        """Return the entries at flat places, of their shape."""

    @abstractmethod
    def reshaped(self, shape: tuple[int, ...]) -> Self:
        """Return the same entries as an array of another shape."""

    @abstractmethod
    def constant(self, values: Tensor) -> Self:
        """Return numbers as entries of this kind."""

    @classmethod
    @abstractmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Return the entries of several arrays one after the other."""

    @abstractmethod
    def scaled(self, factor: Tensor) -> Self:
        """Return each entry times its own number (n,)."""

    @abstractmethod
    def shifted(self, constant: Tensor) -> Self:
        """Return each entry plus its own number (n,)."""

    @abstractmethod
    def mapped(self, matrix: Tensor, shape: tuple[int, int, int]) -> Self:
        """Return ``matrix @ x`` along the middle axis of the array seen as (before, m, after).

        Args:
            matrix: Shape (p, m).
            shape: ``(before, m, after)``.
        """

    @abstractmethod
    def through(self, function: Smooth) -> Self:
        """Return a smooth function of each entry."""

    @abstractmethod
    def __add__(self, other: Self) -> Self: ...

    @abstractmethod
    def __mul__(self, other: Self) -> Self: ...
