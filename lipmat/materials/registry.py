"""The laws of this package by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lipmat.errors import InputError, nearest
from lipmat.materials.adopted import Adopted
from lipmat.materials.carroll import Carroll
from lipmat.materials.conditioned import ConditionedStretch
from lipmat.materials.extended_tube import ExtendedTube
from lipmat.materials.johnson_cook import JohnsonCook
from lipmat.materials.law import Law
from lipmat.materials.linear import LinearElastic
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.pq import PQ
from lipmat.materials.principal_values import PrincipalValues
from lipmat.materials.ridge import Ridge

LAWS: Mapping[str, type[Law]] = MappingProxyType(
    {
        law.name: law
        for law in (
            PolyconvexStretch,
            ConditionedStretch,
            Carroll,
            ExtendedTube,
            LinearElastic,
            PrincipalValues,
            PQ,
            Ridge,
            Maxwell,
            JohnsonCook,
            Adopted,
        )
    }
)


def law_named(name: str) -> type[Law]:
    """Return the class of a law.

    Raises:
        InputError: There is no such law; the nearest known name is given.
    """
    if name not in LAWS:
        raise InputError(f"unknown law {name!r}, {nearest(name, LAWS)}")
    return LAWS[name]
