"""Rotations from end to end, with real servers."""
