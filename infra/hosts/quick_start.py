"""What makes a process of one step start sooner; whoever starts one calls it before importing the step.

This module imports as little as it can: everything that it spares comes after it.
"""

import dataclasses
import functools
import gc
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

import typing_extensions

_PLUGINS = "pydantic.plugin._loader"
_ZONES = "zoneinfo"
# A release of a library that is made otherwise than is assumed here is imported later, as it is.
_OTHERWISE = (TypeError, AttributeError)
_COMPILES = "_create_fn"  # of dataclasses: makes one method of a class from its text
_OFTEN = 8  # objects of a class: from here on compiling takes less than doing without


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


class _Alike(type):
    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any], **_: Any) -> Any:
        """No class of its own for what is derived from one of these. `_`: TypedDict takes `total`."""
        return bases[0] if isinstance(bases[0], _Alike) else super().__new__(cls, name, bases, members)

    def __init__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any], **_: Any) -> None:
        """Nothing more: it is made by now."""


class _Undescribed(dict[str, Any], metaclass=_Alike):
    """Stands for TypedDict, and for each of them."""


def without_time_zones() -> None:
    """Pydantic, without the type of fields that hold a time zone: no model here has one.

    For that type alone it imports `zoneinfo`, which looks up where the machine keeps its zones in all that Python's
    build was configured with: a hundredth of a cold start. Whoever imports `zoneinfo` afterwards gets the real one.
    """
    if _ZONES in sys.modules:
        return
    stand_in = ModuleType(_ZONES)
    vars(stand_in).update(ZoneInfo=type("ZoneInfo", (), {}), ZoneInfoNotFoundError=KeyError)
    sys.modules[_ZONES] = stand_in
    try:
        with suppress(*_OTHERWISE):
            importlib.import_module("pydantic.main")
            importlib.import_module("pydantic.types")
    finally:
        del sys.modules[_ZONES]


def expressions_when_used() -> None:
    """Regular expressions that a module or class makes when it is imported are compiled when one is first used.

    A process of one step imports eighty, its libraries' and its own, and uses a quarter of them: a twentieth of a cold
    start. What a function compiles is compiled at once: it may want to know whether that is an expression.
    """
    compiles = re.compile
    if compiles.__module__ == re.__name__:

        def compiled(*arguments: Any, **named: Any) -> Any:
            of_function = sys._getframe(1).f_code.co_flags & inspect.CO_OPTIMIZED
            return compiles(*arguments, **named) if of_function else _Expression(compiles, arguments, named)

        vars(re)["compile"] = compiled


class _Expression:
    """What `re.compile` would have made of the same arguments, as soon as anything of it is asked for."""

    def __init__(self, compiles: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self._compiled = functools.partial(compiles, *arguments, **named)  # which remembers what it made

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._compiled(), name)
        vars(self)[name] = found
        return found

    @property  # type: ignore[misc]  # typed as what never changes; it is how an object passes for another class's
    def __class__(self) -> type:
        """For `re`'s functions, and whoever else asks by `isinstance`."""
        return re.Pattern


def methods_when_called() -> None:
    """Dataclasses compile their methods when they are called, no longer when the class is defined.

    A frozen class takes half a millisecond, nearly all of it for compiling six methods of which most are never called.
    A process of one step defines more than a hundred, two in five of them its libraries': a quarter of a cold start.
    Half of them make one or two objects, so that `__init__` is compiled only when it was called a few times, and
    until then sets the fields one by one. What compiles is still the standard library, told the same, only later. From
    Python 3.13 on it compiles a class's methods at once and has no such function: then nothing changes.
    """
    compiles: Callable[..., Any] | None = vars(dataclasses).get(_COMPILES)
    if compiles is not None and compiles.__module__ == dataclasses.__name__:
        vars(dataclasses)[_COMPILES] = _when_called(compiles)


def _when_called(compiles: Callable[..., Any]) -> Callable[..., Any]:
    def described(name: str, *told: Any, **also: Any) -> Callable[..., Any]:
        compiled: Callable[..., Any] | None = None
        calls = 0

        def first(*arguments: Any, **named: Any) -> Any:
            """Stands in the class until it is called, or called often, and from then on the compiled method does."""
            nonlocal compiled, calls
            owners = [each for each in type(arguments[0]).__mro__ if vars(each).get(name) is first] if arguments else ()
            if name == "__init__" and owners and calls < _OFTEN:
                calls += 1
                if _initialized(owners[0], arguments[0], arguments[1:], named):
                    return None
            if compiled is None:
                compiled = compiles(name, *told, **also)
                compiled.__qualname__ = first.__qualname__
            for owner in owners:
                setattr(owner, name, compiled)
            return compiled(*arguments, **named)

        first.__name__ = name
        return first

    return described


def _initialized(owner: type[Any], made: Any, given: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Set the fields as the compiled method would; False, with nothing done, for what only that one knows to do."""
    fields = dataclasses.fields(owner)
    if len(fields) < len(owner.__dataclass_fields__) or not all(each.init for each in fields):
        return False
    places = [each.name for each in fields if not each.kw_only]
    values = dict(zip(places, given, strict=False))
    if len(given) > len(places) or not values.keys().isdisjoint(named):
        return False
    values |= named
    told = [each for each in fields if each.name in values]
    if len(told) < len(values) or any(_required(each) for each in fields if each.name not in values):
        return False
    put = object.__setattr__ if owner.__dataclass_params__.frozen else setattr
    for each in fields:
        name = each.name
        put(made, name, values[name] if name in values else _default(each))
    if hasattr(owner, "__post_init__"):
        made.__post_init__()
    return True


def _required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: "dataclasses.Field[Any]") -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
