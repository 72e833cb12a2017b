"""What each identity may do in Kubernetes, rendered from the steps' capabilities and bound to what is wired.

Kubernetes has no verb for metadata alone: who may see a Secret's metadata may get the Secret. The steps that declare
only metadata ask for nothing else, and everybody is bound to names. What RBAC cannot bind to names is `create`, and
what a PushSecret selects by label; `notices` tell of the latter.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from events.references import ManifestRef, SecretRef
from functions import STEPS
from functions._capability import Capability
from functions._step import Step
from infra.deploy.triggers import NAMESPACE
from infra.deploy.vault_policies import ROTATING
from infra.deploy.wired import SECRETS, Source, WiredObjects, names

ESO = "external-secrets.io"
OURS = "lockstep.dev"
WATCH = "watch"  # the identity of the source that watches Secrets
SETTINGS = ("access.yaml", "lockstep-settings", "lockstep-suspended")  # ConfigMaps of our own namespace
WORKLOAD_KINDS = ("daemonsets", "deployments", "statefulsets")
WIRING_KINDS = ("clusterexternalsecrets", "clustersecretstores", "externalsecrets", "pushsecrets")
_READ = frozenset({"get", "list", "watch"})
_COMPARING = frozenset({Capability.TARGET_METADATA, Capability.AUTHORITY_METADATA})  # what is in step with what
_NO_ONE = frozenset({Capability.LEDGER_WRITE})  # needs that want no wiring


@dataclass(frozen=True, slots=True)
class Grant:
    """Verbs on one resource. `namespace` "" is the whole cluster; without `names`, every name."""

    namespace: str
    group: str
    resource: str  # with its subresource: `pushsecrets/status`
    verbs: frozenset[str]
    names: frozenset[str] = frozenset()

    def allows(self, namespace: str, group: str, resource: str, verb: str, name: str) -> bool:
        """Whether this grant permits a request; `name` is "" for one that names no object."""
        placed = self.namespace in ("", namespace) and (self.group, self.resource) == (group, resource)
        return placed and verb in self.verbs and (not self.names or name in self.names)


Bind = Callable[[WiredObjects], Iterator[Grant]]


def grants(step: Step, objects: WiredObjects) -> tuple[Grant, ...]:
    """What a step's identity may do, merged and ordered."""
    if step.needs & ROTATING:
        objects = replace(objects, pushes=frozenset())  # their publications stand in Rotations
    found = [grant for need in step.needs for grant in BOUND.get(need, _nothing)(objects)]
    if step.needs >= _COMPARING:
        found += _consumptions(objects)
    if step.needs - _NO_ONE:
        found += _shared()
    return merged(found)


def watch_grants(objects: WiredObjects) -> tuple[Grant, ...]:
    """What the watch may do: it alone lists and watches Secrets, in each wired namespace by itself.

    It touches the manifests of assisted stores, so that the controller that serves them syncs at once.
    """
    return merged([*watched(objects), *_assisted(objects), *_shared()])


def _assisted(objects: WiredObjects) -> Iterator[Grant]:
    """RBAC knows no annotations: whoever may touch a manifest by name may change it."""
    for kind, resource in (("PushSecret", "pushsecrets"), ("ExternalSecret", "externalsecrets")):
        yield from _named(ESO, resource, ("patch",), (ref for ref in objects.assisted if ref.kind == kind))


def watched(objects: WiredObjects) -> Iterator[Grant]:
    """What a source needs to tell of changes: of sources, and of targets that somebody else changes."""
    resources: dict[tuple[str, str], None] = {}
    for source in sorted(objects.sources):
        resources[source.namespace, source.resource] = None
    for namespace in (*sorted(objects.selecting), *names(objects.targets)):
        resources[namespace, SECRETS] = None
    for namespace in names(objects.targets):
        yield from (Grant(namespace, "apps", kind, _READ) for kind in WORKLOAD_KINDS)
    yield from (Grant(namespace, "", resource, _READ) for namespace, resource in resources)


