"""Arguments of requests, read strictly: what is missing or of another kind is told by name."""

from collections.abc import Callable
from dataclasses import replace

from events.references import PathRef, Version
from functions import STEPS
from functions._failures import StepFailure, Unavailable
from functions._ports import Ports
from functions._rotations import Rotations
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.choice import Choice, named, wired
from infra.hosts.views.moment import at_once, known
from infra.hosts.views.pipeline import Lookups
from infra.hosts.views.selection import UnknownName
from infra.hosts.wiring import step_ports

_LARGEST = 2**53  # what JSON numbers hold exactly, and less than what the database does
_STEPS = {step.name: step for step in STEPS}


def text(arguments: Arguments, name: str) -> str:
    """A required text. Raises ControlError 400."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise ControlError(400, f"`{name}` is missing or no text")
    return value


def optional_text(arguments: Arguments, name: str) -> str | None:
    """A text, or None. Raises ControlError 400."""
    return None if arguments.get(name) is None else text(arguments, name)


def whole(arguments: Arguments, name: str, default: int = 0) -> int:
    """A number from 0 to 2^53. Raises ControlError 400."""
    value = arguments.get(name, default)
    if not is_whole(value):
        raise ControlError(400, f"`{name}` is no number from 0 to {_LARGEST}")
    return int(value)


def is_whole(value: object) -> bool:
    """Whether it is a number from 0 to 2^53."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def seconds(arguments: Arguments, name: str, most: float) -> float:
    """A time to wait, at most `most` seconds: a request must not hold up the end of the process."""
    value = arguments.get(name, 0)
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise ControlError(400, f"`{name}` is no time in seconds")
    return min(float(value), most)


def texts(arguments: Arguments, name: str) -> tuple[str, ...]:
    """A list of texts, empty where it is not given. Raises ControlError 400."""
    value = arguments.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ControlError(400, f"`{name}` is no list of names")
    return tuple(value)


def lookups(parts: Parts) -> Lookups:
    """What states are computed from; an authority that is known to be down is not asked path by path."""
    gate, real = parts.authority.gate, parts.lookups.newest
    failed: list[StepFailure] = [] if gate.ready() else [Unavailable("authority", gate.health().reason)]

    def newest(path: PathRef) -> Version | None:
        if failed:
            raise failed[0]
        try:
            return real(path)
        except Unavailable as failure:
            if not gate.ready():
                failed.append(failure)
            raise

    return replace(parts.lookups, newest=newest)


def lookups_of_all(parts: Parts) -> Lookups:
    """As `lookups`, for a question about everything that is wired."""
    return at_once(lookups(parts), parts.publications, parts.suspensions)


def known_of_all(parts: Parts) -> Lookups:
    """As `lookups_of_all`, for who only looks: no Secret is asked for that is followed."""
    return known(lookups_of_all(parts), parts.platform)


def choice(arguments: Arguments, parts: Parts) -> Choice:
    """What `names` (and `namespace`) stand for, or what is in `namespace`, or everything.

    Raises ControlError 404 for an unknown name, and for a namespace in which nothing is wired.
    """
    return known_choice(choice_if_any(arguments, parts, lookups_of_all))


def known_choice(found: Choice) -> Choice:
    """It, where the namespace that was asked about is known. Raises ControlError 404."""
    if found.unknown:
        raise ControlError(404, found.unknown)
    return found


def choice_if_any(arguments: Arguments, parts: Parts, of_all: Callable[[Parts], Lookups]) -> Choice:
    """As `choice`, for who has more to show of a namespace than what is wired in it."""
    names, namespace = texts(arguments, "names"), optional_text(arguments, "namespace")
    try:
        return named(names, namespace, lookups(parts)) if names else wired(namespace, of_all(parts))
    except UnknownName as unknown:
        raise ControlError(404, str(unknown)) from None


def records_of(parts: Parts) -> Rotations:
    """The records of rotations, read with the rights of the step that orders what is due."""
    return ports_of(parts)("sweep").rotations


def ports_of(parts: Parts) -> Callable[[str], Ports]:
    """A step's own ports, with its own identity at the authority."""
    return lambda name: step_ports(_STEPS[name], parts.clients[name], parts.shared, None)
