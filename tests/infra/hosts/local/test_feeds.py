"""News reaches the broker or is kept: manifests across restarts, Secrets as what they are, ids that do not repeat."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from events.cloudevent import CloudEvent
from events.envelope import issue, read
from events.event import Event
from events.references import ManifestRef, PathRef, SecretRef, Version
from events.secret import SecretChanged, SecretDrifted, SecretRemoved
from events.wiring import WiringChanged
from functions._ports import Publication, SecretContent
from functions._values import SecretValue
from infra.broker.broker import Broker
from infra.broker.errors import BrokerFullError
from infra.broker.principal import Principal
from infra.hosts.admitting import admission
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.feeds import SecretFeed, Teller, WiringFeed
from infra.hosts.local.manifests import KnownManifests
from infra.hosts.local.publications import LocalPublications
from infra.stores.directory.secrets import DirectorySecrets
from infra.wiring.directory import WiringDirectory
from tests.infra.broker.kit import Scripted, running
from tests.infra.hosts.steps import NOW
from tests.infra.stores import directory_producers as producers
from tests.infra.wiring.samples import STORE, external, push, together

PUSH = ManifestRef(kind="PushSecret", namespace="platform-data", name="temporal")
PULL = ManifestRef(kind="ExternalSecret", namespace="temporal", name="temporal")
STORED = ManifestRef(kind="ClusterSecretStore", namespace="-", name="vault-backend")
PATH = PathRef(mount="secret", path="platform-data/postgres/temporal")
SOURCE = SecretRef(namespace="platform-data", name="temporal.credentials")
TARGET = SecretRef(namespace="temporal", name="postgres-temporal")


@dataclass
class Told:
    """Stands where a Teller stands: keeps what it is told, and fails when told to."""

    events: list[Event] = field(default_factory=list)
    failing: int = 0
    bound: int = 0

    def __call__(self, event: Event) -> None:
        if self.failing:
            self.failing -= 1
            raise BrokerFullError("the disk is full")
        self.events.append(event)

    def soon(self, event: Event) -> Future[int]:
        self(event)
        kept: Future[int] = Future()
        kept.set_result(len(self.events))
        return kept

    def all(self, events: Iterable[Event]) -> None:
        batch = list(events)
        if self.failing:
            self(batch[0])
        self.events += batch

    def bind(self, _: object) -> None:
        self.bound = len(self.events) + 1

    @property
    def wiring(self) -> list[tuple[ManifestRef, str]]:
        return [(event.manifest, event.change) for event in self.events if isinstance(event, WiringChanged)]

    def ids(self) -> list[str]:
        return [issue(event, source="/x", now=NOW).id for event in self.events]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[LocalDatabase]:
    made = LocalDatabase(tmp_path / "local.db")
    yield made
    made.close()


@pytest.fixture
def wiring(tmp_path: Path) -> WiringDirectory:
    (tmp_path / "wiring").mkdir()
    return WiringDirectory(tmp_path / "wiring")


@pytest.fixture
def wire(tmp_path: Path) -> Callable[..., None]:
    def write(*texts: str) -> None:
        (tmp_path / "wiring" / "all.yaml").write_text(together(*texts))

    return write


@pytest.fixture
def feed(wiring: WiringDirectory, database: LocalDatabase, told: Told) -> WiringFeed:
    return WiringFeed(wiring, KnownManifests(database), bind=told.bind, tell=told)


# --- manifests -------------------------------------------------------------------------------------------------------


def test_what_came_changed_and_went(feed: WiringFeed, told: Told, wire: Callable[..., None]) -> None:
    wire(STORE, push(), external())
    assert feed.refresh() == 3
    assert set(told.wiring) == {(STORED, "added"), (PUSH, "added"), (PULL, "added")}
    assert feed.refresh() == 0
    told.events.clear()
    wire(STORE, push(path="platform-data/postgres/other"), external(target="{name: renamed}"))
    assert feed.refresh() == 2
    changes = {event.manifest: event for event in told.events if isinstance(event, WiringChanged)}
    assert changes[PUSH].paths == (PATH,)
    assert changes[PULL].secrets == (TARGET,)
    told.events.clear()
    wire(STORE)
    assert feed.refresh() == 2
    changes = {event.manifest: event for event in told.events if isinstance(event, WiringChanged)}
    assert (changes[PUSH].change, changes[PUSH].paths) == (
        "removed", (PathRef(mount="secret", path="platform-data/postgres/other"),)
    )  # fmt: skip
    assert changes[PULL].secrets == (SecretRef(namespace="temporal", name="renamed"),)


def test_what_changed_while_it_was_down(
    wiring: WiringDirectory, database: LocalDatabase, feed: WiringFeed, told: Told, wire: Callable[..., None]
) -> None:
    wire(STORE, push(), external())
    feed.refresh()
    wire(STORE, external())
    after = Told()
    again = WiringFeed(wiring, KnownManifests(database), bind=after.bind, tell=after)
    assert again.refresh() == 1
    assert after.wiring == [(PUSH, "removed")]


def test_news_that_the_broker_did_not_take_is_kept(
    wiring: WiringDirectory, database: LocalDatabase, feed: WiringFeed, told: Told, wire: Callable[..., None]
) -> None:
    wire(STORE, push(), external())
    for _ in range(3):
        told.failing = 1
        with pytest.raises(BrokerFullError):
            feed.refresh()
    assert told.events == []
    assert KnownManifests(database).all() == {}
    assert feed.refresh() == 3
    # the same when the process died instead
    after = Told(failing=1)
    wire(STORE)
    with pytest.raises(BrokerFullError):
        WiringFeed(wiring, KnownManifests(database), bind=after.bind, tell=after).refresh()
    assert WiringFeed(wiring, KnownManifests(database), bind=after.bind, tell=after).refresh() == 2
    assert set(after.wiring) == {(PUSH, "removed"), (PULL, "removed")}


def test_policies_are_bound_before_anything_is_told(feed: WiringFeed, told: Told, wire: Callable[..., None]) -> None:
    wire(STORE, push())
    feed.refresh()
    assert told.bound == 1


def test_nothing_is_told_while_policies_cannot_be_bound(
    wiring: WiringDirectory, database: LocalDatabase, told: Told, wire: Callable[..., None]
) -> None:
    def sealed(_: object) -> None:
        raise BrokerFullError("sealed")

    wire(STORE, push())
    with pytest.raises(BrokerFullError):
        WiringFeed(wiring, KnownManifests(database), bind=sealed, tell=told).refresh()
    assert told.events == []


def test_there_and_back_again_are_different_facts(feed: WiringFeed, told: Told, wire: Callable[..., None]) -> None:
    """A manifest put back as it was has the state that it had: its id must not be the first one's."""
    for texts in ((push(),), (push(path="platform-data/postgres/b"),), (push(),), (), (push(),), (), (push(),)):
        wire(STORE, *texts)
        feed.refresh()
    assert len(told.wiring) == 8
    assert len(set(told.ids())) == 8


