"""The same law, mesh and integration in lipmat and in other codes; ``python -m`` this package."""
