"""SourceSecrets and TargetSecrets over Kubernetes' own Secrets.

Reading is one GET, making one POST, changing one PUT with the uid and resource version that were read, deleting one
DELETE with the same preconditions. What a PUT must carry on and no step sees (finalizers, owners, who holds which
field) is remembered from the read before it.
"""

import base64
import binascii
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from events.references import SecretRef
from functions._failures import Conflict, Reject, Retry
from functions._manifests.rare import LabelSelector
from functions._ports import LookedAt, Secret, SecretContent, SecretHead
from functions._values import SecretValue
from infra.kubernetes.api import Api
from infra.kubernetes.refusals import Absent, Invalid
from infra.kubernetes.resources import SECRETS, Object
from infra.stores.kubernetes import marks
from infra.stores.kubernetes.limits import refuse_unfit
from infra.stores.kubernetes.many import ManyHeads
from infra.stores.kubernetes.marks import Metadata, metadata_of, state_of
from infra.stores.kubernetes.ownership import UidOf, controller_of, owner_references
from infra.stores.kubernetes.selecting import select

K = TypeVar("K")
T = TypeVar("T")
_REMEMBERED = 256  # Secrets whose metadata is kept between a read and the write that follows
_VERSIONS = 1024  # Secrets whose newest resource version is kept


def _untold(_: SecretRef) -> str:
    """Nothing is watched."""
    return ""


class KubernetesSecrets:
    """The Secrets of one cluster in one identity. Thread-safe.

    Labels and annotations that others put on a Secret of ours stay, and `read` leaves them out; `head` shows all.
    All methods raise Unavailable("kubernetes", …), Conflict or Reject (infra.kubernetes.refusals). `uid_of` gives the
    uid of an ExternalSecret, for the ownerReference of what it makes. `lists`: as of ManyHeads. `told` gives the
    resource version of a Secret that a watch told last, "" where none follows it.

    `reading` finds what is not older than what was told, than all that was read and written here, and than what was
    `published` from it: where both are known the API server answers from memory, and so half as fast again. Whatever
    is newer is still to be told.
    """

    def __init__(
        self, api: Api, uid_of: UidOf, *, lists: bool = False, told: Callable[[SecretRef], str] = _untold
    ) -> None:
        self._api = api
        self._uid_of = uid_of
        self._told = told
        self._seen = _Seen()
        self._many = ManyHeads(api, SECRETS, self.head_of, lists=lists)

    # --- reading ---------------------------------------------------------------------------------------------

    def read(self, ref: SecretRef) -> Secret | None:
        return self._secret(ref, self._api.get(SECRETS, ref.name, ref.namespace))

    @contextmanager
    def reading(self, ref: SecretRef) -> Iterator[Callable[[], Secret | None]]:
        with self._api.getting(SECRETS, ref.name, ref.namespace, not_older=self._new_enough(ref)) as found:
            yield lambda: self._secret(ref, found())

    def _new_enough(self, ref: SecretRef) -> str:
        told, seen = self._told(ref), self._seen.newest(str(ref))
        return str(max(int(told), seen)) if told.isdecimal() and seen else ""

    def _secret(self, ref: SecretRef, found: Object | None) -> Secret | None:
        if found is None:
            return None
        metadata = metadata_of(found)
        self._seen.remember(ref, metadata)
        manager = self._api.field_manager
        return Secret(
            ref=ref, data=_data(ref, found), state=state_of(metadata), type=found.get("type") or "Opaque",
            labels=marks.written_labels(metadata, manager), annotations=marks.written_annotations(metadata, manager),
            immutable=found.get("immutable") is True, stamp=marks.stamp_of(metadata), owner=self._owner(ref, metadata),
            managed=marks.managed_of(metadata, manager), drifted=marks.drifted(metadata, manager),
        )  # fmt: skip

    def published(self, sources: Mapping[str, str]) -> None:
        """The states (by str(SecretRef)) that a path was published from, by whomever."""
        for name, state in sources.items():
            self._seen.at_least(name, state.rpartition("/")[2])

    def head(self, ref: SecretRef) -> SecretHead | None:
        """As `read`, from metadata alone: no value leaves the API server."""
        found = self._api.get(SECRETS, ref.name, ref.namespace, metadata_only=True)
        if found is None:
            return None
        metadata = metadata_of(found)
        self._seen.remember(ref, metadata)
        return self.head_of(ref, metadata)

    def head_of(self, ref: SecretRef, metadata: Metadata) -> SecretHead:
        """What the metadata of a Secret says, whoever read it."""
        return SecretHead(
            ref=ref, state=state_of(metadata), stamp=marks.stamp_of(metadata), owner=self._owner(ref, metadata),
            drifted=marks.drifted(metadata, self._api.field_manager), labels=marks.labels_of(metadata),
            annotations=marks.annotations_of(metadata),
        )  # fmt: skip

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        return self._many.look(refs)

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        return select(self._api, SECRETS, namespace, selector)

    # --- writing ---------------------------------------------------------------------------------------------

    def create(self, ref: SecretRef, content: SecretContent) -> str:
        refuse_unfit(ref, content)
        made = self._api.create(
            SECRETS, self._object(ref, content, {}), ref.namespace, name=ref.name, metadata_only=True
        )  # fmt: skip
        return self._written(ref, made)

    def update(self, ref: SecretRef, content: SecretContent, expected: str) -> str:
        refuse_unfit(ref, content)
        found = self._as_read(ref, expected)
        if "deletionTimestamp" in found:
            raise Retry(f"Secret {ref} is being deleted{_holders(found)}; it is made anew when it is gone", after=30.0)
        body = self._object(ref, content, found)
        try:
            written = self._api.replace(SECRETS, ref.name, body, ref.namespace, metadata_only=True)
        except Absent:
            raise Conflict(f"Secret {ref} was deleted since it was read") from None
        except Invalid as refused:
            raise _explained(ref, refused) from None
        return self._written(ref, written)

    def delete(self, ref: SecretRef, expected: str) -> None:
        uid, slash, version = expected.partition("/")
        if not (uid and slash and version):
            raise Conflict(f"Secret {ref} is no longer in the state that was read")
        left = self._api.delete(SECRETS, ref.name, ref.namespace, uid=uid, resource_version=version)
        self._seen.forget(ref)
        if left is not None:
            raise Retry(f"Secret {ref} is marked for deletion{_holders(metadata_of(left))}", after=30.0)

    # --- inside ----------------------------------------------------------------------------------------------

    def _owner(self, ref: SecretRef, metadata: Metadata) -> str:
        return marks.owner_of(metadata) or controller_of(metadata, ref.namespace, self._uid_of)

    def _as_read(self, ref: SecretRef, expected: str) -> Metadata:
        found = self._seen.recall(ref, expected)
        if found is not None:
            return found
        # Read by another process, or so many Secrets ago that it is forgotten: its metadata is needed again.
        current = self._api.get(SECRETS, ref.name, ref.namespace, metadata_only=True)
        if current is None or state_of(metadata_of(current)) != expected:
            raise Conflict(f"Secret {ref} is no longer in the state that was read")
        return metadata_of(current)

    def _object(self, ref: SecretRef, content: SecretContent, found: Metadata) -> Object:
        manager = self._api.field_manager
        metadata: dict[str, Any] = {
            "name": ref.name, "namespace": ref.namespace, **marks.marked(content, found, manager)
        }  # fmt: skip
        metadata["ownerReferences"] = owner_references(content, found, self._uid_of)
        if found:
            metadata["uid"], metadata["resourceVersion"] = found.get("uid"), found.get("resourceVersion")
            metadata["finalizers"] = found.get("finalizers") or []
            metadata["managedFields"] = marks.held_fields(found, content, metadata, manager)
        data = {key: base64.b64encode(value.reveal()).decode() for key, value in content.data.items()}
        made: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": content.type, "data": data}
        return {**made, "immutable": True} if content.immutable else made

    def _written(self, ref: SecretRef, written: Object) -> str:
        metadata = metadata_of(written)
        self._seen.remember(ref, metadata)
        return state_of(metadata)


