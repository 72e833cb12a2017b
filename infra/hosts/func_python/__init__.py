"""A step as func-python serves it: `new()` is what it asks a function's package for."""

from infra.hosts.func_python.function import new

__all__ = ["new"]
