"""What is held of a watched Secret, ConfigMap or Service: enough to tell that its content changed, and no value."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from events.references import SecretRef
from functions._ports import SecretHead
from infra.kubernetes.mirror import Object, key_of

SOURCE_KINDS = ("Secret", "ConfigMap", "Service")


@dataclass(frozen=True, slots=True)
class Seen:
    """One object. Two are equal where their content is: a change of metadata alone is no change.

    `digest` is keyed with bytes that this process made and never shows, so that no value can be guessed from it.
    `ours`: we wrote it, and nobody changed it since. `head`: what its metadata says, for those who look.
    """

    ref: SecretRef
    uid: str
    digest: bytes = field(repr=False)
    version: str = field(compare=False)
    labels: Mapping[str, str] = field(compare=False, default_factory=dict)
    ours: bool = field(compare=False, default=False)
    head: SecretHead | None = field(compare=False, repr=False, default=None)

    @property
    def state(self) -> str:
        """As the store of Kubernetes calls the same state (`Secret.state`)."""
        return f"{self.uid}/{self.version}"


class Looking:
    """Makes of an object what is held of it; None for one that is not `interesting`, or has a name of no Secret."""

    def __init__(
        self, kind: str, interesting: Callable[[SecretRef, Mapping[str, str]], bool], ours: Callable[[Object], bool],
        head: Callable[[SecretRef, Object], SecretHead] | None = None,
    ) -> None:  # fmt: skip
        self._content = _CONTENTS[kind]
        self._interesting = interesting
        self._ours = ours
        self._head = head
        self._key = secrets.token_bytes(32)

    def __call__(self, found: Object) -> Seen | None:
        namespace, name = key_of(found)
        try:
            ref = SecretRef(namespace=namespace, name=name)
        except ValidationError:
            return None
        metadata = found["metadata"]
        labels = metadata.get("labels") or {}
        if not self._interesting(ref, labels):
            return None
        return Seen(
            ref=ref,
            uid=metadata.get("uid", ""),
            digest=self._digest(found),
            version=metadata.get("resourceVersion", ""),
            labels=labels,
            ours=self._ours(metadata),
            head=self._head(ref, metadata) if self._head else None,
        )

    def _digest(self, found: Object) -> bytes:
        hasher = hashlib.blake2b(key=self._key, digest_size=16)
        for part in self._content(found):
            raw = part.encode()
            hasher.update(len(raw).to_bytes(8, "big"))  # lengths keep ("ab", "c") and ("a", "bc") apart
            hasher.update(raw)
        return hasher.digest()


def _secret(found: Object) -> Iterator[str]:
    yield str(found.get("type", ""))
    yield from _members(found.get("data"))


def _config_map(found: Object) -> Iterator[str]:
    yield from _members(found.get("data"))
    yield "binary"
    yield from _members(found.get("binaryData"))


def _service(found: Object) -> Iterator[str]:
    """Its ports; its host is its name, which does not change."""
    spec = found.get("spec") or {}
    yield str(spec.get("type", ""))
    yield str(spec.get("externalName", ""))
    for port in spec.get("ports") or ():
        yield from (str(port.get(member, "")) for member in ("name", "port", "protocol"))


def _members(data: Mapping[str, str] | None) -> Iterator[str]:
    for key in sorted(data or {}):
        yield key
        yield (data or {})[key]


_CONTENTS: dict[str, Callable[[Object], Iterator[str]]] = {
    "Secret": _secret, "ConfigMap": _config_map, "Service": _service,
}  # fmt: skip
