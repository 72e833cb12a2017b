"""A cluster as whoever may read it sees it, without the broker: opened for one question, and left again.

It writes nothing. What only the authority knows is asked there where VAULT_* or BAO_* name one, and is otherwise said
to be unknown; what only the broker knows (timeline, dead letters, ledger) is for the instance itself to tell.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NoReturn, Self

from events.consumer import WorkloadRef
from events.references import ManifestRef, PathRef, SecretRef, Version
from functions import STEPS
from functions._failures import StepFailure, Unavailable
from functions._manifests.rotation_target import RotationTarget
from functions._ports import Ports, SourceSecrets
from functions._workloads import Rollout
from infra.hosts.beside import Threads
from infra.hosts.cluster.access import NAME as ACCESS
from infra.hosts.cluster.access import ClusterAccess
from infra.hosts.cluster.conditions import overwritten_in, refusal_in
from infra.hosts.cluster.config_map import FollowedConfigMap, config_map_feed
from infra.hosts.cluster.publications import ClusterPublications
from infra.hosts.cluster.statuses import Statuses
from infra.hosts.cluster.suspensions import NAME as SUSPENDED
from infra.hosts.cluster.suspensions import ClusterSuspensions, SuspensionWriter
from infra.hosts.cluster.wired import WiredObjects
from infra.hosts.configuration import Configuration
from infra.hosts.gate import AuthorityGate, impatient
from infra.hosts.views.leaving import leaving
from infra.hosts.views.pipeline import Lookups
from infra.hosts.views.written import written_of
from infra.hosts.wiring import (
    Shared,
    SystemClock,
    convention_policy,
    external_authenticator,
    step_ports,
    step_settings,
    vault_client,
)
from infra.hosts.withheld import Withheld
from infra.kubernetes.api import Api
from infra.kubernetes.resources import ROTATION_TARGETS
from infra.kubernetes.settings import ClusterSettings
from infra.stores.kubernetes.config_maps import ConfigMapSources
from infra.stores.kubernetes.kinds import SourcesOfKinds
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.stores.kubernetes.services import ServiceSources
from infra.stores.kubernetes.workloads import KubernetesWorkloads
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.settings import VaultSettings
from infra.wiring.cluster import ClusterWiring, cluster_feeds
from infra.wiring.cluster_objects import Reading
from infra.wiring.index import Index, Source
from infra.wiring.newest import NewestWiring

READY_WITHIN = 30.0  # seconds
NO_AUTHORITY = "no authority is given here: set VAULT_ADDR and VAULT_TOKEN, or their BAO_* names"
_STEPS = {step.name: step for step in STEPS}


@dataclass(frozen=True, slots=True)
class SeenAuthority:
    """The authority with the caller's own rights there."""

    settings: VaultSettings
    gate: AuthorityGate
    client: VaultClient


