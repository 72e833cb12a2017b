"""Whether Secrets can be written in the namespaces of a cluster: they are there, and RBAC allows it."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from functions._failures import StepFailure
from infra.hosts.checks.result import Check, fail, ok, some, warn
from infra.kubernetes.resources import NAMESPACES, Object, Resource

REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)  # fmt: skip
_VERBS = ("get", "create", "update", "delete")
_MOST = 100  # namespaces that are asked about; each is a handful of requests


class Asking(Protocol):
    """The API server, as far as these checks ask it: infra.kubernetes.api.Api."""

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None: ...
    def create(self, resource: Resource, body: dict[str, Any], namespace: str | None = None) -> Object: ...


def cluster_namespaces(api: Asking, namespaces: Iterable[str], *, writes: bool = True) -> Iterator[Check]:
    """One check for each namespace with a target, the first hundred; whether we may write there only where we do."""
    names = sorted(namespaces)
    for namespace in names[:_MOST]:
        name = f"namespace {namespace}"
        try:
            yield _namespace(name, namespace, api, writes=writes)
        except StepFailure as failure:
            yield warn(name, f"not known: {failure.reason}", "run this again as somebody who may ask")
    if len(names) > _MOST:
        yield ok("namespaces", f"{len(names) - _MOST} more were not asked about")


def _namespace(name: str, namespace: str, api: Asking, *, writes: bool) -> Check:
    found = api.get(NAMESPACES, namespace)
    if found is None:
        return fail(name, "it does not exist", f"run: kubectl create namespace {namespace}")
    if (found.get("metadata") or {}).get("deletionTimestamp"):
        return fail(name, "it is being deleted", "wait until it is gone, or remove the ExternalSecrets that name it")
    if not writes:
        return ok(name, "it is there")
    if refused := [verb for verb in _VERBS if not _allowed(api, namespace, verb)]:
        action = "apply the Roles of `lockstep manifests`, or run Lockstep as an account that has them"
        return fail(name, f"RBAC does not let us {some(refused, len(_VERBS))} its Secrets", action)
    return ok(name, "RBAC lets us write its Secrets")


def _allowed(api: Asking, namespace: str, verb: str) -> bool:
    asked = {"namespace": namespace, "verb": verb, "group": "", "resource": "secrets"}
    answer = api.create(REVIEWS, {
        "apiVersion": REVIEWS.api_version, "kind": REVIEWS.kind, "spec": {"resourceAttributes": asked}
    })  # fmt: skip
    return (answer.get("status") or {}).get("allowed") is True
