"""What tells the Broker: the watch, its alternative of Knative's own, and where steps send several events."""

from infra.deploy.manifests.accounts import bound
from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document, labels
from infra.deploy.manifests.pods import pod
from infra.deploy.manifests.policies import REFERENCES, reference_policies
from infra.deploy.manifests.ticks import BROKER_REF
from infra.deploy.manifests.workloads import RECORD, steps, workloads
from infra.deploy.rbac import WATCH, merged, watched
from infra.deploy.triggers import BROKER, NAMESPACE
from infra.deploy.wired import SECRETS, WiredObjects

WATCH_COMMAND = ["python", "-m", "infra.hosts.watch"]
API_SERVER_SOURCE = "api-server-source"
_HEARS = "publish"
_REFERENCES = "publish-references"
_SINK = {"ref": BROKER_REF}
_SOURCES = "sources.knative.dev/v1"


def container_source(installation: Installation) -> Document:
    """The watch: list and watch with bookmarks, and a comparison after every gap."""
    workload = next(each for each in workloads(installation) if each.name == WATCH)
    return document(
        _SOURCES,
        "ContainerSource",
        WATCH,
        spec={
            "sink": _SINK,
            "template": {"metadata": {"labels": labels(WATCH)}, "spec": pod(workload, installation, WATCH_COMMAND)},
        },
    )


def sink_bindings(installation: Installation) -> list[Document]:
    """K_SINK and an identity of its own, for each step that may have several events to send, and for the ledger, which
    sends what was given up once more."""
    keeper = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": RECORD, "namespace": NAMESPACE}
    return [
        document(_SOURCES, "SinkBinding", RECORD, spec={"sink": _SINK, "subject": keeper}),
        *_step_bindings(installation),
    ]


def _step_bindings(installation: Installation) -> list[Document]:
    return [
        document(_SOURCES, "SinkBinding", each.name, spec={"sink": _SINK, "subject": _service(each.name)})
        for each in steps(installation)
        if each.step is not None and each.step.emits
    ]


def api_server_source(objects: WiredObjects) -> list[Document]:
    """Knative's own source, in Reference mode: it tells names and no values.

    Its ids are random and it loses what happens while it is away: less than the watch, and the sweep covers the rest.
    """
    kinds = sorted({source.resource for source in objects.sources} | ({SECRETS} if objects.selecting else set()))
    names = {"secrets": "Secret", "configmaps": "ConfigMap", "services": "Service"}
    source = document(
        _SOURCES,
        "ApiServerSource",
        "secrets",
        spec={
            "mode": "Reference",
            "serviceAccountName": API_SERVER_SOURCE,
            "resources": [{"apiVersion": "v1", "kind": names[kind]} for kind in kinds],
            "namespaceSelector": {
                "matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "In", "values": sorted(objects.namespaces)}
                ]
            },
            "sink": _SINK,
        },
    )
    heard = document(
        "eventing.knative.dev/v1",
        "Trigger",
        _REFERENCES,
        spec={
            "broker": BROKER,
            "filters": [{"prefix": {"type": REFERENCES}}],
            "subscriber": {"ref": _service(_HEARS)},
        },
    )
    account = document("v1", "ServiceAccount", API_SERVER_SOURCE)
    permitted = bound(API_SERVER_SOURCE, merged(watched(objects)))
    return [account, *permitted, source, heard, *reference_policies("secrets", _REFERENCES, _HEARS)]


def _service(name: str) -> Document:
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": name, "namespace": NAMESPACE}