def test_news_told_again_after_a_crash_is_the_same_fact(
    wiring: WiringDirectory, database: LocalDatabase, feed: WiringFeed, told: Told, wire: Callable[..., None]
) -> None:
    known = KnownManifests(database)
    wire(STORE)
    feed.refresh()
    wire(STORE, push())

    class Dying(KnownManifests):
        def follow(self, changes: object) -> None:
            raise RuntimeError("killed")

    crashed = WiringFeed(wiring, Dying(database), bind=told.bind, tell=told)
    with pytest.raises(RuntimeError):
        crashed.refresh()
    WiringFeed(wiring, known, bind=told.bind, tell=told).refresh()
    first, second = told.ids()[-2:]
    assert first == second


def test_a_problem_that_came_or_went_is_a_change(feed: WiringFeed, told: Told, wire: Callable[..., None]) -> None:
    wire(STORE, push())
    feed.refresh()
    told.events.clear()
    wire(STORE, push(), push("second"))  # two claim one path: neither may act
    feed.refresh()
    assert set(told.wiring) == {(PUSH, "changed"), (PUSH.model_copy(update={"name": "second"}), "added")}
    told.events.clear()
    wire(STORE, push())
    feed.refresh()
    assert (PUSH, "changed") in told.wiring


def test_an_unreadable_file_removes_nothing(
    tmp_path: Path, feed: WiringFeed, told: Told, wire: Callable[..., None]
) -> None:
    wire(STORE, push(), external())
    feed.refresh()
    told.events.clear()
    (tmp_path / "wiring" / "all.yaml").write_text("a: [1")
    assert feed.refresh() == 0
    assert told.events == []


