from datetime import timedelta

from functions._failures import Unavailable
from infra.hosts.views.leaving import leaving
from tests.fakes.world import external_secret
from tests.infra.hosts.views.scene import PATH, TARGET, in_step


def test_a_target_goes_when_its_tombstone_is_due() -> None:
    scene = in_step()
    manifest = external_secret(str(TARGET), extract=PATH.path).ref
    tombstones = scene.world.ports.tombstones
    assert leaving(tombstones, TARGET, manifest) is None
    scene.world.unwire(manifest)
    scene.world.settle()
    due = leaving(tombstones, TARGET, manifest)
    assert due is not None
    assert timedelta(0) < due - scene.world.clock.now() <= timedelta(hours=1)


def test_an_authority_that_is_away_tells_nothing() -> None:
    class Away:
        def read(self, _: str) -> None:
            raise Unavailable("authority", "sealed")

    manifest = external_secret(str(TARGET), extract=PATH.path).ref
    assert leaving(Away(), TARGET, manifest) is None  # type: ignore[arg-type]