class _Seen:
    """The metadata of Secrets as last read or written; no value is in it but what kubectl noted there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[SecretRef, Metadata] = OrderedDict()
        self._newest: OrderedDict[str, int] = OrderedDict()

    def remember(self, ref: SecretRef, metadata: Metadata) -> None:
        with self._lock:
            _keep(self._found, ref, metadata, _REMEMBERED)
        self.at_least(str(ref), str(metadata.get("resourceVersion", "")))

    def at_least(self, name: str, version: str) -> None:
        """There was this version of a Secret, or a newer one: of reads side by side the older may end last."""
        if version.isdecimal():
            with self._lock:
                _keep(self._newest, name, max(int(version), self._newest.get(name, 0)), _VERSIONS)

    def recall(self, ref: SecretRef, state: str) -> Metadata | None:
        with self._lock:
            metadata = self._found.get(ref)
        return metadata if metadata is not None and state_of(metadata) == state else None

    def newest(self, name: str) -> int:
        """The newest resource version of a Secret that there is known to have been; 0 for none (any more)."""
        with self._lock:
            return self._newest.get(name, 0)

    def forget(self, ref: SecretRef) -> None:
        with self._lock:
            self._found.pop(ref, None)


def _keep(those: OrderedDict[K, T], name: K, one: T, most: int) -> None:
    those[name] = one
    those.move_to_end(name)
    while len(those) > most:
        those.popitem(last=False)


def _data(ref: SecretRef, found: Object) -> dict[str, SecretValue]:
    try:
        return {key: SecretValue(base64.b64decode(text)) for key, text in (found.get("data") or {}).items()}
    except (binascii.Error, ValueError, TypeError):
        raise Reject(f"Secret {ref}: the API server sends data that is not base64") from None


def _holders(metadata: Metadata) -> str:
    finalizers = metadata.get("finalizers") or ()
    if not finalizers:
        return ""
    names = ", ".join(str(each) for each in finalizers)[:200]
    return f" and held by finalizers ({names}): let their controllers finish, or remove them if they are gone"


def _explained(ref: SecretRef, refused: Invalid) -> Reject:
    """What Kubernetes never changes in place; everything else it refuses is told as it is."""
    fields = {cause.field for cause in refused.causes}
    if "type" in fields:
        return Reject(f"Secret {ref} has another type, which Kubernetes never changes: delete it, and it is made anew")
    if any(cause.field in ("data", "immutable") and cause.reason == "FieldValueForbidden" for cause in refused.causes):
        return Reject(f"Secret {ref} is immutable: delete it, and it is made anew")
    return refused
