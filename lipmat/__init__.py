"""Learned constitutive laws that come with a stable time step."""

__version__ = "0.1.0"
