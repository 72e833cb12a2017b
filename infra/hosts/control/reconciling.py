"""POST reconcile: look again, now. GET wait: whether it came in step."""

import time
from collections.abc import Iterator

from events.event import Event
from infra.hosts.control.arguments import choice, optional_text, seconds, texts, whole
from infra.hosts.control.diffing import lifetime, orders
from infra.hosts.control.documents import Document, version
from infra.hosts.control.ordering import give
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.choice import Choice
from infra.hosts.views.hindrances import Hindrance
from infra.hosts.views.selection import KINDS

LONGEST = 2.0  # seconds that one request waits: it holds a thread, and the process may be told to end
_LOOK = 0.25  # seconds between two looks while nothing happens in the broker: some states change on disk alone


def reconcile(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Orders for `names`, for a `namespace`, or for `all`. What may not act is left out, and told."""
    chosen = _chosen(parts, arguments)
    skipped = list(_skipped(parts, chosen))
    left_out = {one["about"] for one in skipped}
    wanted = [
        order
        for order in orders(chosen.chosen, lifetime(parts), f"asked by {by}")
        if order.about.subject not in left_out
    ]
    given = give(parts, wanted, by)
    return {
        "orders": [
            {"sequence": number, "type": order.TYPE.removeprefix("dev.lockstep."), "about": _name(order)}
            for number, order in zip(given, wanted, strict=True)
        ],
        "skipped": skipped,
    }


def wait(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Whether what is chosen is in step, or carries at least `version`, and the orders `through` are carried out.

    Answers after `seconds` (at most LONGEST) at the latest.
    """
    end = time.monotonic() + seconds(arguments, "seconds", LONGEST)
    through = arguments.get("through") or []
    if not isinstance(through, list) or not all(isinstance(one, int) for one in through):
        raise ControlError(400, "`through` is no list of sequence numbers")
    least = whole(arguments, "version")
    while True:
        position = parts.evidence.whereabouts.position()
        waiting = list(waiting_for(_chosen(parts, arguments), least))
        pending = {one.event for one in parts.evidence.whereabouts.pending()} & set(through) if through else set()
        left = end - time.monotonic()
        if (not waiting and not pending) or left <= 0:
            return {
                "done": not waiting and not pending,
                "waitingFor": waiting,
                "pendingOrders": len(pending),
                "givenUp": list(_given_up(parts, set(through))),
            }
        parts.evidence.timeline.follow(position, min(left, _LOOK), limit=1)


def _chosen(parts: Parts, arguments: Arguments) -> Choice:
    told = texts(arguments, "names") or optional_text(arguments, "namespace")
    if not told and arguments.get("all") is not True:
        raise ControlError(400, "give names, a namespace, or all")
    return choice(arguments, parts)


def _skipped(parts: Parts, choice: Choice) -> Iterator[Document]:
    for one in choice.hindrances:
        if one.kind != "former":  # which is acted upon all the same
            yield {"about": one.about, "name": one.name, "reason": str(one)}
    for state, consumers in choice.chosen:
        if state.producer is not None and (problem := parts.wiring.problem(state.producer)):
            yield {"about": state.path.subject, "name": str(state.producer), "reason": problem}
        elif state.producer is not None and state.suspended:
            yield {"about": state.path.subject, "name": str(state.path), "reason": f"suspended: {state.suspended}"}
        for consumer in consumers:
            name = str(consumer.manifest)
            if problem := parts.wiring.problem(consumer.manifest):
                yield {"about": consumer.target.subject, "name": name, "reason": problem}
            elif consumer.suspended:
                yield {"about": consumer.target.subject, "name": name, "reason": f"suspended: {consumer.suspended}"}


def waiting_for(choice: Choice, least: int) -> Iterator[Document]:
    """What is not in step, or carries less than version `least`, and why; `ask` is the command that tells more.

    A manifest that may not act is waited for as well: it may be mended meanwhile.
    """
    for one in choice.hindrances:
        yield {"name": one.name, "version": None, "wrong": str(one), "ask": _ask(one)}
    for state, consumers in choice.chosen:
        behind = f"holds version {state.version or 0}" if least and _number(state.version) < least else ""
        if state.wrong or behind:
            yield {
                "name": str(state.path),
                "version": version(state.version),
                "wrong": state.wrong or behind,
                "ask": f"lockstep explain {state.path}",
            }
        for consumer in consumers:
            behind = f"carries version {consumer.version or 0}" if _number(consumer.version) < least else ""
            if consumer.wrong or behind:
                yield {
                    "name": f"{consumer.target} ({state.path})",
                    "version": version(consumer.version),
                    "wrong": consumer.wrong or behind,
                    "ask": f"lockstep explain {consumer.target}",
                }


def _ask(one: Hindrance) -> str:
    ref = one.manifest
    if ref is None or ref.kind not in KINDS or one.kind == "gone":
        return "lockstep status"
    return f"lockstep explain {ref.kind}/{ref.namespace}/{ref.name}"


def _number(found: object) -> int:
    return int(getattr(found, "number", 0))


def _given_up(parts: Parts, through: set[int]) -> Iterator[Document]:
    for letter in parts.evidence.dead_letters.list(limit=1000) if through else ():
        if letter.event in through:
            yield {"deadLetter": letter.n, "step": letter.route, "about": letter.subject, "reason": letter.reason}


def _name(order: Event) -> str:
    return order.about.subject
