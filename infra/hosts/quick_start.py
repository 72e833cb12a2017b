"""What makes a process of one step start sooner; whoever starts one calls it before importing the step.

This module imports as little as it can: everything that it spares comes after it.
"""

import dataclasses
import gc
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

import typing_extensions

_PLUGINS = "pydantic.plugin._loader"
# A release of a library that is made otherwise than is assumed here is imported later, as it is.
_OTHERWISE = (TypeError, AttributeError)
_COMPILES = "_create_fn"  # of dataclasses: makes one method of a class from its text


@contextmanager
def unhurried_collection() -> Iterator[Callable[[], None]]:
    """No garbage collection until what is yielded is called, or the block is left; and never of what was made by then.

    Starting makes some hundred thousand objects that live as long as the process. Looking for garbage among them
    again and again is a tenth of a cold start.
    """
    gc.disable()
    try:
        yield _settle
    finally:
        _settle()


def _settle() -> None:
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def without_pydantic_plugins() -> None:
    """Pydantic's models, as they are.

    To look for plugins it reads the metadata of every installed package, and for that imports the parsers of mails and
    zip files: another tenth. PYDANTIC_DISABLE_PLUGINS spares the reading but not the imports, so its loader is
    replaced. Nor should a package that happens to be installed be handed every event.
    """
    loader = ModuleType(_PLUGINS)
    vars(loader)["get_plugins"] = tuple  # none
    sys.modules.setdefault(_PLUGINS, loader)


def without_described_schemas() -> None:
    """Pydantic's core, without what it tells type checkers about its schemas.

    That is 88 TypedDicts, whose annotations Python compiles one by one, a twentieth of a cold start; nothing that runs
    reads them. From Python 3.12 on they come from elsewhere, and nothing is changed.
    """
    described = typing_extensions.TypedDict
    vars(typing_extensions)["TypedDict"] = _Undescribed
    try:
        with suppress(*_OTHERWISE):
            importlib.import_module("pydantic_core.core_schema")
    finally:
        vars(typing_extensions)["TypedDict"] = described


class _Undescribed(dict[str, Any]):
    def __init_subclass__(cls, **_: Any) -> None:
        """As TypedDict takes `total`."""


def yaml_without_expressions() -> None:
    """PyYAML, whose regular expressions are compiled when one is first used.

    They are for what it does in Python; libyaml does that for us, and one of them goes over all of Unicode. That is
    another twentieth of a cold start.
    """
    compiles = re.compile
    vars(re)["compile"] = _Expression
    try:
        with suppress(*_OTHERWISE):
            importlib.import_module("yaml")
    finally:
        vars(re)["compile"] = compiles


class _Expression:
    """What `re.compile` would have made of the same arguments, as soon as anything of it is asked for."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._arguments, self._named = arguments, named

    def __getattr__(self, name: str) -> Any:
        return getattr(re.compile(*self._arguments, **self._named), name)  # which remembers what it made


def methods_when_called() -> None:
    """Dataclasses compile their methods when one is first called, no longer when the class is defined.

    A frozen class takes half a millisecond, nearly all of it for compiling six methods of which most are never called.
    A process of one step defines more than a hundred, two in five of them its libraries': a quarter of a cold start.
    What compiles is still the standard library, told the same, only later. From Python 3.13 on it compiles a class's
    methods at once and has no such function: then nothing changes.
    """
    compiles: Callable[..., Any] | None = vars(dataclasses).get(_COMPILES)
    if compiles is not None and compiles.__module__ == dataclasses.__name__:
        vars(dataclasses)[_COMPILES] = _when_called(compiles)


def _when_called(compiles: Callable[..., Any]) -> Callable[..., Any]:
    def described(name: str, *told: Any, **also: Any) -> Callable[..., Any]:
        compiled: Callable[..., Any] | None = None

        def first(*arguments: Any, **named: Any) -> Any:
            """Stands in the class until it is called, and from then on the compiled method does."""
            nonlocal compiled
            if compiled is None:
                compiled = compiles(name, *told, **also)
                compiled.__qualname__ = first.__qualname__
            for owner in type(arguments[0]).__mro__ if arguments else ():
                if vars(owner).get(name) is first:
                    setattr(owner, name, compiled)
            return compiled(*arguments, **named)

        first.__name__ = name
        return first

    return described
