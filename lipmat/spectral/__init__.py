"""Bounded maps and their certificates; knows no mechanics."""
