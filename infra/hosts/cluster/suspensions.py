"""What operators stopped in a cluster: annotations on what it concerns, so that RBAC decides who may.

`lockstep.dev/suspend: "<reason>"` on a PushSecret, ExternalSecret or namespace. The ConfigMap `lockstep-suspended` of
our own namespace stops everything (key `reason`), and Secrets and paths that have no manifest to annotate (key
`scopes`, a YAML mapping of scope to reason).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from events.references import ManifestRef, PathRef, SecretRef
from functions._failures import Reject, Retry
from infra.hosts.cluster.config_map import NAMESPACE, Content, FollowedConfigMap
from infra.hosts.local.suspensions import Suspension
from infra.kubernetes.api import Api
from infra.kubernetes.informing import Feed, Notice
from infra.kubernetes.refusals import Absent
from infra.kubernetes.resources import CONFIG_MAPS, EXTERNAL_SECRETS, NAMESPACES, PUSH_SECRETS, Resource
from infra.wiring.cluster import ClusterWiring
from infra.wiring.tree import TreeError, parse_tree

SUSPEND = "lockstep.dev/suspend"
NAME = "lockstep-suspended"
EVERYTHING = "*"
_UNREASONED = "no reason was given"
_ANNOTATED = (PUSH_SECRETS, EXTERNAL_SECRETS)


class ClusterSuspensions:
    """Implements the port `Suspensions` from what is followed anyway; it raises Unavailable until that is known.

    A ConfigMap whose `scopes` cannot be read stops everything: what it was to stop is not known. `writer` is who
    suspends and resumes for operators of this process.
    """

    def __init__(
        self, feed: Feed, wiring: ClusterWiring, writer: "SuspensionWriter", *,
        changed: Callable[[], None] = lambda: None, notice: Notice = lambda _: None,
    ) -> None:  # fmt: skip
        self._wiring = wiring
        self._writer = writer
        self._changed = changed
        self._notice = notice
        self._scopes: Mapping[str, str] = {}
        self.followed = FollowedConfigMap(feed, NAME, self._told, notice)

    def reason(self, *references: SecretRef | PathRef | ManifestRef) -> str | None:
        self.followed.needed()
        scopes = self._scopes
        for scope, found in ((EVERYTHING, scopes.get(EVERYTHING)), *self._reasons(references, scopes)):
            if found is not None:
                return f"{found} (scope {scope})"
        return None

    def suspend(self, suspension: Suspension) -> int:
        """Stop writing for a scope; the resourceVersion of the change. Raises as SuspensionWriter does."""
        return self._writer.suspend(suspension.scope, suspension.reason)

    def resume(self, scope: str) -> int | None:
        """Release a scope; the resourceVersion of the change, None where it was not suspended."""
        return self._writer.resume(scope)

    def all(self) -> tuple[Suspension, ...]:
        """Everything suspended, ordered by scope; who did it, and when, is for the API server's audit log to tell."""
        found = dict(self._scopes)
        found |= {name: reason for name, s in self._wiring.namespaces().items() if (reason := _said(s.annotations))}
        index = self._wiring.snapshot()
        for manifest in (*index.push_secrets(), *index.external_secrets()):
            if reason := _said(manifest.annotations):
                found[f"{manifest.namespace}/{manifest.name}"] = reason
        now = datetime.now(UTC)
        return tuple(Suspension(scope, reason, "kubernetes", now) for scope, reason in sorted(found.items()))

    def _reasons(
        self, references: tuple[SecretRef | PathRef | ManifestRef, ...], scopes: Mapping[str, str]
    ) -> Iterator[tuple[str, str | None]]:
        for reference in references:
            if isinstance(reference, PathRef):
                yield str(reference), scopes.get(str(reference))
                continue
            scope = f"{reference.namespace}/{reference.name}"
            space = self._wiring.namespace(reference.namespace)
            yield reference.namespace, _said(space.annotations) if space else None
            yield reference.namespace, scopes.get(reference.namespace)
            yield scope, scopes.get(scope)
            if isinstance(reference, ManifestRef):
                manifest = self._wiring.push_secret(reference) or self._wiring.external_secret(reference)
                yield scope, _said(manifest.annotations) if manifest else None

    def _told(self, content: Content | None) -> None:
        try:
            scopes = {} if content is None else _scopes(content.data)
        except (TreeError, ValueError) as error:
            problem = f"ConfigMap {NAME}: scopes cannot be read ({error}); correct it, until then nothing is written"
            self._notice(problem)
            scopes = {EVERYTHING: problem}
        if scopes != self._scopes:
            self._scopes = scopes
            self._changed()


