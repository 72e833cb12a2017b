"""Whether a secret or configuration is for this framework, why, and the manifests if it is (seed 001, 5a.4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter, ValidationError

from events.references import NamespaceName, ObjectName
from functions._manifests.conventions import CONFIGURATION, SECRETS, path_breaches, property_breaches

Use = Literal["yes", "no", "optional"]


class DecideError(ValueError):
    """The flags contradict each other or break a naming rule; the message says which."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. Keys are `secretKey` or `secretKey=property`."""

    producer_namespace: str
    consumer_namespaces: tuple[str, ...] = ()
    origin: Literal["operator", "human", "external", "cloud"] = "operator"
    kind: Literal["secret", "configuration"] = "secret"
    phase: Literal["bootstrap", "runtime"] = "runtime"
    dynamic: bool = True  # whether a configuration ever changes
    datasource: str = ""  # the generating system: postgres, redis
    consumer: str = ""  # of a secret's path; default: the first consumer's namespace
    instance: str = ""  # of a configuration's path; default: the source's name
    source_secret: str = ""
    keys: tuple[str, ...] = ()
    target: str = ""  # the consumers' Secret; default: datasource and consumer or instance
    store: str = "vault-backend"  # 5a.7.1
    server: str = "https://vault.vault.svc:8200"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. `missing` names the flags without which no manifests can be written."""

    use: Use
    reason: str
    paragraph: str
    alternative: str = ""
    manifests: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def decide(request: Request) -> Decision:
    """Answer by the decision table; the first row that applies. Raises DecideError."""
    _check_names(request)
    refused = _refusal(request)
    if refused is not None:
        return refused
    away = tuple(name for name in dict.fromkeys(request.consumer_namespaces) if name != request.producer_namespace)
    use, reason, paragraph, alternative = _row(request, away)
    if request.producer_namespace in request.consumer_namespaces:
        reason += f"; consumers in {request.producer_namespace} itself refer to the source Secret directly (5a.1.5)"
    missing = tuple(_missing(request))
    manifests = () if missing else tuple(_manifests(request, away))
    return Decision(use, reason, paragraph, alternative, manifests, missing)


def _refusal(request: Request) -> Decision | None:
    if request.phase == "bootstrap":
        reason = "it is needed before the runtime authority exists"
        return Decision(
            "no", reason, "5a.1.5, 5a.4.2 (bootstrap-phase secret)", "Section 5.2, bootstrap materialization"
        )
    if request.origin == "human":
        reason = "people made it, no controller in the cluster"
        alternative = "Encrypted Git and the bootstrap flow"
        return Decision("no", reason, "5a.1.5, 5a.4.2 (human-created secret)", alternative)
    if request.origin == "external":
        reason = "it comes from outside the cluster, from a third party"
        alternative = "Section 5.3, external sources, or the bootstrap flow"
        return Decision("no", reason, "5a.1.5, 5a.4.2 (external or third-party credential)", alternative)
    if request.origin == "cloud":
        reason = "a cloud provider owns it"
        return Decision(
            "no", reason, "5a.1.5, 5a.2.2 (secrets sourced from cloud providers)", "Cloud provider secret store"
        )
    if not set(request.consumer_namespaces) - {request.producer_namespace}:
        reason = f"producer and consumers are all in {request.producer_namespace}"
        if not request.consumer_namespaces:
            reason = "no namespace other than the producer's consumes it"
        alternative = "Refer to the Kubernetes Secret directly"
        return Decision("no", reason, "5a.1.5, 5a.2.2, 5a.4.2 (same namespace)", alternative)
    return None


def _row(request: Request, away: tuple[str, ...]) -> tuple[Use, str, str, str]:
    named = ", ".join(away)
    if request.kind == "configuration" and not request.dynamic:
        reason = f"the configuration never changes; {named} may have it by this framework or as a copied ConfigMap"
        return "optional", reason, "5a.4.2, 5a.4.3 (static configuration)", "ConfigMap replication"
    if request.kind == "configuration":
        reason = f"the configuration changes and {named} must follow it"
        return "yes", reason, "5a.4.2, 5a.4.3 (dynamic endpoint configuration)", ""
    if len(away) == 1:
        reason = f"an operator in {request.producer_namespace} makes it and {named} consumes it"
        return "yes", reason, "5a.1.3, 5a.4.2 (operator-generated, single cross-namespace consumer)", ""
    reason = f"an operator in {request.producer_namespace} makes it and several namespaces consume it: {named}"
    return "yes", reason, "5a.1.3, 5a.4.2 (operator-generated, multiple cross-namespace consumers)", ""


def _missing(request: Request) -> Iterator[str]:
    for flag in ("datasource", "source_secret", "keys"):
        if not getattr(request, flag):
            yield flag


def _pairs(request: Request) -> tuple[tuple[str, str], ...]:
    """Source key and property of every key."""
    split = (key.partition("=") for key in request.keys)
    return tuple((source, name or source) for source, _, name in split)


def _identifier(request: Request) -> str:
    if request.kind == "configuration":
        return request.instance or request.source_secret
    away = (name for name in request.consumer_namespaces if name != request.producer_namespace)
    return request.consumer or next(away, "")


def _path(request: Request) -> str:
    prefix = CONFIGURATION if request.kind == "configuration" else SECRETS
    return f"{prefix}/{request.datasource}/{_identifier(request)}"


def _check_names(request: Request) -> None:
    for namespace in (request.producer_namespace, *request.consumer_namespaces):
        _check(NamespaceName, namespace, "namespace")
    for name in filter(None, (request.source_secret, request.target, request.store)):
        _check(ObjectName, name, "name")
    if request.datasource and _identifier(request):
        for breach in path_breaches(_path(request)):
            raise DecideError(f"{breach.message}; choose other names (seed 001, 5a.5.3)")
    pairs = _pairs(request)
    for source, name in pairs:
        if not source:
            raise DecideError("a key is empty; write secretKey or secretKey=property")
        for breach in property_breaches(name):
            raise DecideError(f"{breach.message}; write it as {source}=<property> (seed 001, 5a.5.4)")
    if len({name for _, name in pairs}) < len(pairs):
        raise DecideError("two keys have one property; give each its own")


def _check(kind: Any, name: str, what: str) -> None:
    try:
        TypeAdapter(kind).validate_python(name)
    except ValidationError as error:
        raise DecideError(f"{what} {name[:80]!r} {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _manifests(request: Request, away: tuple[str, ...]) -> Iterator[str]:
    yield _document(_push_secret(request))
    for namespace in away:
        yield _document(_external_secret(request, namespace))
    yield _document(_store(request))


def _document(body: dict[str, Any]) -> str:
    return yaml.safe_dump(body, sort_keys=False, default_flow_style=False, width=120)


def _made_name(request: Request) -> str:
    return request.target or f"{request.datasource}-{_identifier(request)}"


def _push_secret(request: Request) -> dict[str, Any]:
    path = _path(request)
    data = [
        {"match": {"secretKey": source, "remoteRef": {"remoteKey": path, "property": name}}}
        for source, name in _pairs(request)
    ]
    return {
        "apiVersion": "external-secrets.io/v1alpha1",
        "kind": "PushSecret",
        "metadata": {"name": _made_name(request), "namespace": request.producer_namespace},
        "spec": {
            "secretStoreRefs": [{"name": request.store, "kind": "ClusterSecretStore"}],
            "selector": {"secret": {"name": request.source_secret}},
            "data": data,
        },
    }


def _external_secret(request: Request, namespace: str) -> dict[str, Any]:
    path = _path(request)
    data = [{"secretKey": name, "remoteRef": {"key": path, "property": name}} for _, name in _pairs(request)]
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": _made_name(request), "namespace": namespace},
        "spec": {
            "secretStoreRef": {"name": request.store, "kind": "ClusterSecretStore"},
            "target": {"name": _made_name(request)},
            "data": data,
        },
    }


def _store(request: Request) -> dict[str, Any]:
    # Mount, role and service account as 5a.7.2 requires them.
    account = {"name": "external-secrets", "namespace": "external-secrets"}
    auth = {"kubernetes": {"mountPath": "kubernetes", "role": "external-secrets", "serviceAccountRef": account}}
    vault = {"server": request.server, "path": "secret", "version": "v2", "auth": auth}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": request.store},
        "spec": {"provider": {"vault": vault}},
    }
