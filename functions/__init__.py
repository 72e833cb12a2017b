"""The steps of a secret's life, one verb per module. `NAMES` is the table of contents.

Adding one: its module with a `STEP`, its test, and its name here. Everything else (Triggers, policies, who may send
what, the documentation) is rendered from these declarations.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from functions._step import Step

NAMES = (
    "publish", "materialize", "retract", "restart", "adopted",
    "create", "apply", "verify", "promote", "revoke", "renew", "index", "triage", "contain", "sweep", "record",
)  # fmt: skip

if TYPE_CHECKING:
    STEPS: tuple[Step, ...]
    BY_NAME: dict[str, Step]


def step(name: str) -> Step:
    """One of NAMES. Imports its module alone: a process of one step starts without the others and their needs."""
    found: Step = import_module(f"{__name__}.{name}").STEP
    return found


def __getattr__(name: str) -> Any:
    """`STEPS` and `BY_NAME`, made when somebody asks for all of them (PEP 562)."""
    if name == "STEPS":
        value: Any = tuple(map(step, NAMES))
    elif name == "BY_NAME":
        value = {name: step(name) for name in NAMES}
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
