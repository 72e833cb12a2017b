"""GET adoption/eso: the paths that External Secrets Operator pushed, and what taking each of them over would do.

ESO lists what it pushed in a PushSecret's `status.syncedPushSecrets`. Nothing is ordered here: each path is then
adopted as any other, against exactly what was shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from events.references import ManifestRef
from functions._manifests.paths import CLUSTER_STORE
from functions._manifests.push_secret import PushSecret
from infra.hosts.control.adopting import adoption
from infra.hosts.control.arguments import optional_text, texts
from infra.hosts.control.documents import Document
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts


class _Object(Protocol):
    @property
    def status(self) -> Mapping[str, Any]: ...


@runtime_checkable
class _InCluster(Protocol):
    """A wiring whose manifests are objects that have a status."""

    def held(self, ref: ManifestRef) -> _Object | None: ...


@dataclass(frozen=True, slots=True)
class _Pushed:
    """One path as ESO names it: the store as `Kind/name`, and the key at it."""

    store: str
    key: str


def pushed(parts: Parts, arguments: Arguments, by: str) -> Document:
    """One item for each path of the PushSecrets that `names` and `namespace` leave (all of them without)."""
    wiring = parts.wiring
    if not isinstance(wiring, _InCluster):
        raise ControlError(400, "--from eso is for a cluster: start `lockstep up --context`, or name the path and --by")
    items: list[Document] = []
    for push in _chosen(parts, arguments):
        held = wiring.held(push.ref)
        found = tuple(_pushed(held.status if held is not None else {}))
        items += [_item(parts, push, one, by) for one in found]
        if not found and arguments.get("names"):
            items.append(_refused(push, "", "", "its status lists nothing that External Secrets Operator pushed"))
    return {"items": items}


def _chosen(parts: Parts, arguments: Arguments) -> list[PushSecret]:
    namespace, names = optional_text(arguments, "namespace"), texts(arguments, "names")
    wanted = {name if "/" in name else f"{namespace}/{name}" for name in names}
    if any(one.startswith("None/") for one in wanted):
        raise ControlError(400, "a bare name needs its namespace: give -n NAMESPACE, or NAMESPACE/NAME")
    every = {f"{push.namespace}/{push.name}": push for push in parts.wiring.push_secrets()}
    if unknown := sorted(wanted - every.keys()):
        raise ControlError(404, f"no PushSecret is called {unknown[0][:200]}; `kubectl get pushsecrets -A` lists them")
    chosen = [every[name] for name in sorted(wanted or every)]
    return [push for push in chosen if namespace in (None, push.namespace)]


def _pushed(status: Mapping[str, Any]) -> Iterator[_Pushed]:
    """What `syncedPushSecrets` lists, each path once however many of its properties are pushed."""
    synced = status.get("syncedPushSecrets")
    found: dict[_Pushed, None] = {}
    for store, entries in (synced if isinstance(synced, dict) else {}).items():
        for entry in (entries if isinstance(entries, dict) else {}).values():
            match = entry.get("match") if isinstance(entry, dict) else None
            remote = match.get("remoteRef") if isinstance(match, dict) else None
            key = remote.get("remoteKey") if isinstance(remote, dict) else None
            if isinstance(key, str) and key:
                found[_Pushed(store, key)] = None
    yield from found


def _item(parts: Parts, push: PushSecret, one: _Pushed, by: str) -> Document:
    kind, _, name = one.store.partition("/")
    if kind != CLUSTER_STORE:
        return _refused(push, one.store, one.key, f"{one.store} is no ClusterSecretStore; those alone are handed over")
    store = parts.wiring.snapshot().stores.get(name)
    if store is None:
        return _refused(push, one.store, one.key, f"there is no ClusterSecretStore {name} any more")
    if store.mode != "own":
        return _refused(
            push, one.store, one.key, f"External Secrets Operator still serves ClusterSecretStore {name}",
            f"""kubectl patch clustersecretstore {name} --type merge -p '{{"spec":{{"controller":"lockstep"}}}}'""",
            f"lockstep adopt --from eso -n {push.namespace} {push.name}",
        )  # fmt: skip
    path = f"{store.mount}/{one.key}"
    claimant = f"{push.namespace}/{push.name}"
    try:
        plan = adoption(parts, {"path": path, "by": claimant}, by)
    except ControlError as refused:
        return _refused(push, one.store, path, str(refused))
    return {"by": claimant, "store": one.store, "path": path, "refused": plan["refused"], "mend": [], "plan": plan}


def _refused(push: PushSecret, store: str, path: str, reason: str, *mend: str) -> Document:
    return {
        "by": f"{push.namespace}/{push.name}", "store": store, "path": path, "refused": reason, "mend": list(mend),
        "plan": None,
    }  # fmt: skip
