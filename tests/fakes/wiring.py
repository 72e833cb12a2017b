"""The wiring as plain lists: slow look-ups that are obviously right, to hold the real index against."""

from collections.abc import Iterator, Mapping

from events.references import ManifestRef, PathRef, SecretRef
from functions._manifests.cluster_secret_store import Mode
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation import Rotation


class FakeWiring:
    """Manifests that a test puts and removes; every store is the mount `secret`."""

    def __init__(self) -> None:
        self.ended: set[str] = set()  # namespaces that are no more
        self.pushes: dict[ManifestRef, PushSecret] = {}
        self.externals: dict[ManifestRef, ExternalSecret] = {}
        self.rotating: dict[ManifestRef, Rotation] = {}
        self.problems: dict[ManifestRef, str] = {}
        self.modes: dict[ManifestRef, Mode] = {}
        self.whole = True

    def put(self, manifest: PushSecret | ExternalSecret | Rotation) -> ManifestRef:
        if isinstance(manifest, PushSecret):
            self.pushes[manifest.ref] = manifest
        elif isinstance(manifest, Rotation):
            self.rotating[manifest.ref] = manifest
        else:
            self.externals[manifest.ref] = manifest
        return manifest.ref

    def remove(self, ref: ManifestRef) -> None:
        self.pushes.pop(ref, None)
        self.externals.pop(ref, None)
        self.rotating.pop(ref, None)

    def push_secret(self, ref: ManifestRef) -> PushSecret | None:
        return self.pushes.get(ref)

    def external_secret(self, ref: ManifestRef) -> ExternalSecret | None:
        return self.externals.get(ref)

    def producers_of_source(self, ref: SecretRef, labels: Mapping[str, str]) -> tuple[PushSecret, ...]:
        def selects(push: PushSecret) -> bool:
            selector = push.spec.selector.secret
            if push.namespace != ref.namespace:
                return False
            if selector.name is not None:
                return selector.name == ref.name
            return selector.selector is not None and selector.selector.matches(labels)

        return tuple(push for push in self.push_secrets() if selects(push))

    def selects_labels(self, namespace: str) -> bool:
        return any(p.namespace == namespace and p.spec.selector.secret.name is None for p in self.push_secrets())

    def producers_of_path(self, path: PathRef) -> tuple[PushSecret, ...]:
        return tuple(push for push in self.push_secrets() if path in push.entries(self.mount))

    def consumers_of_path(self, path: PathRef) -> tuple[ExternalSecret, ...]:
        return tuple(
            consumer
            for consumer in self.external_secrets()
            if path in consumer.paths(self.mount) or any(f.matches(path) for f in consumer.finds(self.mount))
        )

    def consumer_of_target(self, ref: SecretRef) -> tuple[ExternalSecret, ...]:
        return tuple(consumer for consumer in self.external_secrets() if consumer.target == ref)

    def push_secrets(self) -> Iterator[PushSecret]:
        yield from sorted(self.pushes.values(), key=lambda push: str(push.ref))

    def external_secrets(self) -> Iterator[ExternalSecret]:
        yield from sorted(self.externals.values(), key=lambda consumer: str(consumer.ref))

    def rotation(self, ref: ManifestRef) -> Rotation | None:
        return self.rotating.get(ref)

    def rotation_of_path(self, path: PathRef) -> Rotation | None:
        found = [one for one in self.rotations() if one.path(self.mount) == path]
        return found[0] if len(found) == 1 else None

    def rotations(self) -> Iterator[Rotation]:
        yield from sorted(self.rotating.values(), key=lambda rotation: str(rotation.ref))

    def mount(self, store: str) -> str | None:
        return "secret" if store == "vault-backend" else None

    def mode(self, ref: ManifestRef) -> Mode:
        return self.modes.get(ref, "own")

    def gone(self, namespace: str) -> bool:
        return namespace in self.ended

    def complete(self) -> bool:
        return self.whole

    def problem(self, ref: ManifestRef) -> str | None:
        return self.problems.get(ref)
