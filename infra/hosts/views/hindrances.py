"""What keeps the wiring from being as it was written, and no path tells of: manifests that lead nowhere, or that could
not be read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from events.references import ManifestRef
from functions._contested import STILL_THEIRS, holders
from infra.hosts.located import located
from infra.hosts.views.pipeline import Lookups, entries
from infra.hosts.views.selection import Chosen, Selection
from infra.hosts.views.written import Written
from infra.wiring.finding import Finding

_STORE = "ClusterSecretStore"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """`refused`: the manifest may not act; `former`: it is used as it was read before; `unread`: nothing of it is used;
    `gone`: it is not there, nor is its file. `manifest` is None where nobody can tell whose text it is."""

    manifest: ManifestRef | None
    file: str
    line: int
    kind: Literal["refused", "former", "unread", "gone"]
    reason: str

    @property
    def about(self) -> str:
        """The CloudEvents subject, or the file."""
        return self.manifest.subject if self.manifest else self.file

    @property
    def name(self) -> str:
        """What people know it by."""
        return str(self.manifest) if self.manifest else self.file

    def __str__(self) -> str:
        return f"{located(self.file, self.line)}: {self.reason}" if self.file else self.reason


def of_named(selections: Iterable[Selection], chosen: Chosen, lookups: Lookups) -> Iterator[Hindrance]:
    """Of manifests that were named and lead nowhere, and of those behind the paths that were."""
    written, acting = lookups.written(), _acting(chosen, lookups)
    for selection in selections:
        for ref in selection.manifests:
            if ref not in acting and ref not in written.former:
                yield _idle(ref, selection, lookups, written)
    named = (ref for selection in selections for ref in selection.manifests)
    for ref in dict.fromkeys((*named, *acting)):
        if ref in written.former:
            yield _former(ref, written.former[ref])


def of_wired(namespace: str | None, chosen: Chosen, lookups: Lookups) -> Iterator[Hindrance]:
    """Of everything that is wired, or of one namespace; what may belong there, too."""
    written, acting, wiring = lookups.written(), _acting(chosen, lookups), lookups.wiring
    for each in (*wiring.push_secrets(), *wiring.external_secrets(), *wiring.rotations()):
        ref = each.ref
        if namespace in (None, ref.namespace) and ref not in acting and ref not in written.former:
            reason = wiring.problem(ref) or _rival(ref, lookups)
            if reason:
                yield Hindrance(ref, *written.where(ref), "refused", reason)
    for ref, finding in written.former.items():
        if namespace in (None, ref.namespace) or ref in acting:
            yield _former(ref, finding)
    for finding in written.unread():
        if namespace is None or finding.manifest is None or finding.manifest.namespace in (namespace, "-"):
            yield _unread(finding)


def wired_namespaces(lookups: Lookups) -> set[str]:
    """Where anything is wired, or was meant to be."""
    wiring, unread = lookups.wiring, lookups.written().unread()
    found = {each.namespace for each in (*wiring.push_secrets(), *wiring.external_secrets(), *wiring.rotations())}
    return found | {one.manifest.namespace for one in unread if one.manifest is not None} - {"-"}


def _acting(chosen: Chosen, lookups: Lookups) -> dict[ManifestRef, None]:
    """The manifests behind some paths, with the stores that they name."""
    found: dict[ManifestRef, None] = {}
    wiring = lookups.wiring
    for state, consumers in chosen:
        held = holders(state.path, wiring, lookups.publications.read)
        rotation = wiring.rotation_of_path(state.path) if state.producer is None else None
        refs = (*(push.ref for push in held), *((rotation.ref,) if rotation else ()))
        found.update((ref, None) for ref in (*refs, *(each.manifest for each in consumers)))
    manifests = (wiring.push_secret(ref) or wiring.external_secret(ref) or wiring.rotation(ref) for ref in tuple(found))
    stores = {name for manifest in manifests if manifest is not None for name in manifest.stores}
    found.update((ManifestRef(kind=_STORE, namespace="-", name=name), None) for name in sorted(stores))
    return found


def _idle(ref: ManifestRef, selection: Selection, lookups: Lookups, written: Written) -> Hindrance:
    """Why a manifest that was named leads nowhere."""
    wiring = lookups.wiring
    if wiring.push_secret(ref) or wiring.external_secret(ref) or wiring.rotation(ref):
        reason = wiring.problem(ref) or _rival(ref, lookups) or "it names no path"
        return Hindrance(ref, *written.where(ref), "refused", reason)
    if (finding := written.of(ref)) is not None:
        return _unread(finding)
    if unnamed := written.unnamed():
        first = unnamed[0]
        reason = f"{first.message}; it may hold {ref}, which is nowhere else, and nothing is deleted until it is mended"
        return Hindrance(ref, first.file, first.line, "unread", reason)
    return Hindrance(ref, "", 0, "gone", _gone(ref, selection, lookups))


def _gone(ref: ManifestRef, selection: Selection, lookups: Lookups) -> str:
    secret = selection.left
    due = lookups.leaving(secret, ref) if secret is not None else None
    if due is not None:
        return f"it is gone, and Secret {secret} will be deleted at {due:%Y-%m-%d %H:%M:%S} UTC; put it back to keep it"
    return f"it is gone; put it back, or remove Secret {secret} where nobody needs it"


def _rival(ref: ManifestRef, lookups: Lookups) -> str:
    """Who else holds what a PushSecret names."""
    push = lookups.wiring.push_secret(ref)
    if push is None:
        return ""
    for path in entries(push, lookups.wiring):
        held = holders(path, lookups.wiring, lookups.publications.read)
        if push not in held:
            return f"{path} belongs to {held[0].ref}, {STILL_THEIRS}"
    return ""


def _former(ref: ManifestRef, finding: Finding) -> Hindrance:
    reason = f"{_message(finding, ref)}; the former manifest is used until it is mended"
    return Hindrance(ref, finding.file, finding.line, "former", reason)


def _unread(finding: Finding) -> Hindrance:
    reason = _message(finding, finding.manifest)
    if finding.manifest is not None:
        reason = f"it cannot be read: {reason}; nothing of it is used until it is mended"
    return Hindrance(finding.manifest, finding.file, finding.line, "unread", reason)


def _message(finding: Finding, ref: ManifestRef | None) -> str:
    return finding.message.removeprefix(f"{ref}: ")
