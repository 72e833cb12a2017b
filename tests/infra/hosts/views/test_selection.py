import pytest

from events.references import ManifestRef
from infra.hosts.views.selection import Selection, UnknownName, everything, select
from tests.fakes.world import external_secret, secret
from tests.infra.hosts.views.scene import PATH, SOURCE, TARGET, Scene, in_step

CONSUMER = ManifestRef(kind="ExternalSecret", namespace="temporal", name="postgres")
PRODUCER = ManifestRef(kind="PushSecret", namespace="platform-data", name="push")


def chosen(name: str, namespace: str | None = None, scene: Scene | None = None) -> Selection:
    return select(name, namespace, (scene or in_step()).lookups)


@pytest.mark.parametrize(
    ("name", "namespace", "manifests", "consumers"),
    [
        (str(SOURCE), None, (PRODUCER,), None),
        ("credentials", "platform-data", (PRODUCER,), None),
        ("platform-data/push", None, (PRODUCER,), None),
        ("PushSecret/platform-data/push", None, (PRODUCER,), None),
        (str(TARGET), None, (CONSUMER,), {CONSUMER}),
        ("postgres", "temporal", (CONSUMER,), {CONSUMER}),
        ("ExternalSecret/temporal/postgres", None, (CONSUMER,), {CONSUMER}),
        (str(PATH), None, (), None),
        (str(PATH), "temporal", (), None),
    ],
)
def test_what_a_name_stands_for(
    name: str, namespace: str | None, manifests: tuple[ManifestRef, ...], consumers: set[ManifestRef] | None
) -> None:
    found = chosen(name, namespace)
    assert (found.paths, found.manifests) == ((PATH,), manifests)
    assert found.consumers == consumers


def test_a_target_means_only_its_own_consumer() -> None:
    scene = in_step()
    scene.world.external(external_secret("other/postgres", extract=PATH.path))
    scene.world.settle()
    state = scene.state()
    assert [each.manifest for each in chosen(str(TARGET), scene=scene).chosen(state)] == [CONSUMER]
    assert len(chosen(str(SOURCE), scene=scene).chosen(state)) == 2


def test_a_target_whose_paths_are_found_by_search() -> None:
    scene = in_step()
    scene.world.external(external_secret("all/found", dataFrom=[{"find": {"path": "platform-data/postgres"}}]))
    scene.world.settle()
    assert chosen("all/found", scene=scene).paths == (PATH,)


@pytest.mark.parametrize("name", ["nobody/knows", "UPPER/case", "a/b/c/d", "plain", "../..", ""])
def test_unknown_names_say_where_to_look(name: str) -> None:
    with pytest.raises(UnknownName, match="lockstep status"):
        chosen(name)


def test_a_secret_that_exists_and_is_not_wired() -> None:
    scene = in_step()
    scene.world.secrets.put(secret("temporal/loose"), {"a": b"b"})
    with pytest.raises(UnknownName, match="no manifest names it"):
        chosen("temporal/loose", scene=scene)


def test_a_half_written_source_can_still_be_named() -> None:
    scene = in_step()
    scene.world.secrets.half_written.add(SOURCE)
    assert chosen(str(SOURCE), scene=scene).paths == (PATH,)


@pytest.mark.parametrize(("namespace", "count"), [(None, 1), ("platform-data", 1), ("temporal", 1), ("other", 0)])
def test_a_namespace_means_what_it_produces_and_consumes(namespace: str | None, count: int) -> None:
    assert len(everything(namespace, in_step().lookups)) == count