def all_grants(objects: WiredObjects) -> dict[str, tuple[Grant, ...]]:
    """Every identity's grants, by the name of its ServiceAccount."""
    return {step.name: grants(step, objects) for step in STEPS} | {WATCH: watch_grants(objects)}


def notices(objects: WiredObjects) -> tuple[str, ...]:
    """Where more is granted than what is wired by name."""
    return tuple(
        f"{namespace}: a PushSecret selects its source by label, so the steps that read sources may get and list "
        "every Secret there; name the source instead"
        for namespace in sorted(objects.selecting)
    )


def merged(found: Iterable[Grant]) -> tuple[Grant, ...]:
    """Equal scopes in one grant; what holds for every name is not repeated by name."""
    verbs: dict[tuple[str, str, str, frozenset[str]], set[str]] = defaultdict(set)
    for grant in found:
        verbs[grant.namespace, grant.group, grant.resource, grant.names] |= grant.verbs
    for namespace, group, resource, named in list(verbs):
        if named:
            verbs[namespace, group, resource, named] -= verbs.get((namespace, group, resource, frozenset()), set())
    kept = [Grant(*scope[:3], frozenset(granted), scope[3]) for scope, granted in verbs.items() if granted]
    return tuple(sorted(kept, key=lambda grant: (grant.namespace, grant.group, grant.resource, sorted(grant.names))))


def _shared() -> Iterator[Grant]:
    """What everybody who acts on manifests reads: the manifests, namespaces' labels, policy and suspensions."""
    yield from (Grant("", ESO, kind, _READ) for kind in WIRING_KINDS)
    # The platform's systems are few, hold no value, and say which paths nobody may read.
    yield from (Grant("", OURS, kind, _READ) for kind in ("rotations", "rotationtargets"))
    yield Grant("", "", "namespaces", _READ)  # stores' and ClusterExternalSecrets' conditions select them by label
    yield Grant(NAMESPACE, "", "configmaps", _READ, frozenset(SETTINGS))


def _nothing(objects: WiredObjects) -> Iterator[Grant]:
    """A capability that needs nothing in Kubernetes."""
    yield from ()


def _sources(objects: WiredObjects) -> Iterator[Grant]:
    for resource in sorted({source.resource for source in objects.sources}):
        chosen = (source for source in objects.sources if source.resource == resource)
        yield from _named("", resource, ("get",), chosen)
    yield from (Grant(namespace, "", SECRETS, frozenset({"get", "list"})) for namespace in objects.selecting)


def _targets(*verbs: str, retiring: bool = False) -> Bind:
    def bind(objects: WiredObjects) -> Iterator[Grant]:
        chosen = objects.targets | objects.retiring if retiring else objects.targets
        yield from _named("", SECRETS, verbs, chosen)

    return bind


def _written_targets(objects: WiredObjects) -> Iterator[Grant]:
    yield from _named("", SECRETS, ("update",), objects.targets)
    # Kubernetes decides on a creation before it knows the name.
    yield from (Grant(namespace, "", SECRETS, frozenset({"create"})) for namespace in names(objects.targets))
    yield from _consumptions(objects)


def _deleted_targets(objects: WiredObjects) -> Iterator[Grant]:
    yield from _targets("delete", retiring=True)(objects)
    yield from _consumptions(objects)


def _publications(objects: WiredObjects) -> Iterator[Grant]:
    yield from _named(ESO, "pushsecrets/status", ("patch",), objects.pushes)


def _rotations(objects: WiredObjects) -> Iterator[Grant]:
    """How far it is stands in the Rotation's status, and which version it confirmed."""
    yield from _named(OURS, "rotations/status", ("patch",), objects.rotations)