# --- Secrets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def secrets(tmp_path: Path) -> DirectorySecrets:
    (tmp_path / "namespaces").mkdir()
    return DirectorySecrets(tmp_path)


@pytest.fixture
def publications(database: LocalDatabase) -> LocalPublications:
    return LocalPublications(database)


@pytest.fixture
def hints(
    wiring: WiringDirectory, secrets: DirectorySecrets, publications: LocalPublications, told: Told,
    wire: Callable[..., None],
) -> SecretFeed:  # fmt: skip
    wire(STORE, push(), external())
    wiring.reload()
    return SecretFeed(wiring, secrets, publications, told, lambda: NOW)


def published(publications: LocalPublications, state: str) -> None:
    publications.record(Publication(PATH, Version(number=1, created=NOW), PUSH, {str(SOURCE): state}, "g"))


def test_what_is_of_interest(hints: SecretFeed) -> None:
    assert hints.interested(SOURCE)
    assert hints.interested(TARGET)
    assert not hints.interested(SecretRef(namespace="temporal", name="other"))
    assert not hints.derived(TARGET)
    assert hints.derived(SOURCE)


def test_known_and_expected_come_from_what_was_confirmed(hints: SecretFeed, publications: LocalPublications) -> None:
    assert (hints.known(SOURCE), hints.expected()) == (None, ())
    published(publications, "s1")
    assert (hints.known(SOURCE), hints.expected()) == ("s1", (SOURCE,))
    assert hints.known(TARGET) is None


def test_a_source_changed_and_a_target_drifted(hints: SecretFeed, told: Told) -> None:
    assert len(hints.told(SecretChanged(secret=SOURCE, seen="s1"))) == 1
    assert len(hints.told(SecretChanged(secret=TARGET, seen="t1"))) == 1
    assert hints.told(SecretChanged(secret=SecretRef(namespace="a", name="b"), seen="x")) == []
    assert told.events == [SecretChanged(secret=SOURCE, seen="s1"), SecretDrifted(secret=TARGET, seen="t1")]


def test_every_disappearance_is_its_own_fact(hints: SecretFeed, publications: LocalPublications, told: Told) -> None:
    gone = SecretRemoved(secret=SOURCE)
    published(publications, "s1")
    hints.told(gone)
    hints.told(SecretChanged(secret=SOURCE, seen="s2"))  # and it is never published: the policy denies it now
    hints.told(gone)
    hints.told(SecretChanged(secret=SOURCE, seen="s3"))
    hints.told(gone)
    states = [event.seen for event in told.events if isinstance(event, SecretRemoved)]
    assert states == ["after-s1", "after-s2", "after-s3"]
    assert len(set(told.ids())) == len(told.events)


def test_a_disappearance_told_again_is_the_same_fact(
    wiring: WiringDirectory, secrets: DirectorySecrets, publications: LocalPublications, told: Told, hints: SecretFeed
) -> None:
    published(publications, "s1")
    hints.told(SecretRemoved(secret=SOURCE))
    again = SecretFeed(wiring, secrets, publications, told, lambda: NOW)
    again.told(SecretRemoved(secret=SOURCE))
    assert len(set(told.ids())) == 1


def test_a_target_deleted_twice_drifted_twice(
    wiring: WiringDirectory, secrets: DirectorySecrets, publications: LocalPublications, told: Told, hints: SecretFeed
) -> None:
    moments = iter((NOW, NOW.replace(minute=1)))
    feed = SecretFeed(wiring, secrets, publications, told, lambda: next(moments))
    for _ in range(2):
        feed.told(SecretRemoved(secret=TARGET))
    drifted = [event for event in told.events if isinstance(event, SecretDrifted)]
    assert len({issue(event, source="/x", now=NOW).id for event in drifted}) == 2


