"""Options that several commands share, named as kubectl names them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_MOMENT = re.compile(r"[0-9]+|[0-9]+(\.[0-9]+)?(ms|s|m|h|d)")


class Given(click.ParamType[str]):
    """Text that is not empty: an unset variable of a script names nothing, and least of all everything."""

    def __init__(self, expected: str) -> None:
        self.name = expected.lower()
        self._expected = expected

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value.strip():
            self.fail(f"it is empty; give {self._expected}", param, ctx)
        return value


class Moment(click.ParamType[str]):
    """A position of the timeline, or how long ago."""

    name = "position|duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if _MOMENT.fullmatch(value) is None:
            self.fail(f"{value[:80]!r} is neither a position (a number) nor a duration: 30s, 10m, 2h, 1d", param, ctx)
        return value


NAME = Given("NAMESPACE/NAME, KIND/NAMESPACE/NAME or MOUNT/PATH")
NAMESPACE = Given("a namespace")
SCOPE = Given("'*', NAMESPACE, NAMESPACE/NAME or MOUNT/PATH")
CORRELATION = Given("the id that events have as their correlation")
MOMENT = Moment()


def _refuse_context(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        from infra.hosts.cli.elsewhere import where_it_runs  # loads what speaks to a cluster

        raise click.UsageError(where_it_runs(context, value))


_WITHOUT_CONTEXT = click.option(
    "--context", "elsewhere", is_flag=False, flag_value="", is_eager=True, expose_value=False, hidden=True,
    callback=_refuse_context,
)  # fmt: skip


def root_option(function: F) -> F:
    """`--root DIRECTORY` or LOCKSTEP_ROOT. A command without a `--context` of its own says where to ask instead."""
    if all(each.name not in ("context", "chosen") for each in getattr(function, "__click_params__", ())):
        function = _WITHOUT_CONTEXT(function)
    return click.option(
        "--root",
        envvar="LOCKSTEP_ROOT",
        show_envvar=True,
        required=True,
        type=click.Path(path_type=Path, file_okay=False),
        help="The directory of the installation.",
    )(function)


def namespace_options(function: F) -> F:
    """`-n NAMESPACE` and `-A`."""
    everywhere = click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces (the default).")
    one = click.option("-n", "--namespace", type=NAMESPACE, metavar="NAMESPACE", help="Only this namespace.")
    return one(everywhere(function))


def output_option(*formats: str) -> Callable[[F], F]:
    """`-o json|yaml|wide`: without it, a table for people."""

    def decorate(function: F) -> F:
        return click.option(
            "-o", "--output", type=click.Choice(formats or ("json", "yaml", "wide")), help="Another form of output."
        )(function)

    return decorate
