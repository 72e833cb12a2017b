"""`lockstep manifests`: everything that `kubectl apply` needs, bound to what the manifests wire."""

from collections.abc import Iterable
from pathlib import Path

import click
from click.core import ParameterSource

from infra.deploy.manifests.installation import (
    AUTHORITY_PODS,
    BROKER_KINDS,
    DEFAULT_AUTHORITY,
    EXAMPLE_IMAGE,
    TARGETS,
    BrokerKind,
    Installation,
    InstallationError,
    Target,
)
from infra.deploy.rbac import notices
from infra.hosts.audit_stream import port_beyond_loopback
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.output import note, say
from infra.hosts.configuration import Configuration, ConfigurationError, load
from infra.hosts.installing import rendered, wiring_of
from infra.wiring.access import AccessError
from infra.wiring.access_policy import load_policy

STDOUT = "-"


@click.command("manifests")
@click.option("--target", type=click.Choice(TARGETS), default="knative", show_default=True, help="What runs the steps.")
@click.option(
    "--root", envvar="LOCKSTEP_ROOT", show_envvar=True, type=click.Path(path_type=Path, file_okay=False),
    help="Take wiring/, lockstep.yaml and access.yaml of this installation.",
)  # fmt: skip
@click.option(
    "--wiring",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take the manifests of this folder, whatever LOCKSTEP_ROOT says.",
)
@click.option(
    "--former", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder as it was before: what it named is still to be retracted.",
)  # fmt: skip
@click.option("--image", default=EXAMPLE_IMAGE, metavar="NAME@sha256:...", help="The image, by digest.")
@click.option("--broker", type=click.Choice(BROKER_KINDS), default="Kafka", show_default=True, help="Knative's kind.")
@click.option("--authority", default=DEFAULT_AUTHORITY, show_default=True, metavar="URL", help="OpenBao or Vault.")
@click.option(
    "--authority-ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its private authority, PEM."
)
@click.option("--api-server", multiple=True, metavar="CIDR", help="Where the API server is reached; anywhere if none.")
@click.option(
    "--replicas", type=click.IntRange(1, 100), default=2, show_default=True, help="Of steps that changes need."
)
@click.option(
    "--audit-pods", multiple=True, metavar="LABEL=VALUE",
    help="The authority's pods, who alone may write to the audit.socket of lockstep.yaml; "
    "app.kubernetes.io/name=openbao if none.",
)  # fmt: skip
@click.option(
    "-o", "--output", default=STDOUT, metavar="DIR|-", help="Write the files there; `-`: documents to stdout."
)
@click.pass_context
def command(
    context: click.Context, target: Target, root: Path | None, wiring: Path | None, former: Path | None, image: str,
    broker: BrokerKind, authority: str, authority_ca: Path | None, api_server: tuple[str, ...], replicas: int,
    audit_pods: tuple[str, ...], output: str,
) -> None:  # fmt: skip
    """Render what runs Lockstep in a cluster: accounts, permissions, steps, broker, network, alerts, Vault roles.

    \b
    lockstep manifests --wiring ./wiring --image registry.example.com/lockstep@sha256:... -o ./deploy
    kubectl apply -k ./deploy
    lockstep manifests --target kubernetes --root ./root | kubectl apply --server-side -f -

    With `audit: {socket: "0.0.0.0:9700"}` in lockstep.yaml the authority's pods are let in to a Service `audit`.

    Permissions are bound to what is wired: render and apply again when that changes. What goes to the authority is
    in the folder's `authority/`, and only there.
    """
    if wiring is not None and context.get_parameter_source("root") is ParameterSource.ENVIRONMENT:
        root = None  # what is said here beats what is said once for all commands
    if (root is None) == (wiring is None):
        raise CommandError("give either --root ROOT or --wiring DIR", Exit.USAGE)
    if root is not None and not root.is_dir():
        raise CommandError(
            f"there is no directory {root}; give --root ROOT (or LOCKSTEP_ROOT), or --wiring DIR", Exit.USAGE
        )
    try:
        configuration = load(root / "lockstep.yaml") if root else Configuration()
        installation = Installation(
            target=target, image=image, broker=broker, authority=authority.rstrip("/"), replicas=replicas,
            cluster=configuration.cluster, authority_ca=_text(authority_ca),
            api_server=api_server or Installation().api_server,
            settings=_text(root / "lockstep.yaml" if root else None), access=_access(root),
            audit_port=port_beyond_loopback(configuration.audit.socket), audit_pods=_labels(audit_pods),
        )  # fmt: skip
    except (InstallationError, ConfigurationError, AccessError) as failure:
        raise CommandError(str(failure), Exit.USAGE) from None
    known = wiring_of(wiring or Path(root or ".") / "wiring", configuration, former)
    _refuse_unread(known.unread)
    if not known.wired.manifests:
        _remark(["there are no manifests, so nobody is permitted anything yet"])
    _remark(known.left_out)
    _remark(notices(known.wired.objects))
    _write(rendered(known.wired, installation, configuration), output)


def _labels(given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = tuple(tuple(one.split("=", 1)) for one in given)
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise CommandError("--audit-pods is LABEL=VALUE", Exit.USAGE)
    return tuple((label, value) for label, value in pairs) or AUTHORITY_PODS


def _text(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8") if file is not None else ""
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read ({type(error).__name__})", Exit.USAGE) from None


def _access(root: Path | None) -> str:
    """The policy as it stands, once it is known to be one."""
    text = _text(root / "access.yaml" if root else None)
    if text:
        load_policy(text.encode(), "access.yaml")
    return text


def _refuse_unread(unread: Iterable[str]) -> None:
    """Permissions rendered from a part of the wiring would take away those of the rest."""
    if lines := list(unread):
        raise CommandError("\n".join(["the wiring cannot be read as a whole; mend it first:", *lines]), Exit.REFUSED)


def _remark(lines: Iterable[str]) -> None:
    for line in lines:
        note(f"remark: {line}")


def _write(files: dict[str, str], output: str) -> None:
    if output == STDOUT:
        say("".join(text for name, text in files.items() if "/" not in name and name != "kustomization.yaml").rstrip())
        return
    directory = Path(output)
    try:
        for name, text in files.items():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{directory} cannot be written: {error.strerror}; give another directory") from None
    say(f"{len(files)} files in {directory}")
