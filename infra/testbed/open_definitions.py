"""Definitions that take anything, for kinds of other projects whose own definitions are not on this machine.

They are no copies: they know names, versions and scope, keep every field, and validate nothing. With them tests show
what we do at a real API server; only a project's own definitions show that our documents have its shape.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.testbed.api import Object


@dataclass(frozen=True)
class Kind:
    """One kind; the first version is the stored one."""

    plural: str
    kind: str
    versions: tuple[str, ...] = ("v1",)
    namespaced: bool = True


KINDS: dict[str, tuple[Kind, ...]] = {
    "eventing.knative.dev": (
        Kind("brokers", "Broker"),
        Kind("triggers", "Trigger"),
        Kind("eventpolicies", "EventPolicy", ("v1alpha1",)),
    ),
    "sources.knative.dev": (
        Kind("apiserversources", "ApiServerSource"),
        Kind("containersources", "ContainerSource"),
        Kind("pingsources", "PingSource"),
        Kind("sinkbindings", "SinkBinding"),
    ),
    "serving.knative.dev": (Kind("services", "Service"),),
    "monitoring.coreos.com": (
        Kind("servicemonitors", "ServiceMonitor"),
        Kind("podmonitors", "PodMonitor"),
        Kind("prometheusrules", "PrometheusRule"),
        Kind("alertmanagerconfigs", "AlertmanagerConfig", ("v1alpha1",)),
    ),
}


def of_group(group: str) -> Iterable[Object]:
    """The definitions of one API group; none for a group that is not known here."""
    for kind in KINDS.get(group, ()):
        yield {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{kind.plural}.{group}"},
            "spec": {
                "group": group,
                "names": {
                    "plural": kind.plural,
                    "singular": kind.kind.lower(),
                    "kind": kind.kind,
                    "listKind": f"{kind.kind}List",
                },
                "scope": "Namespaced" if kind.namespaced else "Cluster",
                "versions": [_version(name, stored=name == kind.versions[0]) for name in kind.versions],
            },
        }


def _version(name: str, *, stored: bool) -> Object:
    return {
        "name": name,
        "served": True,
        "storage": stored,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        "subresources": {"status": {}},
    }
