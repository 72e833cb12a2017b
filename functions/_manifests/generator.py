"""Generators, which are not supported."""

from functions._manifests.shape import Shape


class GeneratorRef(Shape):
    """A generator, recognised so that it can be refused by name."""

    api_version: str = ""
    kind: str
    name: str
