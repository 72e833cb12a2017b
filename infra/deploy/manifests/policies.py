"""EventPolicies: who may send what to the Broker, from what the steps declare and the sources report."""

from collections.abc import Iterable

from events.catalogue import EVENTS
from events.event import Category
from events.leak import LeakReported
from functions import STEPS
from infra.deploy.manifests.installation import Document
from infra.deploy.manifests.objects import document
from infra.deploy.manifests.ticks import BROKER_REF, PING, ping_source, schedules
from infra.deploy.manifests.workloads import RECEIVER, RECORD
from infra.deploy.rbac import WATCH
from infra.deploy.triggers import NAMESPACE

REFERENCES = "dev.knative.apiserver.ref."  # what an ApiServerSource says in Reference mode
OPERATORS = "lockstep-operators"  # a ServiceAccount that the platform team makes, for whoever gives orders


def event_policies(manifests: int, watched: Iterable[str]) -> list[Document]:
    """One per sender. With any of them the Broker refuses everybody else. `watched` are the types of our sources."""
    found = [
        _policy(f"step-{step.name}", [event.TYPE for event in step.emits], *_step_senders(step.name))
        for step in STEPS
        if step.emits
    ]
    found.append(_policy(WATCH, sorted(watched), _sender("sources.knative.dev/v1", "ContainerSource", WATCH)))
    found.append(_ticks(manifests))
    # What was given up is said again in the ledger's name: it may be anything that a step hears of.
    heard = sorted({event.TYPE for step in STEPS for event in step.consumes})
    found.append(_policy(RECORD, heard, _sender("sources.knative.dev/v1", "SinkBinding", RECORD)))
    reported = _sender("sources.knative.dev/v1", "SinkBinding", RECEIVER)
    found.append(_policy(RECEIVER, [LeakReported.TYPE], reported))
    orders = [event.TYPE for event in EVENTS if event.CATEGORY is Category.ORDER]
    found.append(_policy("operators", orders, {"sub": f"system:serviceaccount:{NAMESPACE}:{OPERATORS}"}))
    return found


def reference_policies(source: str, trigger: str, step: str) -> list[Document]:
    """For Knative's own source: what it sends, and what the step replies that hears of it by another Trigger."""
    emitted = next(each for each in STEPS if each.name == step).emits
    told = [{"prefix": {"type": REFERENCES}}]
    return [
        _written("references", told, [_sender("sources.knative.dev/v1", "ApiServerSource", source)]),
        _policy(trigger, [event.TYPE for event in emitted], _sender("eventing.knative.dev/v1", "Trigger", trigger)),
    ]


def _step_senders(step: str) -> tuple[Document, ...]:
    """A step replies through its Trigger, and sends several events through its SinkBinding."""
    return (
        _sender("eventing.knative.dev/v1", "Trigger", step),
        _sender("sources.knative.dev/v1", "SinkBinding", step),
    )


def _sender(api_version: str, kind: str, name: str) -> Document:
    return {"ref": {"apiVersion": api_version, "kind": kind, "name": name, "namespace": NAMESPACE}}


def _ticks(manifests: int) -> Document:
    ticking = schedules(manifests)
    senders = [_sender("sources.knative.dev/v1", "PingSource", each.name) for each in ticking]
    filters = [{"exact": {"type": PING, "source": ping_source(each)}} for each in ticking]
    return _written("ticks", filters, senders)


def _policy(name: str, types: list[str], *senders: Document) -> Document:
    return _written(name, [{"exact": {"type": one}} for one in types], list(senders))


def _written(name: str, filters: list[Document], senders: list[Document]) -> Document:
    spec = {"to": [{"ref": BROKER_REF}], "from": senders, "filters": filters}
    return document("eventing.knative.dev/v1alpha1", "EventPolicy", name, spec=spec)
