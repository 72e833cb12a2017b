"""Nobody consumes what a declared system's administrator logs in with."""

from pathlib import Path

from events.references import ManifestRef
from functions._manifests.conventions import ConventionPolicy
from infra.hosts.guarded_wiring import GuardedWiring
from infra.wiring.targets import TargetFolder
from tests.infra.wiring.samples import STORE, external, push, rotation_target, together

ADMIN = "platform-data/postgres/admin"


def wiring(root: Path, *documents: str, declared: bool = True) -> GuardedWiring:
    for folder in ("wiring", "targets"):
        (root / folder).mkdir()
    (root / "wiring" / "a.yaml").write_text(together(STORE, *documents))
    if declared:
        (root / "targets" / "a.yaml").write_text(rotation_target())
    targets = TargetFolder(root / "targets")
    assert targets.reload() == ()
    made = GuardedWiring(root / "wiring", ConventionPolicy(), None, declared=targets.all)
    made.reload()
    return made


def problem(made: GuardedWiring, kind: str, namespace: str) -> str:
    return made.problem(ManifestRef(kind=kind, namespace=namespace, name="temporal")) or ""


def test_a_consumer_of_it_may_not_act(tmp_path: Path) -> None:
    made = wiring(tmp_path, external(path=ADMIN), push(path=ADMIN))
    assert "is the admin credential of RotationTarget 'orders-postgres'" in problem(made, "ExternalSecret", "temporal")
    assert not problem(made, "PushSecret", "platform-data")


def test_a_search_that_would_find_it_may_not_act(tmp_path: Path) -> None:
    made = wiring(
        tmp_path, external(data="[]", more="  dataFrom: [{find: {path: platform-data, name: {regexp: 'a'}}}]")
    )
    assert "admin credential" in problem(made, "ExternalSecret", "temporal")


def test_others_may(tmp_path: Path) -> None:
    assert not problem(wiring(tmp_path, external()), "ExternalSecret", "temporal")


def test_without_the_target_it_is_a_path_as_any(tmp_path: Path) -> None:
    assert not problem(wiring(tmp_path, external(path=ADMIN), declared=False), "ExternalSecret", "temporal")
