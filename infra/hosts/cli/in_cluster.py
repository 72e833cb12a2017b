"""Commands that ask a cluster instead of a running Lockstep: `--context [CONTEXT]`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from infra.hosts.cli.client import EXITS, ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.output import escaped, note

if TYPE_CHECKING:  # loading what speaks to a cluster takes longer than most commands do
    from infra.hosts.control.in_cluster import Question
    from infra.kubernetes.api import Api

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
ELSEWHERE = "not known here; ask where the broker runs (--root)"


def place_options(function: F) -> F:
    """`--root DIRECTORY`, or `--context [CONTEXT]`."""
    context = click.option("--context", "chosen", is_flag=False, flag_value="", metavar="[CONTEXT]",
        help="Ask the cluster of this kubeconfig context (last on the line: the current one) instead of a running "
        "Lockstep; with VAULT_ADDR or BAO_ADDR also the authority.",
    )  # fmt: skip
    root = click.option(
        "--root", envvar="LOCKSTEP_ROOT", show_envvar=True, type=click.Path(path_type=Path, file_okay=False),
        help="The directory of the installation.",
    )  # fmt: skip
    return root(context(function))


def needed(root: Path | None) -> Path:
    """The root, where no context was given. Raises CommandError."""
    if root is None:
        raise CommandError("give --root (or set LOCKSTEP_ROOT) for a running Lockstep, or --context", Exit.USAGE)
    return root


def answered(
    root: Path | None, context: str | None, asked: Callable[[ControlClient], Any], question: "Callable[[], Question]",
    timeout: float = 60.0,
) -> Any:  # fmt: skip
    """By the cluster, where a context was chosen; else by the running Lockstep, which may take `timeout` seconds.

    `question` loads what speaks to a cluster, and is made only for one. Raises CommandError.
    """
    if context is not None:
        return ask(context, question())
    return asked(ControlClient(needed(root), timeout))


def questions() -> Any:
    """infra.hosts.control.in_cluster: only now what speaks to a cluster is loaded."""
    from infra.hosts.control import in_cluster

    return in_cluster


def ask(context: str, question: "Question") -> Any:
    """Open the cluster, put the question, and leave. Raises CommandError."""
    # Here, and only here: who asks a running Lockstep need not load what speaks to a cluster.
    from functions._failures import StepFailure
    from infra.hosts.control.request import ControlError
    from infra.hosts.views.cluster import ClusterView
    from infra.hosts.wiring import cluster_settings, external_authority
    from infra.kubernetes.settings import InvalidSettings as InvalidCluster
    from infra.stores.vault.settings import InvalidSettings

    try:
        with ClusterView(cluster_settings(context), external_authority(), _notice) as view:
            return question(view)
    except (InvalidCluster, InvalidSettings) as failure:
        raise CommandError(str(failure), Exit.USAGE) from None
    except ControlError as failure:
        raise CommandError(failure.message, EXITS.get(failure.status, Exit.REFUSED)) from None
    except StepFailure as failure:
        raise CommandError(failure.reason, Exit.UNREACHABLE) from None


def with_cluster(context: str, look: "Callable[[Api], T]") -> T:
    """Look at a cluster's objects, where no wiring is to be followed for it. Raises CommandError."""
    from functions._failures import StepFailure
    from infra.hosts.wiring import cluster_settings
    from infra.kubernetes.api import Api
    from infra.kubernetes.settings import InvalidSettings

    try:
        api = Api(cluster_settings(context))
        try:
            return look(api)
        finally:
            api.close()
    except InvalidSettings as failure:
        raise CommandError(str(failure), Exit.USAGE) from None
    except StepFailure as failure:
        raise CommandError(failure.reason, Exit.UNREACHABLE) from None


def _notice(text: str) -> None:
    note(escaped(text))