class ClusterView:
    """One cluster, in the caller's own identity; a context manager. `title` is how people know it."""

    def __init__(
        self, settings: ClusterSettings, authority: VaultSettings | None, notice: Callable[[str], None]
    ) -> None:
        self._settings, self._authority, self._notice = settings, authority, notice
        self._open = ExitStack()
        self.configuration = Configuration()
        self.title = (
            f"cluster {settings.server} ({settings.context})" if settings.context else f"cluster {settings.server}"
        )

    def __enter__(self) -> Self:
        """Read what is there. Raises InvalidSettings."""
        with ExitStack() as opening:
            self._read(opening)
            self.authority = self._seen(opening)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _read(self, opening: ExitStack) -> None:
        self.api = api = Api(self._settings)
        opening.callback(api.close)
        self.wiring = wiring = ClusterWiring(
            cluster_feeds(api), policy=convention_policy(self.configuration), notice=self._notice
        )
        self.access = ClusterAccess(config_map_feed(api, ACCESS), trusting=True, notice=self._notice)
        self.suspensions = ClusterSuspensions(
            config_map_feed(api, SUSPENDED), wiring, SuspensionWriter(api), notice=self._notice
        )
        followed: tuple[ClusterWiring | FollowedConfigMap, ...] = (
            wiring, self.access.followed, self.suspensions.followed
        )  # fmt: skip
        for one in followed:
            one.start()
            opening.callback(one.stop)
        for one in followed:
            one.wait_ready(READY_WITHIN)
        wiring.reload()
        self.publications = ClusterPublications(wiring, Statuses(wiring, api))
        self.targets = secrets = KubernetesSecrets(api, wiring.uid_of, lists=True)
        kinds: dict[str, SourceSecrets] = {
            "Secret": secrets, "ConfigMap": ConfigMapSources(api, lists=True),
            "Service": ServiceSources(api, lists=True),
        }  # fmt: skip
        self.sources = SourcesOfKinds(kinds, WiredObjects(wiring, self.publications).kind_of)
        self.workloads = KubernetesWorkloads(api)

    def _seen(self, opening: ExitStack) -> SeenAuthority | None:
        settings = self._authority
        if settings is None:
            return None
        asking, http = HttpClient(impatient(settings)), HttpClient(settings)
        opening.callback(asking.close)
        opening.callback(http.close)
        return SeenAuthority(
            settings, AuthorityGate(asking), vault_client(http, external_authenticator(http, settings), "operator")
        )

    def look_again(self) -> None:
        """Take over what the watches told since."""
        self.wiring.reload()

    # --- what is computed from it ------------------------------------------------------------------------------------

    def lookups(self) -> Lookups:
        return Lookups(
            wiring=self.wiring, publications=self.publications, sources=self.sources, targets=self.targets,
            suspensions=self.suspensions, access=self.access, newest=self._newest, refused=self._refused,
            overwritten=self._overwritten, written=partial(written_of, self.wiring), leaving=self._leaving,
        )  # fmt: skip

    def ports(self, name: str) -> Ports:
        """A step's ports with the caller's rights; where no authority is given, those that do without one.

        For asking alone: whoever rehearses a step drafts its writes.
        """
        step, settings = _STEPS[name], step_settings(self.configuration)
        if self.authority is not None:
            shared = Shared(
                sources=self.sources, targets=self.targets, publications=self.publications, wiring=self.wiring,
                access=self.access, suspensions=self.suspensions, settings=settings,
                configuration=self.configuration, notice=self._notice, workloads=self.workloads,
                declared=self._declared,
            )  # fmt: skip
            return step_ports(step, self.authority.client, shared, None)
        return Ports(
            sources=self.sources, targets=self.targets, workloads=self.workloads, publications=self.publications,
            wiring=self.wiring, access=self.access, suspensions=self.suspensions, clock=SystemClock(),
            beside=Threads(), settings=settings, rollouts=_Unrecorded(), authority=_absent(name, "authority"),
            claims=_absent(name, "claims"), tombstones=_absent(name, "tombstones"), ledger=_absent(name, "ledger"),
            budgets=_absent(name, "budgets"), reminders=_absent(name, "reminders"),
            rotations=_unasked(), pending=_absent(name, "pending"), proofs=_absent(name, "proofs"),
            systems=_absent(name, "systems"), leases=_absent(name, "leases"),
            leaks=_unasked(), fingerprints=_absent(name, "fingerprints"), index=_absent(name, "index"),
            randomness=_absent(name, "randomness"),
        )  # fmt: skip

    def as_if_ours(self) -> NewestWiring:
        """The wiring without the stores' modes: what would be asked of the steps if all stores were handed over."""
        index = self.wiring.snapshot()
        placed = [Source(store, "the cluster", 0) for store in index.stores.values()]
        placed += [Source(each.push, each.placed.file, each.placed.line) for each in index.pushes()]
        placed += [Source(each.external, each.placed.file, each.placed.line) for each in index.externals()]
        placed += [Source(each.rotation, each.placed.file, each.placed.line) for each in index.rotated()]
        labels = {name: space.labels for name, space in self.wiring.namespaces().items() if not space.leaving}
        return _Handed(
            Index(placed, findings=index.findings, policy=index.policy, namespaces=labels, former=index.former)
        )

    def _declared(self, name: str) -> RotationTarget | None:
        """Asked for when it is needed: few questions are about targets, and not everybody may list them."""
        found = self.api.get(ROTATION_TARGETS, name)
        if found is None:
            return None
        held = Reading(RotationTarget, ROTATION_TARGETS.api_version, lambda _: None)(found)
        return held.manifest if isinstance(held.manifest, RotationTarget) else None

    def _refused(self, manifest: ManifestRef) -> str:
        held = self.wiring.held(manifest) if self.wiring.mode(manifest) == "own" else None
        return refusal_in(held.status) if held is not None else ""

    def _overwritten(self, path: PathRef, rotation: ManifestRef) -> str:
        """As its status shows it, whose condition is another once its next rotation made a version; where `sweep` has
        an identity of its own, which may not write there, as the authority says."""
        held = self.wiring.held(rotation)
        if held is not None and (said := overwritten_in(held.status)):
            return said
        confirmed = self.publications.read(path)
        try:
            newest = self._newest(path) if confirmed is not None else None
        except StepFailure:
            return ""  # `explain` and `check` say why
        if confirmed is None or newest is None or not newest.newer_than(confirmed.version):
            return ""
        return f"version {newest} was not confirmed by its rotation; version {confirmed.version} is distributed"

    def _leaving(self, secret: SecretRef, manifest: ManifestRef) -> datetime | None:
        return leaving(self.ports("sweep").tombstones, secret, manifest) if self.authority is not None else None

    def _newest(self, path: PathRef) -> Version | None:
        if self.authority is None:
            raise Unavailable("authority", NO_AUTHORITY)
        head = VaultAuthority(KvEngine(self.authority.client)).head(path)
        return head.version if head is not None and not head.deleted else None


class _Handed(NewestWiring):
    """A wiring over one snapshot."""

    def __init__(self, index: Index) -> None:
        self._index = index


class _Unrecorded:
    """`Rollouts` where the authority, which keeps the records, is not given: pods tell what they run without them."""

    def refs(self) -> tuple[WorkloadRef, ...]:
        return ()

    def read(self, ref: WorkloadRef) -> None:
        return None

    def write(self, rollout: Rollout) -> NoReturn:
        raise Unavailable("authority", NO_AUTHORITY)

    def remove(self, rollout: Rollout) -> NoReturn:
        raise Unavailable("authority", NO_AUTHORITY)


class _Unasked:
    """Documents of the authority where none is given."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def ask(*_: object) -> NoReturn:
            raise Unavailable("authority", NO_AUTHORITY)

        return ask


def _unasked() -> Any:
    return _Unasked()


def _absent(step: str, port: str) -> Any:
    return Withheld(step, port)
