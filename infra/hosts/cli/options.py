"""Options that several commands share, named as kubectl names them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def root_option(function: F) -> F:
    """`--root DIRECTORY` or LOCKSTEP_ROOT."""
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
    one = click.option("-n", "--namespace", metavar="NAMESPACE", help="Only this namespace.")
    return one(everywhere(function))


def output_option(*formats: str) -> Callable[[F], F]:
    """`-o json|yaml|wide`: without it, a table for people."""

    def decorate(function: F) -> F:
        return click.option(
            "-o", "--output", type=click.Choice(formats or ("json", "yaml", "wide")), help="Another form of output."
        )(function)

    return decorate
