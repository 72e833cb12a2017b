"""Many rotations ordered at once: the limit holds, none is lost; total time against the bare script."""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.databases import BenchDatabase, bench_database
from benchmarks.floor_access import FOLDER, Access, floor_access
from benchmarks.floor_authority import FloorAuthority
from benchmarks.floor_process import floor_process
from benchmarks.result import Line
from benchmarks.rotated import (
    MORE_RULES,
    PATIENCE,
    Rotated,
    floor_configuration,
    lay_out,
    mounted,
    rotate,
    seed,
    wait_for,
)
from benchmarks.running import Lockstep
from benchmarks.sizes import Sizes
from examples.postgres.database import Credential
from infra.hosts.cli.client import ControlClient

_LIMIT = 10  # rotations at once, overall and at the server
_HANDS = 8  # threads that order
_HELD = frozenset({"staged", "applied", "verified", "promoting"})  # phases in which a rotation holds its slots

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Storm:
    """Seconds until all were ordered, and until none was under way; when each was; how many ended as they should."""

    count: int
    limit: int
    asked: float
    took: float
    spans: tuple[Span, ...]
    kept: int


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """PostgreSQL roles with one password each, that worked before; one consumer each."""
    root, floor_root = directory / "storm", directory / "storm-floor"
    ours = [Credential(f"storm-{number}", f"before-{number}-of-ours") for number in range(sizes.storm)]
    theirs = [Credential(f"floor-{number}", f"before-{number}-of-floor") for number in range(sizes.storm)]
    rotated = [Rotated(one.user, (one.user,), ("shop-a",)) for one in ours]
    limit = min(_LIMIT, sizes.storm // 2)  # some have to wait, however few there are
    with bench_database() as server:
        server.make((*ours, *theirs))
        lay_out(root, server, rotated, limit=limit)
        with Lockstep(root) as lockstep:
            access = floor_access(root, MORE_RULES)
            seed(access, server, theirs, ours)
            floor = _bare(access, server, theirs, floor_root)
            client = ControlClient(root, PATIENCE)
            wait_for(lambda: _all_wired(client, len(rotated)), "every Rotation is wired")
            lockstep.wait_idle()
            asked, took = _ordered(client, rotated)
            lockstep.wait_idle()
            with closing(access.connected()) as authority:
                spans = tuple(span for one in rotated if (span := _span(authority, one)))
            kept = sum(_replaced(one, before, server, root) for one, before in zip(rotated, ours, strict=True))
    return _lines(floor, Storm(sizes.storm, limit, asked, took, spans, kept))


def _bare(access: Access, server: BenchDatabase, theirs: Sequence[Credential], root: Path) -> float:
    """Seconds of the script for all of them, one after another."""
    targets = [root / one.user for one in theirs]
    for target in targets:
        target.mkdir(parents=True)
    credentials = [(f"{FOLDER}/{one.user}", [one.user], [target]) for one, target in zip(theirs, targets, strict=True)]
    with floor_process("benchmarks.floor_rotation", floor_configuration(access, server, credentials)) as floor:
        began = time.perf_counter()
        floor.order(list(range(len(theirs))))
        floor.answer()
        return time.perf_counter() - began


def _ordered(client: ControlClient, rotated: Sequence[Rotated]) -> tuple[float, float]:
    """Seconds until all are ordered, and until none is under way."""
    began = time.perf_counter()
    with ThreadPoolExecutor(_HANDS) as hands:
        list(hands.map(lambda one: rotate(client, one.subject), rotated))
    asked = time.perf_counter() - began
    wait_for(lambda: _none_under_way(client, len(rotated)), "the end of the storm", 0.25)
    return asked, time.perf_counter() - began


def _none_under_way(client: ControlClient, count: int) -> bool:
    found = client.ask("rotations")["rotations"]
    return len(found) == count and all(one["record"] and not one["underWay"] for one in found)


def _all_wired(client: ControlClient, count: int) -> bool:
    return sum(1 for one in client.ask("rotations")["rotations"] if one["wired"]) == count


def _span(authority: FloorAuthority, one: Rotated) -> Span | None:
    """From when to when its record said that it was under way, by the authority's clock; None: it never was."""
    name = f"rotations/{hashlib.sha256(f'secret/{one.path}'.encode()).hexdigest()}"
    _, answer = authority.ask("GET", f"lockstep/metadata/{name}")
    begun: datetime | None = None
    for number, version in sorted(answer["data"]["versions"].items(), key=lambda item: int(item[0])):
        _, read = authority.ask("GET", f"lockstep/data/{name}?version={number}")
        moment = datetime.fromisoformat(version["created_time"])
        if read["data"]["data"]["phase"] in _HELD:
            begun = begun or moment
        elif begun is not None:
            return begun, moment
    return None


def most_at_once(spans: Sequence[Span]) -> int:
    """How many of these overlap at most; one that ends as another begins does not."""
    changes = sorted([(begun, 1) for begun, _ in spans] + [(ended, -1) for _, ended in spans])
    under_way = most = 0
    for _, change in changes:
        under_way += change
        most = max(most, under_way)
    return most


def _replaced(one: Rotated, before: Credential, server: BenchDatabase, root: Path) -> bool:
    """Whether the consumer's credential works, and what was before does not."""
    (target,) = one.targets(root)
    return (target / "..data").exists() and server.lets_in(mounted(target)) and not server.lets_in(before)


def _lines(floor: float, storm: Storm) -> list[Line]:
    count, most = storm.count, most_at_once(storm.spans)
    return [
        Line(
            f"{count} rotations ordered at once (PostgreSQL, single user): total", f"{floor:.1f} s",
            f"{storm.took:.1f} s", f"{storm.took / floor:.2f}",
        ),
        Line("the same: until all are ordered", "", f"{storm.asked:.1f} s"),
        Line("the same: under way at once, at most", "1", f"{most}", "", f"<= {storm.limit}", most <= storm.limit),
        Line(
            "the same: new password works, old one is refused", f"{count}", f"{storm.kept}", "", f"{count}",
            storm.kept == count,
        ),
    ]  # fmt: skip
