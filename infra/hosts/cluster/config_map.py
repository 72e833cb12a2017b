"""One ConfigMap of ours, followed: what operators say of the whole installation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from functions._failures import Unavailable
from infra.kubernetes.api import Api
from infra.kubernetes.informing import ApiFeed, Feed, Informer, Notice
from infra.kubernetes.mirror import Difference, Object
from infra.kubernetes.resources import CONFIG_MAPS

NAMESPACE = "lockstep"


@dataclass(frozen=True, slots=True)
class Content:
    """What a ConfigMap says; its version does not make it another."""

    data: Mapping[str, str]
    version: str = field(compare=False, default="")


def config_map_feed(api: Api, name: str, namespace: str = NAMESPACE) -> Feed:
    """This one alone, so that a Role with `resourceNames` suffices."""
    return ApiFeed(api, CONFIG_MAPS, namespace, fields=f"metadata.name={name}")


class FollowedConfigMap:
    """Calls `changed` with the content, None while there is none, at first and whenever it changes."""

    def __init__(
        self, feed: Feed, name: str, changed: Callable[[Content | None], None], notice: Notice = lambda _: None
    ) -> None:
        self._name = name
        self._changed = changed
        self._informer: Informer[Content] = Informer(
            feed, self._content, self._told, name=f"ConfigMap {name}", notice=notice
        )

    def start(self) -> None:
        self._informer.start()

    def stop(self, timeout: float = 10.0) -> None:
        self._informer.stop(timeout)

    def alive(self) -> bool:
        return self._informer.alive()

    def wait_ready(self, timeout: float) -> bool:
        """Whether it was asked for and told once, within `timeout` seconds."""
        return self._informer.wait_ready(timeout)

    @property
    def mode(self) -> str:
        return "watch" if self.alive() else "stopped"

    @property
    def last_error(self) -> str | None:
        return self._informer.last_error

    def needed(self) -> None:
        """Raises Unavailable while it is not known what it says: nothing is decided without."""
        if not self._informer.wait_ready(0):
            why = self._informer.last_error or "it is being asked for"
            raise Unavailable("kubernetes", f"ConfigMap {self._name} is not known yet ({why})")

    def _content(self, found: Object) -> Content | None:
        if found["metadata"]["name"] != self._name:
            return None
        return Content(dict(found.get("data") or {}), found["metadata"].get("resourceVersion", ""))

    def _told(self, _: tuple[Difference[Content], ...]) -> None:
        self._changed(next(iter(self._informer.held().values()), None))