class SuspensionWriter:
    """Suspends and resumes with the caller's own rights at the API server. Raises as Api does."""

    def __init__(self, api: Api, namespace: str = NAMESPACE) -> None:
        self._api = api
        self._namespace = namespace

    def suspend(self, scope: str, reason: str) -> int:
        """Stop writing for a scope; the resourceVersion of the change. Raises Reject where nothing is called so."""
        changed = self._set(scope, reason)
        if changed is None:
            raise Reject(f"there is nothing called {scope}; name a namespace, namespace/manifest, mount/path or '*'")
        return changed

    def resume(self, scope: str) -> int | None:
        """Release a scope; the resourceVersion of the change, None where nothing was suspended by that name."""
        return self._set(scope, None)

    def _set(self, scope: str, reason: str | None) -> int | None:
        changed = [found for found in (self._listed(scope, reason), *self._annotated(scope, reason)) if found]
        return max(changed, default=None)

    def _annotated(self, scope: str, reason: str | None) -> Iterator[int]:
        parts = scope.split("/")
        if scope == EVERYTHING or len(parts) > 2:
            return
        targets: list[tuple[Resource, str, str | None]] = [(NAMESPACES, parts[0], None)] if len(parts) == 1 else []
        targets += [(resource, parts[1], parts[0]) for resource in _ANNOTATED if len(parts) == 2]
        for resource, name, namespace in targets:
            found = self._api.get(resource, name, namespace, metadata_only=True)
            if found is None or (reason is None and SUSPEND not in (found["metadata"].get("annotations") or {})):
                continue
            patch = {"metadata": {"annotations": {SUSPEND: reason}}}
            yield _version(self._api.patch(resource, name, patch, namespace, metadata_only=True))

    def _listed(self, scope: str, reason: str | None) -> int | None:
        """In the ConfigMap: everything, and what has nothing to be annotated."""
        named = scope.count("/") > 1 or scope == EVERYTHING
        found = self._api.get(CONFIG_MAPS, NAME, self._namespace)
        scopes = _scopes((found or {}).get("data") or {})
        if (reason is None and scope not in scopes) or (reason is not None and not named):
            return None
        if reason is None:
            del scopes[scope]
        else:
            scopes[scope] = reason
        everything = scopes.pop(EVERYTHING, None)
        data = {"reason": everything, "scopes": json.dumps(scopes, sort_keys=True) if scopes else None}
        if found is not None:
            body: dict[str, Any] = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "data": data}
            try:
                return _version(self._api.patch(CONFIG_MAPS, NAME, body, self._namespace))
            except Absent:
                raise Retry(f"ConfigMap {NAME} was removed meanwhile; try again") from None
        body = {"metadata": {"name": NAME}, "data": {key: text for key, text in data.items() if text is not None}}
        return _version(self._api.create(CONFIG_MAPS, body, self._namespace))


def _scopes(data: Mapping[str, str]) -> dict[str, str]:
    found = parse_tree(data["scopes"]) if data.get("scopes", "").strip() else {}
    if not isinstance(found, dict) or not all(isinstance(reason, str) for reason in found.values()):
        raise ValueError("a mapping of scopes to reasons is expected")
    scopes = {str(scope): reason or _UNREASONED for scope, reason in found.items()}
    if "reason" in data:
        scopes[EVERYTHING] = data["reason"] or _UNREASONED
    return scopes


def _said(annotations: Mapping[str, str]) -> str | None:
    reason = annotations.get(SUSPEND)
    return None if reason is None or reason == "false" else reason or _UNREASONED


def _version(found: Mapping[str, Any]) -> int:
    version = str(found["metadata"]["resourceVersion"])
    return int(version) if version.isdecimal() else 0
