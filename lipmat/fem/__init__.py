"""Explicit finite elements with dolfinx; knows no training."""
