"""`lockstep decide`: is this secret for the framework, and if so, with which manifests (seed 001, 5a.4)."""

from typing import Any, Literal

import click

from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import output_option
from infra.hosts.cli.output import document, note, say
from infra.wiring.decide import DecideError, Decision, Request, decide

Origin = Literal["operator", "human", "external", "cloud"]
Kind = Literal["secret", "configuration"]
Phase = Literal["bootstrap", "runtime"]


@click.command("decide")
@click.option("--from", "producer", required=True, metavar="NAMESPACE", help="Where it is made.")
@click.option("--to", "consumers", multiple=True, metavar="NAMESPACE", help="Who needs it; may be repeated.")
@click.option(
    "--origin",
    type=click.Choice(["operator", "human", "external", "cloud"]),
    default="operator",
    show_default=True,
    help="Who makes it: an operator in the cluster, people, a third party, a cloud provider.",
)
@click.option("--kind", type=click.Choice(["secret", "configuration"]), default="secret", show_default=True)
@click.option(
    "--phase",
    type=click.Choice(["bootstrap", "runtime"]),
    default="runtime",
    show_default=True,
    help="Needed before the authority exists, or after.",
)
@click.option("--static", is_flag=True, help="A configuration that never changes.")
@click.option("--datasource", default="", metavar="TYPE", help="The generating system: postgres, redis, ...")
@click.option("--consumer", default="", help="Last segment of a secret's path.  [default: the first --to]")
@click.option("--instance", default="", help="Last segment of a configuration's path.  [default: the source's name]")
@click.option("--source-secret", default="", metavar="NAME", help="The Secret that the operator makes.")
@click.option("--key", "keys", multiple=True, metavar="KEY[=PROPERTY]", help="What of it is needed; may be repeated.")
@click.option("--target", default="", metavar="NAME", help="The consumers' Secret.")
@click.option("--store", default="vault-backend", show_default=True, metavar="NAME", help="The ClusterSecretStore.")
@click.option("--server", default="https://vault.vault.svc:8200", show_default=True, metavar="URL")
@output_option("json", "yaml")
def command(
    producer: str, consumers: tuple[str, ...], origin: Origin, kind: Kind, phase: Phase, static: bool,
    datasource: str, consumer: str, instance: str, source_secret: str, keys: tuple[str, ...], target: str,
    store: str, server: str, output: str | None,
) -> None:  # fmt: skip
    """Say whether a secret or configuration is for this framework, why, and print the manifests if it is.

    \b
    lockstep decide --from platform-data --to temporal --datasource postgres \\
        --source-secret temporal.pg.credentials.postgresql.acid.zalan.do --key username --key password
    lockstep decide ... -o yaml > wiring/temporal.yaml      only the manifests
    lockstep decide --from vault --to apps --origin human

    Exit codes: 0 yes or optional; 1 no.
    """
    request = Request(
        producer_namespace=producer, consumer_namespaces=consumers, origin=origin, kind=kind, phase=phase,
        dynamic=not static, datasource=datasource, consumer=consumer, instance=instance,
        source_secret=source_secret, keys=keys, target=target, store=store, server=server,
    )  # fmt: skip
    try:
        decision = decide(request)
    except DecideError as error:
        raise CommandError(str(error), Exit.USAGE) from None
    _print(decision, output)
    if decision.use == "no":
        raise click.exceptions.Exit(Exit.FINDINGS)


def _print(decision: Decision, output: str | None) -> None:
    if output == "json":
        say(document(_document(decision), "json"))
    elif output == "yaml":
        _print_manifests(decision)
    else:
        say(_verdict(decision))
        if decision.manifests:
            say(f"\n{_joined(decision)}")
        elif decision.missing:
            say(f"For manifests, add {_flags(decision)}.")


def _print_manifests(decision: Decision) -> None:
    note(_verdict(decision))
    if decision.manifests:
        say(_joined(decision))
    elif decision.missing:
        raise CommandError(f"manifests need {_flags(decision)} too", Exit.USAGE)


def _verdict(decision: Decision) -> str:
    lines = [f"{decision.use}: {decision.reason}.", f"Seed 001, {decision.paragraph}."]
    if decision.alternative:
        lines.append(f"{'Instead' if decision.use == 'no' else 'Or'}: {decision.alternative}.")
    return "\n".join(lines)


def _joined(decision: Decision) -> str:
    return "---\n".join(decision.manifests).rstrip("\n")


def _flags(decision: Decision) -> str:
    names = {"keys": "--key"}
    return ", ".join(names.get(name, f"--{name.replace('_', '-')}") for name in decision.missing)


def _document(decision: Decision) -> dict[str, Any]:
    return {
        "use": decision.use,
        "reason": decision.reason,
        "paragraph": decision.paragraph,
        "alternative": decision.alternative or None,
        "missing": [flag.strip() for flag in _flags(decision).split(",") if flag.strip()],
        "manifests": list(decision.manifests),
    }
