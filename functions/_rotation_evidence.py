"""What shows that the consumers of a path have moved to a version, from what stands there now, graded.

`materialized`: every target Secret carries it. `rolled-out`: also every workload that asked to be restarted runs it.
`seen`: also the target saw somebody log in with it. Whatever cannot be seen to have moved counts as not moved.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from events.references import PathRef, Version
from functions._failures import Reject, Retry
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.rotation import Evidence
from functions._ports import Ports
from functions._standing import standings
from functions._systems import Usage

MOST_NAMED = 5  # in one explanation


@dataclass(frozen=True, slots=True)
class Moved:
    """Which consumers have not moved, and why; none: the grade that was asked for is reached."""

    grade: Evidence
    missing: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not self.missing

    @property
    def detail(self) -> str:
        more = f" and {len(self.missing) - MOST_NAMED} more" if len(self.missing) > MOST_NAMED else ""
        return f"{'; '.join(self.missing[:MOST_NAMED])}{more}"


def moved(path: PathRef, version: Version, grade: Evidence, usage: Callable[[], Usage], ports: Ports) -> Moved:
    """Whether every consumer that the wiring names now has moved to the version, or a newer one."""
    missing: list[str] = [] if ports.wiring.complete() else ["the wiring cannot be read as a whole"]
    for consumer in ports.wiring.consumers_of_path(path):
        try:
            why = _unmoved(consumer, path, version, ports)
            missing += [f"{consumer.ref} {why}"] if why else _unrolled(consumer, grade, ports)
        except (Retry, Reject) as failure:
            missing.append(f"{consumer.ref} cannot be looked at: {failure.reason[:120]}")
    if grade == "seen" and not missing:
        missing += _unseen(usage(), version)
    return Moved(grade, tuple(missing))


def _unmoved(consumer: ExternalSecret, path: PathRef, version: Version, ports: Ports) -> str | None:
    if _pins(consumer, path, version, ports):
        return "pins another version"
    if problem := ports.wiring.problem(consumer.ref):
        return f"may not act: {problem[:120]}"
    if consumer.spec.target.creation_policy == "None":
        return "makes no Secret that could be looked at (creationPolicy None)"
    head = ports.targets.head(consumer.target)
    if head is None or head.owner != str(consumer.ref):
        return "has not made its Secret"
    stamp = head.stamp.get(str(path))
    if stamp is None or not (stamp == version or stamp.surely_newer_than(version)):
        return f"carries version {stamp}" if stamp else "carries no version of it"
    return "was changed by somebody else" if head.drifted else None


def _pins(consumer: ExternalSecret, path: PathRef, version: Version, ports: Ports) -> bool:
    mount = ports.wiring.mount
    pinned = [
        *((item.remote_ref.version, consumer.data_path(item, mount)) for item in consumer.spec.data),
        *(
            (item.extract.version, consumer.extract_path(item, mount))
            for item in consumer.spec.data_from
            if item.extract
        ),
    ]
    return any(pin not in ("", str(version)) for pin, named in pinned if named == path)


def _unrolled(consumer: ExternalSecret, grade: Evidence, ports: Ports) -> Iterator[str]:
    if grade == "materialized":
        return
    for standing in standings(consumer.target, ports):
        if standing.restarts and (standing.state != "current" or standing.evidence == "none"):
            why = standing.reason or standing.state
            yield f"{standing.workload} runs an older one ({why}; {standing.older} of {standing.pods} pods)"


def _unseen(usage: Usage, version: Version) -> Iterator[str]:
    if not usage.known:
        yield "the target does not tell which credentials are used; choose evidence rolled-out"
    elif not usage.sessions and (usage.last is None or usage.last < version.created):
        yield "the target has seen nobody log in with the new credential yet"
