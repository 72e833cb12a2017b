"""Who may do what, as documentation: rendered from the same grants that Roles and policies are rendered from."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from events.references import ManifestRef, PathRef, SecretRef
from functions import STEPS
from infra.deploy.rbac import AT_THE_AUTHORITY, BOUND, Grant, all_grants
from infra.deploy.vault_policies import WiredPaths
from infra.deploy.vault_policies import grants as paths_granted
from infra.deploy.wired import SECRETS, Source, WiredObjects

PAGE = "docs/permissions.md"

_OBJECTS = WiredObjects(
    sources=frozenset({Source("producer", SECRETS, "source")}),
    targets=frozenset({SecretRef(namespace="consumer", name="target")}),
    retiring=frozenset({SecretRef(namespace="consumer", name="retiring")}),
    pushes=frozenset({ManifestRef(kind="PushSecret", namespace="producer", name="push")}),
    externals=frozenset({ManifestRef(kind="ExternalSecret", namespace="consumer", name="external")}),
    rotations=frozenset({ManifestRef(kind="Rotation", namespace="owner", name="rotation")}),
)
_PATHS = WiredPaths(
    produced=frozenset({PathRef(mount="values", path="produced")}),
    consumed=frozenset({PathRef(mount="values", path="consumed")}),
    retiring=frozenset({PathRef(mount="values", path="retiring")}),
    searched=frozenset({("values", "searched")}),
    rotated=frozenset({PathRef(mount="values", path="rotated")}),
    admin=frozenset({PathRef(mount="values", path="admin")}),
)
_HEAD = """# Permissions

Rendered from the steps' capabilities by `make generate`; change those, not this page.

Every step has a ServiceAccount of its own in the namespace `lockstep`, a role `lockstep-<step>` at the authority that
only this account gets with a token for the authority's audience, and a policy and Roles that are bound to what the
manifests name. Tests ask a real API server (SubjectAccessReview) and a real OpenBao (`sys/capabilities-self`) about
every cell, and about everything that is not in the tables (`tests/infra/deploy/manifests/test_accounts.py`,
`tests/infra/deploy/test_vault_roles.py`).

"""
_KUBERNETES = """## In Kubernetes

`producer` is a namespace with a wired source Secret `source`, named by the PushSecret `push`; `consumer` one with a
wired target Secret `target`, made by the ExternalSecret `external`. `retiring` is a target that is no longer wired.
`owner` is a namespace with the Rotation `rotation`.
`watch` is the source of changes; without Knative the embedded broker has its and `record`'s permissions.

Kubernetes has no verb for a Secret's metadata alone: a step that declares metadata asks for nothing else, and may
`get` what it names. `create` cannot be bound to a name. Where a PushSecret selects its source by label, the steps
that read sources may get and list every Secret of that namespace; `lockstep manifests` says so.

"""
_AUTHORITY = """## At the authority

`values` is the mount of the ClusterSecretStore. Each token may also look itself up, renew and revoke itself, and ask
for its capabilities.

"""
_CAPABILITIES = """## From capabilities

| Capability | In Kubernetes | Steps |
|---|---|---|
"""
_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")
_ABILITIES = ("create", "read", "update", "patch", "delete", "list")


def render() -> dict[str, str]:
    """The page as {path: text}."""
    parts = [_HEAD, _KUBERNETES, *_kubernetes(), "\n", _AUTHORITY, *_authority(), "\n", _CAPABILITIES, *_capabilities()]
    return {PAGE: "".join(parts)}


def _kubernetes() -> Iterator[str]:
    granted = all_grants(_OBJECTS)
    places = sorted({_place(grant) for found in granted.values() for grant in found})
    yield from _table(
        ("Namespace", "Resource", "Names"),
        places,
        granted,
        lambda account, place: _verbs(grant for grant in granted[account] if _place(grant) == place),
    )


def _authority() -> Iterator[str]:
    granted = {step.name: paths_granted(step, _PATHS) for step in STEPS}
    patterns = {pattern for found in granted.values() for pattern in found}
    shown = sorted(pattern for pattern in patterns if not pattern.startswith(("auth/", "sys/")))
    yield from _table(
        ("Path",),
        [(f"`{pattern}`",) for pattern in shown],
        granted,
        lambda step, place: _ordered(granted[step].get(place[0].strip("`"), ()), _ABILITIES),
    )


def _capabilities() -> Iterator[str]:
    for capability in (*BOUND, *sorted(AT_THE_AUTHORITY, key=lambda each: each.name)):
        steps = ", ".join(step.name for step in STEPS if capability in step.needs) or "none"
        bound = [*BOUND[capability](_OBJECTS)] if capability in BOUND else []
        where = "<br>".join(
            f"{_verbs([grant])} {grant.resource}{' by name' if grant.names else ''}, {grant.namespace}"
            for grant in bound
        )
        yield f"| {capability.value} | {where or 'nothing'} | {steps} |\n"


def _place(grant: Grant) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in sorted(grant.names)) or "all"
    resource = f"{grant.resource}.{grant.group}" if grant.group else grant.resource
    return (grant.namespace or "every", resource, names)


def _verbs(found: Iterable[Grant]) -> str:
    return _ordered((verb for grant in found for verb in grant.verbs), _VERBS)


def _ordered(found: Iterable[str], order: tuple[str, ...]) -> str:
    return " ".join(sorted(set(found), key=order.index))


def _table(
    head: tuple[str, ...],
    places: Sequence[tuple[str, ...]],
    who: Mapping[str, object],
    may: Callable[[str, tuple[str, ...]], str],
) -> Iterator[str]:
    columns = [*head, *who]
    yield f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    for place in places:
        yield f"| {' | '.join([*place, *(may(account, place) or '-' for account in who)])} |\n"
