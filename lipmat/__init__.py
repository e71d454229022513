"""Learned constitutive laws that come with a stable time step."""