def _systems(objects: WiredObjects) -> Iterator[Grant]:
    """Whoever uses a declared system as its admin says in its status whether it can be used."""
    if objects.systems:  # no names would be every name
        yield Grant("", OURS, "rotationtargets/status", frozenset({"patch"}), objects.systems)


def _consumptions(objects: WiredObjects) -> Iterator[Grant]:
    """Whoever makes, deletes or compares a target says in its ExternalSecret's status how it stands."""
    yield from _named(ESO, "externalsecrets/status", ("patch",), objects.externals)


def _workloads(verbs: Iterable[str], pods: Iterable[str]) -> Bind:
    """Which workloads use a Secret is theirs to say: they are bound to the consumers' namespaces, not to names."""

    def bind(objects: WiredObjects) -> Iterator[Grant]:
        for namespace in names(objects.targets):
            yield from (Grant(namespace, "apps", kind, frozenset(verbs)) for kind in WORKLOAD_KINDS)
            if allowed := frozenset(pods):
                yield Grant(namespace, "", "pods", allowed)

    return bind


def _named(
    group: str, resource: str, verbs: Iterable[str], objects: Iterable[Source | SecretRef | ManifestRef]
) -> Iterator[Grant]:
    allowed = frozenset(verbs)
    yield from (Grant(namespace, group, resource, allowed, found) for namespace, found in names(objects).items())


# Every capability is here or in AT_THE_AUTHORITY (tests/infra/deploy/test_rbac.py).
BOUND: Mapping[Capability, Bind] = {
    Capability.SOURCE_READ: _sources,
    Capability.SOURCE_METADATA: _sources,
    Capability.TARGET_READ: _targets("get", retiring=True),
    Capability.TARGET_METADATA: _targets("get", retiring=True),
    Capability.TARGET_WRITE: _written_targets,
    Capability.TARGET_DELETE: _deleted_targets,
    Capability.PUBLICATION_READ: _nothing,  # it stands in the PushSecret, which whoever acts on manifests may read
    Capability.PUBLICATION_WRITE: _publications,
    Capability.WORKLOAD_READ: _workloads(("get", "list"), pods=("list",)),
    Capability.WORKLOAD_WRITE: _workloads(("patch",), pods=()),
    Capability.ROTATION_WRITE: _rotations,
    Capability.SYSTEM_READ: _nothing,  # whoever acts on manifests may see the declared systems
    Capability.SYSTEM_LOGIN: _nothing,
    Capability.SYSTEM_APPLY: _systems,
    Capability.SYSTEM_REVOKE: _nothing,
}
AT_THE_AUTHORITY = frozenset(
    {
        Capability.AUTHORITY_READ,
        Capability.AUTHORITY_WRITE,
        Capability.AUTHORITY_DELETE,
        Capability.AUTHORITY_METADATA,
        Capability.AUTHORITY_LIST,
        Capability.CLAIM_READ,
        Capability.CLAIM_WRITE,
        Capability.TOMBSTONE_READ,
        Capability.TOMBSTONE_WRITE,
        Capability.ROLLOUT_READ,
        Capability.ROLLOUT_WRITE,
        Capability.BUDGET_WRITE,
        Capability.REMINDER_WRITE,
        Capability.LEDGER_WRITE,
        Capability.ROTATION_READ,
        Capability.PENDING_READ,
        Capability.PENDING_WRITE,
        Capability.PENDING_REMOVE,
        Capability.PROOF_READ,
        Capability.PROOF_WRITE,
        Capability.ROTATED_WRITE,
        Capability.LEASE_READ,
        Capability.LEASE_RENEW,
        Capability.LEASE_REVOKE,
        Capability.LEAK_READ,
        Capability.LEAK_WRITE,
        Capability.LEAK_REMOVE,
        Capability.INDEX_READ,
        Capability.INDEX_WRITE,
        Capability.FINGERPRINT_LEAK,
        Capability.FINGERPRINT_REVOKED,
    }
)
