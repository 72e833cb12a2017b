"""Why something stands still: the newest delivery about it that did not go through, as the broker knows it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from events.envelope import read
from events.errors import EventError
from events.references import ManifestRef, PathRef
from events.secret import SecretConflicted, SecretMaterialized, SecretPublished
from infra.broker.records import DeadLetter, Pending
from infra.hosts.evidence import Evidence
from infra.hosts.views.pipeline import ConsumerState, PathState

PUBLISH, MATERIALIZE = "publish", "materialize"  # routes are named as their steps
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Trouble:
    """A delivery that is under way or was given up. `next_attempt` is None where it waits for its turn or its step."""

    event: int
    step: str
    state: Literal["pending", "retried", "held", "dead letter"]
    reason: str = ""
    attempts: int = 0
    next_attempt: datetime | None = None
    dead_letter: int | None = None


class Troubles:
    """What is not through, by subject and step; gathered once for one question."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._newest: dict[tuple[str, str], Trouble] = {}
        for subject, trouble in (*_dead(evidence), *_pending(evidence)):
            known = self._newest.get((subject, trouble.step))
            if known is None or trouble.event >= known.event:
                self._newest[subject, trouble.step] = trouble

    def of_path(self, state: PathState) -> Trouble | None:
        """What keeps a path from being published."""
        subjects = [state.path.subject, *(ref.subject for ref in state.sources)]
        if state.producer is not None:
            subjects.append(state.producer.subject)
        return self._since(subjects, PUBLISH, state.path.subject, SecretPublished.TYPE)

    def of_consumer(self, path: PathRef, consumer: ConsumerState) -> Trouble | None:
        """What keeps a consumer from being brought up to a path."""
        subjects = (path.subject, consumer.target.subject, consumer.manifest.subject)
        return self._since(subjects, MATERIALIZE, consumer.target.subject, SecretMaterialized.TYPE)

    def conflict(self, path: PathRef, producer: ManifestRef | None) -> str:
        """As `conflict`."""
        return conflict(self._evidence, path, producer)

    def _since(self, subjects: Iterable[str], step: str, fact_about: str, fact: str) -> Trouble | None:
        """The newest about any of the subjects; a dead letter from before the last success is history."""
        found = [trouble for subject in subjects if (trouble := self._newest.get((subject, step)))]
        if not found:
            return None
        newest = max(found, key=lambda trouble: trouble.event)
        if newest.state != "dead letter":
            return newest
        done = self._evidence.whereabouts.newest((fact_about,), (fact,)).get(fact_about)
        return newest if done is None or done.sequence < newest.event else None


def conflict(evidence: Evidence, path: PathRef, producer: ManifestRef | None) -> str:
    """Why the path's producer may not write it, or what somebody else wrote over its rotation; "" where the last word
    about the path is its publication, or about somebody else who names it."""
    types = (SecretPublished.TYPE, SecretConflicted.TYPE)
    said = evidence.whereabouts.newest((path.subject,), types).get(path.subject)
    if said is None or said.type != SecretConflicted.TYPE:
        return ""
    wire = evidence.whereabouts.events((said.sequence,)).get(said.sequence)
    try:
        event = read(wire).event if wire else None
    except EventError:
        return ""
    about = isinstance(event, SecretConflicted) and producer in (None, event.claimant)
    return event.explanation if about and isinstance(event, SecretConflicted) else ""


def moment(micros: int) -> datetime:
    """A broker's time as a datetime in UTC."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC)


def _dead(evidence: Evidence) -> Iterator[tuple[str, Trouble]]:
    after = 0
    while page := evidence.dead_letters.list(limit=_PAGE, after=after):
        yield from ((letter.subject or letter.id, _of_letter(letter)) for letter in page)
        after = page[-1].n


def _of_letter(letter: DeadLetter) -> Trouble:
    return Trouble(letter.event, letter.route, "dead letter", letter.reason, letter.attempts, dead_letter=letter.n)


def _pending(evidence: Evidence) -> Iterator[tuple[str, Trouble]]:
    for one in evidence.whereabouts.pending():
        yield one.subject or str(one.event), _of_pending(one)


def _of_pending(one: Pending) -> Trouble:
    state: Literal["pending", "retried", "held"] = "pending"
    if one.state == "retried":
        state = "retried"
    elif one.state == "held":
        state = "held"
    due = moment(one.due) if one.due is not None else None
    return Trouble(one.event, one.route, state, one.reason, one.attempts, due)
