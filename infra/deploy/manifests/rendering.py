"""All documents of an installation as files, named so that their order is the one to apply them in."""

from collections.abc import Iterable

import yaml

from infra.deploy.manifests import (
    accounts,
    audit,
    authority,
    broker,
    definitions,
    deployments,
    disruption,
    knative_steps,
    monitoring,
    namespaces,
    network,
    policies,
    receiver,
    record,
    sources,
    subscriptions,
    ticks,
)
from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.vault_policies import Mounts
from infra.deploy.wired import Wired

_HEAD = "# Rendered by `lockstep manifests`: change the wiring, the steps or the options, and render again.\n"
_KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


def render(wired: Wired, installation: Installation, watched: Iterable[str], mounts: Mounts) -> dict[str, str]:
    """Relative path -> text. `watched` are the types that our sources report (the ingress's table of admission)."""
    groups = _common(wired, installation)
    groups |= _knative(wired, installation, watched) if installation.target == "knative" else _plain(installation)
    groups |= {
        "80-disruption.yaml": disruption.disruption_budgets(installation),
        "monitoring/monitors.yaml": monitoring.monitors(installation),
        "monitoring/alerts.yaml": monitoring.alerts(),
        "monitoring/alertmanager.yaml": receiver.alertmanager_config(installation),
    }
    found = {name: text(documents) for name, documents in sorted(groups.items()) if documents}
    resources = [name for name in found if "/" not in name]
    found["kustomization.yaml"] = text([{**_KUSTOMIZATION, "resources": resources}])
    at_the_authority = authority.files(wired.paths, mounts, installation)
    return found | {f"authority/{name}": content for name, content in at_the_authority.items()}


def text(documents: Iterable[Document]) -> str:
    """Documents as YAML, one after the other."""
    return _HEAD + yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, explicit_start=True, width=120)


def _common(wired: Wired, installation: Installation) -> dict[str, list[Document]]:
    return {
        "00-namespace.yaml": namespaces.namespaces(),
        "01-definitions.yaml": definitions.definitions(),
        "10-accounts.yaml": accounts.accounts(installation),
        "11-permissions.yaml": accounts.permissions(wired.objects, installation),
        "20-network.yaml": network.network_policies(installation),
        "21-audit.yaml": [*audit.services(installation), *network.audit_policies(installation)],
        "30-settings.yaml": namespaces.settings(installation),
    }


def _knative(wired: Wired, installation: Installation, watched: Iterable[str]) -> dict[str, list[Document]]:
    return {
        "40-broker.yaml": broker.brokers(installation),
        "50-record.yaml": record.record(installation),
        "51-steps.yaml": knative_steps.services(installation),
        "52-alertmanager.yaml": receiver.receiver(wired, installation),
        "60-triggers.yaml": subscriptions.triggers(installation, wired.manifests),
        "61-event-policies.yaml": policies.event_policies(wired.manifests, watched),
        "70-sources.yaml": [
            *sources.sink_bindings(installation),
            sources.container_source(installation),
            *ticks.ping_sources(wired.manifests),
        ],
        "alternatives/api-server-source.yaml": sources.api_server_source(wired.objects),
    }


def _plain(installation: Installation) -> dict[str, list[Document]]:
    return {
        "50-steps.yaml": deployments.deployments(installation),
        "60-broker.yaml": deployments.embedded_broker(installation),
    }


class _Dumper(yaml.SafeDumper):
    """Writes what stands in several places out in full, as people and kubectl expect, and texts as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
