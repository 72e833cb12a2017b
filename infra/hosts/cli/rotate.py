"""`lockstep rotate`: replace the credential at a path."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.in_cluster import ask, needed, place_options
from infra.hosts.cli.options import NAMESPACE, Given, output_option
from infra.hosts.cli.output import document, escaped, note, say
from infra.hosts.cli.readable import number, remark
from infra.hosts.cli.waiting import duration

Look = Callable[[], dict[str, Any]]  # how the rotation stands now
_LOOK = 0.5  # seconds between two looks
_QUIET = 1.0  # seconds until progress is told
ROTATED = Given("MOUNT/PATH, or NAMESPACE/NAME of a Rotation")


@click.command("rotate")
@place_options
@click.argument("name", type=ROTATED, metavar="NAMESPACE/NAME | MOUNT/PATH")
@click.option("-n", "--namespace", type=NAMESPACE, metavar="NAMESPACE", help="The Rotation's namespace.")
@click.option(
    "--policy",
    type=click.Choice(["planned", "leak"]),
    default="planned",
    show_default=True,
    help="leak: at once and without grace; the old credential dies when consumers have moved, or at the deadline.",
)
@click.option("--dry-run", is_flag=True, help="Only look: rights, the target, and what would be restarted.")
@click.option("--wait", "waiting", is_flag=True, help="Until the old credential is proven dead.")
@click.option("--timeout", default="5m", show_default=True, metavar="DURATION", help="With --wait.")
@output_option("json", "yaml")
@click.pass_context
def command(
    context: click.Context, root: Path | None, chosen: str | None, name: str, namespace: str | None, policy: str,
    dry_run: bool, waiting: bool, timeout: str, output: str | None,
) -> None:  # fmt: skip
    """Replace a credential: in the system that accepts it, at the authority and at every consumer. On record.

    A rotation under way is joined, and becomes stricter with --policy leak; asking again begins nothing twice.

    \b
    lockstep rotate shop/orders-db --dry-run
    lockstep rotate secret/platform-data/postgres/orders --wait --timeout 10m
    lockstep rotate shop/orders-db --policy leak --wait
    lockstep rotate shop/orders-db --context kind-dev      annotates the Rotation, so that RBAC decides

    Exit code 1: (--dry-run) something is in the way, or the rotation ended without a new credential; 4: no such
    Rotation; 5: refused; 124: not completed within the timeout.
    """
    limit = duration(timeout)
    place: _Place
    if chosen is not None:
        place = _InCluster(chosen, name, namespace, policy)
    else:
        place = _Instance(ControlClient(needed(root), timeout=120.0), name, namespace, policy)
    if dry_run:
        plan = place.plan()
        say(document(plan, output) if output else _plan(plan))
        context.exit(Exit.OK if plan["passes"] else Exit.FINDINGS)
    if not waiting:
        begun = place.rotate(None)
        say(document(begun, output) if output else _given(begun))
        return
    ended = place.rotate(limit)
    say(document(ended, output) if output else _ended(ended))
    if ended["phase"] != "completed":
        raise CommandError(
            f"the rotation {ended['phase']}: {escaped(ended['trouble'])}; `lockstep explain {escaped(ended['path'])}`",
            Exit.FINDINGS,
        )


class _Place(Protocol):
    """Where the order is given. `rotate` gives it, and with a time to wait also looks on until it ended."""

    def plan(self) -> dict[str, Any]: ...

    def rotate(self, wait: float | None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class _Instance:
    """A running Lockstep."""

    client: ControlClient
    name: str
    namespace: str | None
    policy: str

    def plan(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.ask("rotation/plan", **self._what())
        return found

    def rotate(self, wait: float | None) -> dict[str, Any]:
        given: dict[str, Any] = self.client.tell("rotate", **self._what())

        def look() -> dict[str, Any]:
            outcome = self.client.ask("outcome", sequence=given["sequence"])
            if outcome["state"] not in ("pending", "delivered"):
                raise CommandError(f"refused: {escaped(outcome['reason'])}", Exit.REFUSED)
            found: dict[str, Any] = self.client.ask("rotation", name=given["name"])
            return found

        return given if wait is None else completed(look, given, wait)

    def _what(self) -> dict[str, Any]:
        return {"name": self.name, "namespace": self.namespace, "policy": self.policy}


@dataclass(frozen=True)
class _InCluster:
    """A cluster, whose Rotation is annotated: its sources tell the order, to whichever Lockstep serves it."""

    context: str
    name: str
    namespace: str | None
    policy: str

    def plan(self) -> dict[str, Any]:
        from infra.hosts.control import rotations_in_cluster  # loads what speaks to a cluster

        found: dict[str, Any] = ask(self.context, rotations_in_cluster.plan(self.name, self.namespace, self.policy))
        return found

    def rotate(self, wait: float | None) -> dict[str, Any]:
        from infra.hosts.control import rotations_in_cluster

        def then(given: dict[str, Any], look: Look) -> dict[str, Any]:
            return given if wait is None else completed(look, given, wait)

        question = rotations_in_cluster.rotate(self.name, self.namespace, self.policy, then)
        found: dict[str, Any] = ask(self.context, question)
        return found


def completed(look: Look, given: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Look until the rotation that was `given` ended. Raises CommandError 124, and what `look` raises."""
    begin, told, seen = time.monotonic(), "", False
    while True:
        state = look()
        record = state["record"]
        ours = record is not None and record["id"] == given["rotation"]
        if (ours and not state["underWay"]) or (seen and not ours):  # another one begins only after it ended
            return state
        seen = seen or ours
        if time.monotonic() - begin >= timeout:
            raise CommandError(
                f"after {timeout:g} s still {state['phase']}"
                + (f" ({escaped(state['trouble'])})" if state["trouble"] else "")
                + f"; `lockstep rotation show {given['name']}`",
                Exit.TIMEOUT,
            )
        progress = f"{state['phase']}" + (f": {state['trouble']}" if state["trouble"] else "")
        if progress != told and time.monotonic() - begin > _QUIET:
            told = progress
            note(escaped(progress))
        time.sleep(max(0.0, min(_LOOK, timeout - (time.monotonic() - begin))))


