"""An object of the cluster as the wiring holds it: read once per change of what drives it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import ValidationError

from functions._manifests.cluster_external_secret import ClusterExternalSecret
from functions._manifests.cluster_secret_store import ClusterSecretStore
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.paths import CLUSTER_STORE
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation import Rotation
from functions._manifests.rotation_target import RotationTarget
from infra.kubernetes.mirror import Key, Object, key_of

ClusterManifest: TypeAlias = (
    PushSecret | ExternalSecret | ClusterSecretStore | ClusterExternalSecret | Rotation | RotationTarget
)
_METADATA = ("name", "namespace", "uid", "labels", "annotations")
_LONGEST = 300  # characters of a reason


@dataclass(frozen=True, slots=True)
class Held:
    """One object. Equal to another where it drives the same: what its controller writes into its status does not.

    `manifest` is the last that could be read, `refusal` why the newest could not be. `stores` are the
    ClusterSecretStores that it names, as far as can be told. `leaving`: it is being deleted.
    """

    digest: bytes
    stores: frozenset[str] = field(compare=False)
    manifest: ClusterManifest | None = field(compare=False, default=None)
    refusal: str = field(compare=False, default="")
    leaving: bool = field(compare=False, default=False)
    uid: str = field(compare=False, default="")
    version: str = field(compare=False, default="")  # metadata.resourceVersion
    generation: int = field(compare=False, default=0)  # metadata.generation
    status: Mapping[str, Any] = field(compare=False, repr=False, default_factory=dict)


class Reading:
    """Makes of an object what is held of it; `before` finds what was held, which is taken over where it still holds."""

    def __init__(self, model: type[ClusterManifest], api_version: str, before: Callable[[Key], Held | None]) -> None:
        self._model = model
        self._api_version = api_version
        self._before = before

    def __call__(self, found: Object) -> Held:
        metadata = found["metadata"]
        body = {
            "apiVersion": self._api_version,  # items of a list, and of an older version, say otherwise or nothing
            "kind": self._model.KIND,
            "metadata": {name: metadata[name] for name in _METADATA if metadata.get(name) is not None},
            "spec": found.get("spec"),
        }
        leaving = metadata.get("deletionTimestamp") is not None
        digest = hashlib.sha256(json.dumps([body, leaving], sort_keys=True).encode()).digest()
        before = self._before(key_of(found))
        manifest, refusal = self._manifest(body, before if before is not None and before.digest == digest else None)
        if manifest is None and before is not None:
            manifest = before.manifest  # a slip of the pen takes nothing away
        return Held(
            digest=digest,
            stores=frozenset(_stores(found.get("spec"))),
            manifest=manifest,
            refusal=refusal,
            leaving=leaving,
            uid=metadata.get("uid", ""),
            version=metadata.get("resourceVersion", ""),
            generation=metadata.get("generation", 0),
            status=found.get("status") or {},
        )

    def _manifest(self, body: dict[str, Any], same: Held | None) -> tuple[ClusterManifest | None, str]:
        if same is not None:
            return same.manifest, same.refusal
        try:
            return self._model.model_validate(body), ""
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            message = str(first["msg"]).removeprefix("Value error, ")
            if first["type"] == "extra_forbidden":
                message = "is no field that is known here"
            return None, f"{place} {message}"[:_LONGEST]


def _stores(spec: Any) -> Iterator[str]:
    """The ClusterSecretStores that a spec names, wherever it does: for objects that could not be read, too."""
    if isinstance(spec, dict):
        if spec.get("kind") == CLUSTER_STORE and isinstance(spec.get("name"), str):
            yield spec["name"]
        for part in spec.values():
            yield from _stores(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from _stores(part)
