"""ServiceAccounts, and the Roles that bind each to what is wired: a role per identity and namespace."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document
from infra.deploy.manifests.workloads import BROKER, RECORD, workloads
from infra.deploy.rbac import WATCH, Grant, all_grants, merged
from infra.deploy.triggers import NAMESPACE
from infra.deploy.wired import WiredObjects

_RBAC = "rbac.authorization.k8s.io"
_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")  # as people read them


def accounts(installation: Installation) -> list[Document]:
    """One per workload. No token is mounted by itself: each pod asks for the tokens that it needs."""
    return [
        document("v1", "ServiceAccount", each.name, automountServiceAccountToken=False)
        for each in workloads(installation)
    ]


def account_grants(objects: WiredObjects, installation: Installation) -> dict[str, tuple[Grant, ...]]:
    """Every ServiceAccount's grants. The embedded broker is the watch and the keeper of the ledger as well."""
    found = all_grants(objects)
    if installation.target == "kubernetes":
        found[BROKER] = merged([*found.pop(WATCH), *found.pop(RECORD)])
    return found


def permissions(objects: WiredObjects, installation: Installation) -> list[Document]:
    """Roles and their bindings, cluster-wide ones first."""
    return [one for account, found in account_grants(objects, installation).items() for one in bound(account, found)]


def bound(account: str, granted: Iterable[Grant]) -> Iterator[Document]:
    """A Role and its RoleBinding per namespace; "" is the cluster, which comes first."""
    by_namespace: dict[str, list[Grant]] = defaultdict(list)
    for grant in granted:
        by_namespace[grant.namespace].append(grant)
    for namespace, inside in by_namespace.items():
        yield from _pair(account, namespace, [_rule(grant) for grant in inside])


def _pair(account: str, namespace: str, rules: list[Document]) -> Iterator[Document]:
    prefix = "" if namespace else "Cluster"
    name = f"lockstep-{account}"
    where = namespace or None
    yield document(f"{_RBAC}/v1", f"{prefix}Role", name, namespace=where, rules=rules)
    yield document(
        f"{_RBAC}/v1",
        f"{prefix}RoleBinding",
        name,
        namespace=where,
        roleRef={"apiGroup": _RBAC, "kind": f"{prefix}Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
    )


def _rule(grant: Grant) -> Document:
    rule: Document = {"apiGroups": [grant.group], "resources": [grant.resource]}
    if grant.names:
        rule["resourceNames"] = sorted(grant.names)
    return rule | {"verbs": sorted(grant.verbs, key=_VERBS.index)}
