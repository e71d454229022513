"""Constitutive laws, each with its bound; knows no finite elements."""
