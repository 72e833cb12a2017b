"""One producer and one consumer in a World, and the views' way of looking at it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from events.references import PathRef, Version
from infra.hosts.views.pipeline import Lookups, PathState, path_state
from tests.fakes.world import World, external_secret, path, push_secret, secret

CANARY = "canary-5d1e"
PATH = path("platform-data/postgres/temporal")
SOURCE = secret("platform-data/credentials")
TARGET = secret("temporal/postgres")
ENTRIES = {"password": f"{PATH.path}#password"}


def value(text: str) -> bytes:
    return f"{CANARY}-{text}".encode()


@dataclass
class Scene:
    """A World with its lookups. `asked` are the paths that the authority was asked about."""

    world: World = field(default_factory=World)
    asked: list[PathRef] = field(default_factory=list)
    newest: Callable[[PathRef], Version | None] | None = None

    @property
    def lookups(self) -> Lookups:
        world = self.world
        return Lookups(
            wiring=world.wiring, publications=world.publications, sources=world.secrets, targets=world.secrets,
            suspensions=world.suspensions, access=world.access, newest=self._newest,
        )  # fmt: skip

    def state(self, of: PathRef = PATH) -> PathState:
        return path_state(of, self.lookups)

    def _newest(self, of: PathRef) -> Version | None:
        self.asked.append(of)
        if self.newest is not None:
            return self.newest(of)
        head = self.world.authority.head(of)
        return head.version if head else None


def in_step() -> Scene:
    """Published once, and materialized."""
    scene = Scene()
    scene.world.push(push_secret("push", str(SOURCE), ENTRIES))
    scene.world.external(external_secret(str(TARGET), extract=PATH.path))
    scene.world.source(SOURCE, {"password": value("1")})
    scene.world.settle()
    return scene
