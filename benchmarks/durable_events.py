"""The embedded broker: durable events and two-step chains per second, against bare SQLite with the same durability."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.percentiles import median
from benchmarks.result import Line, Pair, at_least
from benchmarks.sizes import Sizes
from events.cloudevent import CloudEvent
from infra.broker.admission import Admission, Rule
from infra.broker.broker import Broker
from infra.broker.limits import Limit, Limits
from infra.broker.principal import Principal
from infra.broker.subscriber import Answer
from infra.broker.trigger import parse_documents

_ROUNDS = 5
_CHAINS_OF_MT = 464  # two-step chains per second of Knative's in-memory MT broker on this class of machine (issue 2)
_SENDER = Principal("source", "bench")
_FIRST, _SECOND = "bench.first", "bench.second"
_PATIENCE = 300.0
_DATA = b'{"secret":{"namespace":"bench-data","name":"ours"},"seen":"..2026"}'


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """Alternating rounds; every event is a commit of its own for SQLite, as for a sender that waits for each answer."""
    folder = directory / "broker"
    folder.mkdir()
    bare: list[float] = []
    single: list[float] = []
    batched: list[float] = []
    chains: list[float] = []
    for number in range(_ROUNDS):
        events, per_chain = sizes.events // _ROUNDS, sizes.chains // _ROUNDS
        bare.append(_bare(folder / f"bare-{number}.db", events))
        single.append(_events(folder / f"single-{number}.db", events, _one_by_one))
        batched.append(_events(folder / f"many-{number}.db", events, _side_by_side))
        chains.append(_chains(folder / f"chain-{number}.db", per_chain))
    floor, chained = median(bare), median(chains)
    return [
        at_least("durable events, one sender that waits for each", Pair(floor, median(single)), 0.5, "/s"),
        at_least("durable events, senders side by side", Pair(floor, median(batched)), 0.5, "/s"),
        Line(
            "two-step chains (event, reply, end)", f"{_CHAINS_OF_MT} /s (Knative MT, in memory)", f"{chained:,.0f} /s",
            f"{chained / _CHAINS_OF_MT:.1f}", f">= {_CHAINS_OF_MT} /s", chained >= _CHAINS_OF_MT,
        ),
    ]  # fmt: skip


def _bare(path: Path, count: int) -> float:
    """Insert, commit; complete, commit: what durability costs at least."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE event(seq INTEGER PRIMARY KEY, id TEXT, data BLOB, finished INTEGER)")
    began = time.perf_counter()
    for number in range(count):
        database.execute("INSERT INTO event VALUES (?, ?, ?, NULL)", (number, f"id-{number}", _DATA))
        database.execute("UPDATE event SET finished = 1 WHERE seq = ?", (number,))
    took = time.perf_counter() - began
    database.close()
    return count / took


class _Ends:
    """A subscriber that takes everything, and counts until all came."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self._guard = threading.Lock()
        self.done = threading.Event()

    def ready(self) -> bool:
        return True

    def deliver(self, event: CloudEvent, timeout: float) -> Answer:
        with self._guard:
            self._left -= 1
            if self._left == 0:
                self.done.set()
        return Answer(204)


class _Replies:
    """The first step of a chain: answers each event with another."""

    def ready(self) -> bool:
        return True

    def deliver(self, event: CloudEvent, timeout: float) -> Answer:
        return Answer(
            200, events=(CloudEvent(f"reply-{event.id}", "/bench/first", _SECOND, event.subject, data=_DATA),)
        )


def _events(path: Path, count: int, send: Callable[[Broker, int], None]) -> float:
    ends = _Ends(count)
    broker = Broker(
        path, parse_documents([_trigger("ends", _FIRST)]), {"ends": ends}, Admission((Rule("source:bench", _FIRST),)),
        limits=_unlimited(),
    )  # fmt: skip
    broker.start()
    try:
        began = time.perf_counter()
        send(broker, count)
        _wait(broker)
        return count / (time.perf_counter() - began)
    finally:
        broker.drain(10.0)


def _chains(path: Path, count: int) -> float:
    ends = _Ends(count)
    triggers = parse_documents([_trigger("first", _FIRST), _trigger("second", _SECOND)])
    rules = (Rule("source:bench", _FIRST), Rule("step:first", _SECOND))
    broker = Broker(path, triggers, {"first": _Replies(), "second": ends}, Admission(rules), limits=_unlimited())
    broker.start()
    try:
        began = time.perf_counter()
        _side_by_side(broker, count)
        _wait(broker)
        return count / (time.perf_counter() - began)
    finally:
        broker.drain(10.0)


def _one_by_one(broker: Broker, count: int) -> None:
    for number in range(count):
        broker.accept(_event(number), _SENDER).result(_PATIENCE)


def _side_by_side(broker: Broker, count: int) -> None:
    for future in [broker.accept(_event(number), _SENDER) for number in range(count)]:
        future.result(_PATIENCE)


def _event(number: int) -> CloudEvent:
    return CloudEvent(f"id-{number}", "/bench", _FIRST, f"namespaces/bench/secrets/s{number % 100}", data=_DATA)


def _wait(broker: Broker) -> None:
    if not broker.wait_idle(_PATIENCE):
        raise TimeoutError("the broker did not deliver everything")


def _trigger(name: str, type_: str) -> dict[str, object]:
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": name, "namespace": "lockstep"},
        "spec": {
            "broker": "default",
            "filter": {"attributes": {"type": type_}},
            "subscriber": {"ref": {"apiVersion": "v1", "kind": "Service", "name": name}},
        },
    }


def _unlimited() -> Limits:
    return Limits(default=Limit(rate=1e9, burst=10**9, pending=10**9), total=10**9)
