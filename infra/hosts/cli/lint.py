"""`lockstep lint`: what is wrong with manifests: in files before anything runs, or as a cluster has them."""

import sys
from importlib.metadata import version
from pathlib import Path

import click

from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.in_cluster import with_cluster
from infra.hosts.cli.options import output_option
from infra.hosts.cli.output import document, say, table
from infra.hosts.target_facts import target_facts
from infra.wiring.finding import Finding
from infra.wiring.lint import lint, lint_contents
from infra.wiring.lint.report import as_objects, as_sarif, as_text
from infra.wiring.rules import RULES

STDIN = "-"


@click.command("lint")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--context", "chosen", is_flag=False, flag_value="", metavar="[CONTEXT]",
    help="Check what is in the cluster of this kubeconfig context (last on the line: the current one) instead of files."
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Warnings count as findings too.")
@click.option("--rules", is_flag=True, help="List the rules instead.")
@output_option("json", "yaml", "sarif", "wide")
def command(paths: tuple[str, ...], chosen: str | None, strict: bool, rules: bool, output: str | None) -> None:
    """Check manifests, and find ways around the framework. All PATHs count as one wiring; `-` is standard input.

    \b
    lockstep lint ./root/wiring
    lockstep lint ./root/wiring ./root/targets ./root/access.yaml
    lockstep lint deploy/ apps/ --strict -o sarif > lint.sarif
    helm template . | lockstep lint -
    lockstep lint --context kind-dev
    lockstep lint --rules

    Exit codes: 0 nothing (or only warnings and notices); 1 errors, with --strict also warnings.
    """
    if rules:
        say(_rules(output))
        return
    if bool(paths) == (chosen is not None):
        raise CommandError("name files or folders to check, such as `lockstep lint ./wiring`, or --context", Exit.USAGE)
    findings = _findings(paths) if chosen is None else _of_cluster(chosen)
    say(_report(findings, output))
    failing = {"error", "warning"} if strict else {"error"}
    if any(finding.severity in failing for finding in findings):
        raise click.exceptions.Exit(Exit.FINDINGS)


def _findings(paths: tuple[str, ...]) -> list[Finding]:
    if STDIN in paths:
        if len(paths) > 1:
            raise CommandError("`-` stands alone: standard input is checked by itself", Exit.USAGE)
        return lint_contents({"<stdin>": sys.stdin.buffer.read()}, target_facts)
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        raise CommandError(f"there is no {missing[0]}; name an existing file or folder", Exit.NOT_FOUND)
    return lint((Path(path) for path in paths), target_facts)


def _of_cluster(context: str) -> list[Finding]:
    from infra.hosts.views.cluster_manifests import manifests_of  # loads what speaks to a cluster

    return lint_contents(with_cluster(context, manifests_of), target_facts)


def _report(findings: list[Finding], output: str | None) -> str:
    if output == "sarif":
        return as_sarif(findings, version("lockstep")).rstrip("\n")
    if output in ("json", "yaml"):
        return document(as_objects(findings), output)
    return as_text(findings).rstrip("\n")


def _rules(output: str | None) -> str:
    ordered = sorted(RULES, key=lambda rule: rule.id)
    if output in ("json", "yaml"):
        rows = [
            {
                "rule": rule.id, "name": rule.name, "severity": rule.severity, "refuses": rule.refuses,
                "title": rule.title, "mend": rule.mend, "paragraph": rule.paragraph,
            }
            for rule in ordered
        ]  # fmt: skip
        return document(rows, output)
    if output == "wide":
        return table(
            ("rule", "severity", "says", "what to do", "paragraph"),
            [(rule.id, rule.severity, rule.title, rule.mend, rule.paragraph) for rule in ordered],
        )
    return table(("rule", "severity", "name", "says"), [(r.id, r.severity, r.name, r.title) for r in ordered])