def _given(given: dict[str, Any]) -> str:
    verb = "joined" if given["joined"] else "begins"
    text = f"rotation {given['rotation'][:12]} of {given['path']} {verb} ({given['policy']})"
    return escaped(f"{text}; `lockstep rotation show {given['name']}` follows it")


def _ended(state: dict[str, Any]) -> str:
    if state["phase"] != "completed":
        return escaped(f"{state['path']}: {state['phase']}")
    proof = {"refused": "the old credential was tried, and refused", "replaced": "nothing accepts the old credential"}
    record = state["record"]
    begun = record["old"] is not None or record["base"] is not None
    said = proof.get(record["proof"] if begun else "", "there was no old credential")
    return escaped(f"{state['path']} is at version {number(record['promoted'])}; {said}")


def _plan(plan: dict[str, Any]) -> str:
    lines = [
        f"path:      {plan['path']}, version {number(plan['base'])}",
        f"rotation:  {plan['name']}, {plan['strategy']}, policy {plan['policy']}",
        f"target:    {plan['target']}, {', '.join(plan['accounts'])}",
    ]
    if plan["joins"]:
        lines.append(f"under way: {plan['joins'][:12]} is {plan['phase']}; it would be joined")
    if plan["window"] and plan["policy"] == "planned":
        lines.append(f"window:    {plan['window']}; a planned rotation waits for it")
    lines += [escaped(line) for line in _radius(plan["consumers"])]
    text = "\n".join(escaped(line) for line in lines)
    for one in plan["findings"]:
        text += "\n" + remark(one["text"], "in the way: " if one["blocks"] else "note:      ")
    if plan["refused"]:
        text += "\n" + remark(plan["refused"], "refused:   ")
    return f"{text}\nnothing was changed; " + (
        "without --dry-run it begins" if plan["passes"] else "mend this, then look again"
    )


def _radius(consumers: list[dict[str, Any]]) -> list[str]:
    if not consumers:
        return ["consumers: none"]
    lines = []
    for title, one in zip(["consumers:", *[""] * len(consumers)], consumers, strict=False):
        wrong = f" ({one['problem']})" if one["problem"] else ""
        lines.append(f"{title:<11}{one['secret']}, by {one['consumer']}{wrong}")
        for each in one["workloads"]:
            lines.append(f"{'':<11}  {each['workload']}{' is restarted' if each['restarts'] else ' is not restarted'}")
    return lines
