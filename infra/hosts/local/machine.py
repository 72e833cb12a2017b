"""The platform of one machine: manifests and Secrets as directories below ROOT, followed by their files' changes."""

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from events.event import Event
from events.references import ManifestRef, PathRef
from functions._capability import Capability
from functions._step import Step
from infra.hosts.configuration import Configuration
from infra.hosts.guarded_wiring import GuardedWiring
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.feeds import SecretFeed, WiringFeed
from infra.hosts.local.manifests import KnownManifests
from infra.hosts.local.publications import LocalPublications
from infra.hosts.local.suspensions import LocalSuspensions
from infra.hosts.platform import Hooks, Notice, Watch
from infra.hosts.stopping import stop_all
from infra.hosts.views.remarks import unread_files
from infra.hosts.wiring import convention_policy, directory_secrets, own_mounts
from infra.sources.directory_watch import DirectoryWatch
from infra.sources.tree_watch import TreeWatch
from infra.stores.directory.workloads import NoWorkloads
from infra.wiring.access import FileAccess
from infra.wiring.index import Index
from infra.wiring.targets import TargetFolder

_log = logging.getLogger("lockstep")
_READY = 10.0  # seconds that a watch may take to look at everything once


class Machine:
    """Implements Platform over ROOT/wiring, ROOT/access.yaml, ROOT/targets and ROOT/namespaces."""

    def __init__(
        self, root: Path, configuration: Configuration, database: LocalDatabase, servers: tuple[str, ...] | None,
        notice: Notice,
    ) -> None:  # fmt: skip
        """Read what is there. `servers` are those that a store manifest may name. Raises AccessError."""
        self._root = root
        self._targets = (root / "targets").absolute()
        self._database = database
        self._notice = notice
        self._following: list[Callable[[], object]] = []
        self.title = f"root {root}"
        self.access = FileAccess(root / "access.yaml")
        self._policy: str | None = None  # what was wrong with it when it was told of last
        self.declared = TargetFolder(self._targets)
        self._declare()
        self._bound = self.declared.all()  # whose paths the policies were bound to last: at the start, to these
        self.wiring = GuardedWiring(
            root / "wiring", convention_policy(configuration), servers, own_mounts(configuration), self.declared.all
        )
        self.wiring.reload()
        self._unread = unread_files(self.wiring.snapshot())  # of which was told last: at the start, of these
        self.publications = LocalPublications(database)
        self.suspensions = LocalSuspensions(database)
        self.workloads = NoWorkloads()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.sources = self.targets = directory_secrets(root, configuration)
        self.known_sources = self.known_targets = self.targets  # a look at a file is no request
        self.targets.clean()

    def retiring(self, index: Index) -> tuple[PathRef, ...]:
        return ()  # a publication outlives its manifest here

    def ready(self) -> bool:
        return True

    def runs(self, step: Step) -> bool:
        return Capability.ROLLOUT_WRITE not in step.needs  # files have no workloads: who reads them sees what they hold

    def refusal(self, manifest: ManifestRef) -> str:
        return ""

    def prepared(self, step: Step) -> Step:
        return step

    def observe(self, event: Event) -> None:
        """Nothing beside the files shows outcomes here."""

    def refused(self, step: str, event: Event, reason: str) -> None:
        """As `observe`."""

    def follow(self, hooks: Hooks) -> tuple[Watch, ...]:
        secret_feed = SecretFeed(self.wiring, self.sources, self.publications, hooks.tell("directory"))
        watch = DirectoryWatch(
            self._root,
            self.sources,
            interested=secret_feed.interested,
            emit=secret_feed.told,
            known=secret_feed.known,
            expected=secret_feed.expected,
            derived=secret_feed.derived,
            notice=self._notice,
        )
        wiring_feed = WiringFeed(
            self.wiring, KnownManifests(self._database), bind=hooks.bind, tell=hooks.tell("wiring")
        )

        def on_change(paths: frozenset[Path]) -> None:
            # The policy first: what it denies now must not wait until the authority lets policies be bound.
            policy = any(path.name == "access.yaml" for path in paths)
            if policy:
                self._tell_policy(self.access.reload())
            if any(path.is_relative_to(self._targets) for path in paths):
                self._declare()
            news = wiring_feed.refresh()
            self._tell_unread()
            if news > 0:
                watch.relist()
            declared = self.declared.all() is not self._bound
            if declared:  # where the authority lets no policy be bound now, everything is told, and tried, again
                hooks.bind(self.wiring.snapshot())
                self._bound = self.declared.all()
            if policy or declared:
                hooks.sweep()  # what was denied may be allowed now

        wiring_feed.refresh()
        manifests = TreeWatch(
            [self._root / "wiring", self._root / "access.yaml", self._targets], on_change, name="wiring-watch"
        )
        for part in (watch, manifests):
            part.start()
            self._following.append(part.stop)
            part.wait_ready(_READY)
        return watch, manifests

    def _tell_unread(self) -> None:
        """Tell once of each file that became unreadable, and of each that is read again."""
        before, now = self._unread, unread_files(self.wiring.snapshot())
        self._unread = now
        for file in sorted(now.keys() - before.keys()):
            _log.warning("%s", now[file])
        for file in sorted(before.keys() - now.keys()):
            _log.warning("%s", self._mended(file))

    def _tell_policy(self, problem: str | None) -> None:
        """As `_tell_unread`, of the policy. `status` shows what is wrong as long as it is, so it is no notice."""
        before, self._policy = self._policy, problem
        if problem is not None and problem != before:
            _log.warning("%s", problem)
        elif problem is None and before is not None:
            _log.warning("%s", self._mended("access.yaml"))

    def _mended(self, file: str) -> str:
        return f"{file} is mended" if (self._root / file).exists() else f"{file} is gone"

    def _declare(self) -> None:
        """Read what the platform declares."""
        for problem in self.declared.reload():
            self._notice(problem)

    def unfollow(self) -> None:
        stop_all(self._following, "not every watch stopped cleanly")

    def close(self) -> None:
        self.targets.close()
