"""Who may send what: principal x event type x subject prefix (DESIGN, "Who may say and do what").

The table is data; the host renders it from the steps and the operators' configuration.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from events.cloudevent import CloudEvent
from infra.broker.errors import RefusedError
from infra.broker.principal import Principal


@dataclass(frozen=True, slots=True)
class Rule:
    """Principals matching `principal` may send `type` about subjects below `subject_prefix`.

    `principal` may hold `*` (`operator:*`); so may `type` (`com.example.*`). A prefix ends at a segment: `paths/a`
    covers `paths/a` and `paths/a/b`, not `paths/ab`; "" covers everything.
    """

    principal: str
    type: str
    subject_prefix: str = ""

    def covers(self, subject: str | None) -> bool:
        prefix = self.subject_prefix.rstrip("/")
        return not prefix or subject == prefix or (subject or "").startswith(f"{prefix}/")


def never_expires(event: CloudEvent, now: float) -> str | None:
    return None


def says_nothing_of_itself(principal: Principal, event: CloudEvent) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Admission:
    """The table. What no rule grants is refused, but for what anybody on the loopback interface may send.

    `hints` are types that are harmless when forged; `reserved` are all types that a step consumes or emits. Without
    credentials, hints and types outside `reserved` are taken, but for those that begin with `own`: an unknown one of
    ours is no foreign event but that of another version, and a step of this one would misread it or leave it lying.
    Whoever runs two versions upgrades what consumes before what emits. `expiry` tells of an event whose time is over
    why that is so, None for all others; `now` is in seconds since the epoch. `pretence` tells of an event that
    says in its data who sends it why that is not so.
    """

    rules: tuple[Rule, ...] = ()
    hints: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    own: str = ""
    expiry: Callable[[CloudEvent, float], str | None] = never_expires
    pretence: Callable[[Principal, CloudEvent], str | None] = says_nothing_of_itself
    _granted: dict[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict, compare=False, repr=False)

    def check(self, principal: Principal, event: CloudEvent, now: float) -> None:
        """Raises RefusedError: 400 for an unknown type of ours, 401 to somebody unknown, 403 to who may not."""
        if self.own and event.type.startswith(self.own) and event.type not in self.reserved:
            raise RefusedError(400, f"{event.type[:80]}: unknown type of ours: a newer version? Upgrade this one first")
        if principal.kind == "anonymous":
            self._check_anonymous(event)
        elif principal.kind == "operator" and event.type not in self.reserved:
            pass  # whoever runs it may send what anybody on the loopback may
        elif not any(rule.covers(event.subject) for rule in self._rules(str(principal), event.type)):
            raise RefusedError(403, f"{principal} may not send {event.type[:80]} about this subject")
        reason = self.expiry(event, now)
        if reason is not None:
            raise RefusedError(403, f"{event.type[:80]}: {reason}")
        pretended = self.pretence(principal, event)
        if pretended is not None:
            raise RefusedError(403, f"{event.type[:80]}: {pretended}")

    def _check_anonymous(self, event: CloudEvent) -> None:
        if event.type not in self.hints and event.type in self.reserved:
            raise RefusedError(
                401, f"{event.type[:80]} is not taken without credentials; use the command line or a token"
            )

    def _rules(self, principal: str, type_: str) -> tuple[Rule, ...]:
        if type_ not in self.reserved:
            # Foreign types are without number, and a sender must not fill our memory with them.
            return self._matching(principal, type_)
        key = (principal, type_)
        rules = self._granted.get(key)
        if rules is None:
            rules = self._granted[key] = self._matching(principal, type_)
        return rules

    def _matching(self, principal: str, type_: str) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if _same(rule.principal, principal) and _same(rule.type, type_))


def _same(pattern: str, text: str) -> bool:
    return pattern == text or ("*" in pattern and fnmatchcase(text, pattern))
