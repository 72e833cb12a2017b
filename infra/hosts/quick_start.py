"""What makes a process of one step start sooner; whoever starts one calls it before importing the step.

This module imports as little as it can: everything that it spares comes after it.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

_PLUGINS = "pydantic.plugin._loader"


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
