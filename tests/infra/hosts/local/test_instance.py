"""One ROOT, started and stopped: in order, whole or not at all, and going on when a part of it fails."""

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from events.references import SecretRef
from functions._failures import Unavailable
from infra.hosts.configuration import ConfigurationError
from infra.hosts.local import instance as module
from infra.hosts.local.instance import Instance, ledger_id
from infra.hosts.local.lock import AlreadyRunningError
from infra.wiring.access import AccessError
from tests.infra.stores import directory_producers as producers
from tests.infra.wiring.samples import external, push, together
from tests.instance import wait_for

SOURCE = SecretRef(namespace="platform-data", name="temporal.credentials")
TARGET = SecretRef(namespace="temporal", name="postgres-temporal")
VALUES = {"username": b"u", "password": b"one"}


@pytest.fixture
def running(root: Path) -> Iterator[Instance]:
    made = Instance(root)
    made.start()
    yield made
    made.stop()


Ours = Callable[[], set[str]]


@pytest.fixture
def ours() -> Ours:
    """The threads of an instance that this test started."""
    names = ("directory-watch", "wiring-watch", "schedule-", "maintenance", "broker", "openbao", "bao")
    before = set(threading.enumerate())
    return lambda: {t.name for t in threading.enumerate() if t not in before and t.name.startswith(names)}


# --- whole or not at all ----------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_up_down_and_up_again(root: Path, ours: Ours) -> None:
    for value in (b"one", b"two"):
        instance = Instance(root)
        instance.start()
        try:
            producers.swap(root, SOURCE, {**VALUES, "password": value})
            wait_for(partial(_has, root, value), "the value at its consumer")
            assert {"directory-watch", "wiring-watch", "schedule-sweep", "schedule-anchor", "maintenance"} <= ours()
        finally:
            instance.stop()
        assert ours() == set()
        assert not (root / "state" / "instance.json").exists()
        instance.stop()  # once more does no harm


def _password(root: Path, target: SecretRef = TARGET) -> bytes | None:
    try:
        return producers.values(root, target).get("password")
    except FileNotFoundError:
        return None


def _has(root: Path, value: bytes) -> bool:
    return _password(root) == value


@pytest.mark.e2e
def test_the_second_on_a_root_is_refused_and_disturbs_nothing(instance: Instance) -> None:
    for _ in range(2):
        second = Instance(instance.parts.root)
        with pytest.raises(AlreadyRunningError):
            second.start()
        second.stop()
    assert instance.parts.broker.health().running
    assert instance.parts.authority.gate.ready()


@pytest.mark.parametrize(
    ("name", "text", "failure"),
    [
        ("lockstep.yaml", "clutser: x", ConfigurationError),
        ("access.yaml", "a: [1", AccessError),
        ("lockstep.yaml", "authority: {claimsMount: other}", ConfigurationError),
    ],
)
def test_what_cannot_start_leaves_nothing(
    tmp_path: Path, name: str, text: str, failure: type[Exception], ours: Ours
) -> None:
    (tmp_path / name).write_text(text)
    for _ in range(2):
        with pytest.raises(failure):
            Instance(tmp_path).start()
        assert ours() == set()


@pytest.mark.e2e
def test_what_fails_late_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, ours: Ours) -> None:
    def fail(self: Instance, *_: object) -> None:
        raise Unavailable("authority", "sealed")

    monkeypatch.setattr(Instance, "_start_schedules", fail)
    with pytest.raises(Unavailable):
        Instance(root).start()
    assert ours() == set()
    monkeypatch.undo()
    again = Instance(root)
    again.start()
    again.stop()