def test_what_the_broker_did_not_take_is_raised(hints: SecretFeed, told: Told) -> None:
    told.failing = 1
    with pytest.raises(BrokerFullError):
        hints.told(SecretChanged(secret=SOURCE, seen="s1"))
    hints.told(SecretChanged(secret=SOURCE, seen="s1"))
    assert told.events == [SecretChanged(secret=SOURCE, seen="s1")]


def test_a_source_selected_by_label(
    tmp_path: Path, wiring: WiringDirectory, hints: SecretFeed, told: Told, wire: Callable[..., None]
) -> None:
    wire(STORE, push(source="{selector: {matchLabels: {app: pg}}}"))
    wiring.reload()
    other = SecretRef(namespace="platform-data", name="other")
    producers.swap(tmp_path, SOURCE, {"password": b"1"}, {"app": "pg"})
    producers.swap(tmp_path, other, {"password": b"1"}, {"app": "redis"})
    for ref in (SOURCE, other):
        assert hints.interested(ref)
        hints.told(SecretChanged(secret=ref, seen="s"))
    assert told.events == [SecretChanged(secret=SOURCE, seen="s")]


def test_our_own_writes_are_not_told_by_the_store_alone(secrets: DirectorySecrets, hints: SecretFeed) -> None:
    content = SecretContent(data={"a": SecretValue(b"1")}, stamp={}, owner=str(PULL), managed=frozenset({"a"}))
    secrets.create(TARGET, content)
    assert hints.interested(TARGET), "so that somebody else's change of it is seen"
    assert not hints.derived(TARGET), "so that ours is not"


# --- the broker ------------------------------------------------------------------------------------------------------


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    with running(tmp_path / "broker", {"sub": Scripted()}, admission=admission()) as found:
        yield found


def test_a_teller_returns_when_it_is_durable(broker: Broker) -> None:
    Teller(broker, "directory", "local", lambda: NOW)(SecretChanged(secret=SOURCE, seen="s1"))
    (entry,) = broker.ledger.entries()
    assert (entry.source, entry.principal) == ("/lockstep/local/sources/directory", "source:directory")


def test_a_teller_need_not_wait(broker: Broker) -> None:
    kept = Teller(broker, "directory", "local", lambda: NOW).soon(SecretChanged(secret=SOURCE, seen="s1"))
    assert kept.result(10) == 1
    (entry,) = broker.ledger.entries()
    assert entry.principal == "source:directory"
    with pytest.raises(Exception, match="source:directory may not send"):
        Teller(broker, "directory", "local", lambda: NOW).soon(
            WiringChanged(manifest=PUSH, change="added", generation="g")
        )


def test_many_are_handed_over_at_once_or_not_at_all(broker: Broker) -> None:
    tell = Teller(broker, "directory", "local", lambda: NOW)
    tell.all(SecretChanged(secret=SOURCE, seen=f"s{number}") for number in range(3))
    assert broker.ledger.head()[0] == 3
    forbidden = WiringChanged(manifest=PUSH, change="added", generation="g")
    with pytest.raises(Exception, match="source:directory may not send"):
        tell.all([SecretChanged(secret=SOURCE, seen="s4"), forbidden])
    assert broker.ledger.head()[0] == 3


def test_a_source_says_only_its_own(broker: Broker) -> None:
    changed = WiringChanged(manifest=PUSH, change="added", generation="g")
    with pytest.raises(Exception, match="source:directory may not send"):
        Teller(broker, "directory", "local", lambda: NOW)(changed)
    Teller(broker, "wiring", "local", lambda: NOW)(changed)


def test_a_teller_raises_what_the_broker_raises(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    full: Future[int] = Future()
    full.set_exception(BrokerFullError("the disk is full"))
    seen: list[CloudEvent] = []

    def accept(event: CloudEvent, principal: Principal, *, here: bool) -> Future[int]:
        seen.append(event)
        return full

    monkeypatch.setattr(broker, "accept", accept)
    with pytest.raises(BrokerFullError):
        Teller(broker, "directory", "local", lambda: NOW)(SecretChanged(secret=SOURCE, seen="s1"))
    assert read(seen[0]).event == SecretChanged(secret=SOURCE, seen="s1")
