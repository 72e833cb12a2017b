"""A question about everything, over publications and suspensions that were read at once."""

from collections.abc import Iterable, Sequence

from events.references import ManifestRef, PathRef, SecretRef
from functions._ports import Publication
from infra.hosts.views.moment import at_once
from infra.hosts.views.pipeline import pipeline
from tests.infra.hosts.views.scene import PATH, Scene, in_step


class Counted:
    """Publications and suspensions of a scene that can be listed, and count how often they are asked."""

    def __init__(self, scene: Scene, suspended: Sequence[str] = ()) -> None:
        self.scene, self.suspended, self.asked = scene, tuple(suspended), 0

    def read(self, path: PathRef) -> Publication | None:
        self.asked += 1
        return self.scene.world.publications.read(path)

    def record(self, publication: Publication) -> None:
        self.scene.world.publications.record(publication)

    def forget(self, path: PathRef) -> None:
        self.scene.world.publications.forget(path)

    def all(self) -> Iterable[Publication]:
        self.asked += 1
        return tuple(self.scene.world.publications.known.values())


class Suspended(Counted):
    def reason(self, *references: SecretRef | PathRef | ManifestRef) -> str | None:
        del references
        self.asked += 1
        return "a migration" if self.suspended else None

    def all(self) -> tuple[str, ...]:  # type: ignore[override]  # of another port
        self.asked += 1
        return self.suspended


def test_it_tells_the_same_and_asks_once() -> None:
    scene = in_step()
    publications, suspensions = Counted(scene), Suspended(scene)
    found = list(pipeline(at_once(scene.lookups, publications, suspensions)))
    assert found == list(pipeline(scene.lookups))
    assert (publications.asked, suspensions.asked) == (1, 1)


def test_what_is_suspended_is_asked_for_each() -> None:
    scene = in_step()
    lookups = at_once(scene.lookups, Counted(scene), Suspended(scene, ("*",)))
    (state,) = pipeline(lookups)
    assert state.suspended == "a migration"
    assert state.path == PATH


def test_what_is_written_reaches_the_real_ones() -> None:
    scene = in_step()
    lookups = at_once(scene.lookups, Counted(scene), Suspended(scene))
    known = lookups.publications.read(PATH)
    assert known is not None
    lookups.publications.forget(PATH)
    assert scene.world.publications.read(PATH) is None
    lookups.publications.record(known)
    assert scene.world.publications.read(PATH) == known