@pytest.mark.parametrize("kind", ["file", "dangling"])
def test_a_root_that_is_no_directory_is_named(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    if kind == "file":
        root.write_text("")
    else:
        root.symlink_to(tmp_path / "nowhere" / "deep")
        (tmp_path / "nowhere").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot be used .* give another --root"):
        Instance(root).start()


def test_everything_is_stopped_in_reverse_whatever_fails(tmp_path: Path) -> None:
    instance, stopped = Instance(tmp_path), []

    def part(name: str, failure: Exception | None = None) -> Callable[[], object]:
        def stop() -> None:
            stopped.append(name)
            if failure is not None:
                raise failure

        return stop

    instance._stopping += [
        part("lock"),
        part("database", OSError("x")),
        part("broker", TimeoutError("y")),
        part("watch"),
    ]
    with pytest.raises(ExceptionGroup) as group:
        instance.stop()
    assert stopped == ["watch", "broker", "database", "lock"]
    assert len(group.value.exceptions) == 2
    instance.stop()


@pytest.mark.e2e
def test_sources_stop_before_the_broker_and_the_broker_before_what_steps_need(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    instance = Instance(root)
    instance.start()
    for owner, name in (
        (instance.parts.platform, "unfollow"),
        (instance.parts.broker, "drain"),
        (instance.parts.platform, "close"),
        (instance.parts.authority, "stop"),
        (instance.parts.database, "close"),
        (instance.lock, "release"),
    ):
        _record(monkeypatch, owner, name, order)
    instance._stopping = [_named_again(part, instance) for part in instance._stopping]
    instance.stop()
    assert order == ["Machine", "Broker", "Machine", "LocalAuthority", "LocalDatabase", "InstanceLock"]


def _record(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, order: list[str]) -> None:
    original = getattr(owner, name)

    def recorded(*arguments: Any, **named: Any) -> Any:
        order.append(type(owner).__name__)
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, recorded)


def _named_again(part: Callable[[], object], instance: Instance) -> Callable[[], object]:
    """A bound method is looked up once more, so that it is the recorded one."""
    owner = getattr(part, "__self__", None)
    name = getattr(part, "__name__", "")
    return getattr(owner, name) if owner is not None and not isinstance(owner, threading.Thread) else part


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_a_stricter_policy_counts_while_the_authority_is_away(
    running: Instance, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binding the steps' policies fails then, and must not keep what is denied from being denied."""
    parts = running.parts

    def sealed(*_: object) -> None:
        raise Unavailable("authority", "it is sealed")

    monkeypatch.setattr(parts.authority, "apply_policies", sealed)
    (root / ".new").write_text("apiVersion: lockstep.dev/v1alpha1\nkind: AccessPolicy\nspec: {namespaces: {}}\n")
    (root / ".new").replace(root / "access.yaml")
    wait_for(lambda: not parts.access.open, "the policy to be in force")
    monkeypatch.undo()
    (root / "wiring" / "more.yaml").write_text(together(push("second", path="platform-data/redis/temporal")))
    wait_for(lambda: sum(1 for _ in parts.wiring.push_secrets()) == 2, "the wiring to be followed again")


@pytest.mark.e2e
def test_pruning_goes_on_while_the_authority_is_away(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAINTENANCE", 0.01)
    pruned = threading.Event()
    instance = Instance(root)
    instance.start()
    try:

        def sealed() -> None:
            raise Unavailable("authority", "it is sealed")

        monkeypatch.setattr(instance.parts.authority, "maintain", sealed)
        monkeypatch.setattr(instance.parts.broker.pruner, "prune", lambda _: pruned.set())
        assert pruned.wait(20)
    finally:
        instance.stop()


@pytest.mark.e2e
def test_one_identitys_trouble_is_not_the_others(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, kept = instance.parts.authority, []

    class Client:
        def __init__(self, failing: bool) -> None:
            self.failing = failing

        def maintain(self) -> None:
            kept.append(self.failing)
            if self.failing:
                raise Unavailable("authority", "permission denied")

    monkeypatch.setattr(authority, "_clients", [Client(True), Client(False)])
    with pytest.raises(Unavailable):
        authority.maintain()
    assert kept == [True, False]


@pytest.mark.e2e
def test_notices_are_said_once(instance: Instance) -> None:
    notices = instance.parts.notices
    assert any(text.startswith("no access.yaml: one trust domain") for text in notices)
    assert any(text.startswith("development seal") for text in notices)
    assert len(set(notices)) == len(notices)


@pytest.mark.e2e
def test_what_happened_while_it_was_down_is_found(root: Path) -> None:
    first = Instance(root)
    first.start()
    producers.swap(root, SOURCE, VALUES)
    wait_for(lambda: _password(root) == b"one", "the first value")
    first.stop()
    producers.swap(root, SOURCE, {**VALUES, "password": b"two"})
    shutil.copytree(root / "wiring", root / "wiring" / "more")
    for file in (root / "wiring" / "more").iterdir():
        file.unlink()
    (root / "wiring" / "more" / "second.yaml").write_text(external("second", target="{name: second}"))
    second = Instance(root)
    second.start()
    try:
        wait_for(lambda: _password(root) == b"two", "the value that changed meanwhile")
        other = SecretRef(namespace="temporal", name="second")
        wait_for(lambda: _password(root, other) == b"two", "the consumer that was wired meanwhile")
    finally:
        second.stop()


def test_a_ledger_has_one_name(tmp_path: Path) -> None:
    name = ledger_id(tmp_path)
    assert len(name) == 16
    assert ledger_id(tmp_path) == name
    (tmp_path / "ledger.id").unlink()
    assert ledger_id(tmp_path) != name
