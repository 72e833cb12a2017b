"""The directories of a machine as one step alone works on them."""

from contextlib import ExitStack, closing
from pathlib import Path

from infra.hosts.configuration import ConfigurationError
from infra.hosts.ground import Ground, Wanted
from infra.hosts.guarded_wiring import GuardedWiring
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.publications import LocalPublications
from infra.hosts.local.suspensions import LocalSuspensions
from infra.hosts.wiring import (
    Shared,
    convention_policy,
    directory_secrets,
    own_mounts,
    step_settings,
)
from infra.sources.tree_watch import TreeWatch
from infra.wiring.access import FileAccess
from infra.wiring.targets import TargetFolder


def directory_ground(stack: ExitStack, wanted: Wanted, root: Path) -> Ground:
    """ROOT's wiring and access policy, followed until the stack is closed. Raises AccessError, LocalDatabaseError."""
    configuration, notice = wanted.configuration, wanted.notice
    database = stack.enter_context(closing(LocalDatabase(_state(root) / "local.db")))
    declared = _declared(root, wanted)
    wiring, access = _wiring(root, wanted, declared), FileAccess(root / "access.yaml")

    def on_change(_: frozenset[Path]) -> None:
        if problem := access.reload():
            notice(problem)
        for problem in declared.reload():
            notice(problem)
        wiring.reload()

    followed = [root / "wiring", root / "access.yaml", root / "targets"]
    watch = TreeWatch(followed, on_change, name="wiring-watch", notice=notice)
    watch.start()
    stack.callback(watch.stop)
    secrets = directory_secrets(root, configuration)
    stack.callback(secrets.close)
    shared = Shared(
        sources=secrets,
        targets=secrets,
        publications=LocalPublications(database),
        wiring=wiring,
        access=access,
        suspensions=LocalSuspensions(database),
        settings=step_settings(configuration),
        configuration=configuration,
        notice=notice,
        declared=declared.named,
    )
    return Ground(wanted.step, shared)


def _state(root: Path) -> Path:
    state = root / "state"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{state} cannot be made ({error.strerror}); give another root directory") from None
    return state


def _declared(root: Path, wanted: Wanted) -> TargetFolder:
    found = TargetFolder(root / "targets")
    for problem in found.reload():
        wanted.notice(problem)
    return found


def _wiring(root: Path, wanted: Wanted, declared: TargetFolder) -> GuardedWiring:
    configuration = wanted.configuration
    wiring = GuardedWiring(
        root / "wiring", convention_policy(configuration), wanted.servers, own_mounts(configuration), declared.all
    )
    wiring.reload()
    return wiring
