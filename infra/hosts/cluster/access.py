"""The access policy of a cluster: a ConfigMap `access.yaml` of our own namespace, which RBAC keeps from the tenants."""

from collections.abc import Callable

from events.references import PathRef
from infra.hosts.cluster.config_map import Content, FollowedConfigMap
from infra.kubernetes.informing import Feed, Notice
from infra.wiring.access import NOTHING, AccessError, AccessRules, meanwhile, read_rules

NAME = "access.yaml"  # of the ConfigMap, and of its one key


class ClusterAccess:
    """Implements the port `Access`; it raises Unavailable until the policy was asked for.

    Without one at the start every path is allowed where `trusting` (one trust domain), and none otherwise. A policy
    that vanishes or cannot be used later leaves the last good one in force; `problem` says so. `changed` is called
    after the rules did.
    """

    def __init__(
        self, feed: Feed, *, trusting: bool, changed: Callable[[], None] = lambda: None,
        notice: Notice = lambda _: None,
    ) -> None:  # fmt: skip
        self._trusting = trusting
        self._changed = changed
        self._notice = notice
        self._rules: AccessRules | None = NOTHING
        self._found = False
        self.problem: str | None = None
        self.followed = FollowedConfigMap(feed, NAME, self._told, notice)

    @property
    def open(self) -> bool:
        """Whether there is no policy: one trust domain."""
        return self._rules is None

    def reload(self) -> str | None:
        """Why the policy is not in force, None where all is well; it is followed, so nothing is read here."""
        return self.problem

    def may_publish(self, namespace: str, path: PathRef) -> bool:
        self.followed.needed()
        rules = self._rules
        return rules is None or rules.may_publish(namespace, path)

    def may_read(self, namespace: str, path: PathRef) -> bool:
        self.followed.needed()
        rules = self._rules
        return rules is None or rules.may_read(namespace, path)

    def _told(self, content: Content | None) -> None:
        before, problem = self._rules, None
        try:
            if content is not None:
                self._rules = read_rules(_text(content), NAME)
                self._found = True
            elif self._found:
                problem = f"ConfigMap {NAME} is gone; the last policy stays in force"
            elif self._trusting:
                self._rules = None
            else:
                problem = f"there is no ConfigMap {NAME}, so nothing may be published or read; apply one"
        except AccessError as error:
            problem = f"{error}; {meanwhile(self._rules)}"
            self._found = True  # somebody meant to have one: its removal must not open everything
        if problem is not None and problem != self.problem:
            self._notice(problem)
        self.problem = problem
        if self._rules is not before:
            self._changed()


def _text(content: Content) -> bytes:
    text = content.data.get(NAME)
    if text is None:
        raise AccessError(f"ConfigMap {NAME} has no key {NAME}; put the policy there")
    return text.encode()
