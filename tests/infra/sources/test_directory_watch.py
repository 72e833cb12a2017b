"""Every change of a wired source Secret gives a hint for its final state, whatever happens to the watch."""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from events.references import SecretRef
from events.secret import SecretChanged, SecretRemoved
from functions._ports import SecretContent
from functions._values import SecretValue
from infra.sources import kernel_notifications
from infra.sources.directory_watch import DirectoryWatch
from infra.sources.inotify import Inotify
from infra.sources.kernel_notifications import KernelNotifications
from infra.stores.directory import DirectorySecrets
from tests.infra.sources.watched import Emitted, Hint, eventually
from tests.infra.stores import directory_producers as producers

REF = SecretRef(namespace="orders", name="postgres")
OTHER = SecretRef(namespace="orders", name="other")
Start = Callable[..., DirectoryWatch]


@pytest.fixture
def emitted() -> Emitted:
    return Emitted()


@pytest.fixture(params=["inotify", "polling"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each behaviour holds whether the kernel notifies or not."""
    if request.param == "polling":
        _run_out_of(monkeypatch, errno.EMFILE)
    return str(request.param)


def _run_out_of(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def limited() -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(kernel_notifications, "Inotify", limited)


@pytest.fixture
def start(tmp_path: Path, emitted: Emitted) -> Iterator[Start]:
    """Starts a watch of `tmp_path`, wired to everything; stops what it started."""
    started: list[DirectoryWatch] = []

    def begin(known: Mapping[SecretRef, str] | None = None, **options: object) -> DirectoryWatch:
        settings = {"interested": lambda _: True, "known": (known or {}).get, "interval": 0.01, "pause": 0.01}
        secrets = DirectorySecrets(tmp_path)
        watch = DirectoryWatch(tmp_path, secrets, **{"emit": emitted, **settings, **options})  # type: ignore[arg-type]  # options of many types
        started.append(watch)
        watch.start()
        assert watch.wait_ready(30)
        return watch

    yield begin
    for watch in started:
        watch.stop()
        assert not watch.alive()


def state(root: Path, ref: SecretRef = REF) -> str:
    head = DirectorySecrets(root, settle=0).head(ref)
    assert head
    return head.state


def told(emitted: Emitted, root: Path, ref: SecretRef = REF) -> None:
    """Waits until the newest hint of a Secret names the state that it is in."""
    last = SecretChanged(secret=ref, seen=state(root, ref))
    emitted.until(lambda events: [e for e in events if e.secret == ref][-1:] == [last])


# --- changes ------------------------------------------------------------------------------------------------------


def test_a_swapped_content_is_told_with_its_state(mode: str, tmp_path: Path, start: Start, emitted: Emitted) -> None:
    watch = start()
    assert (watch.mode, emitted.events) == (mode, [])
    for raw in (b"A", b"B", b"A"):
        producers.swap(tmp_path, REF, {"password": raw})
        told(emitted, tmp_path)
    assert {event.secret for event in emitted.events} == {REF}
    assert len({event.seen for event in emitted.events}) == len(emitted.events)


def test_a_content_edited_in_place_is_told(mode: str, tmp_path: Path, start: Start, emitted: Emitted) -> None:
    producers.swap(tmp_path, REF, {"password": b"A"})
    start({REF: state(tmp_path)})
    (producers.place(tmp_path, REF) / "password").write_bytes(b"BB")
    told(emitted, tmp_path)


def test_a_secret_without_data_link_is_told_once_it_is_whole(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    start()
    producers.write(tmp_path, REF, {"username": b"u"})
    producers.write(tmp_path, REF, {"password": b"p"})
    told(emitted, tmp_path)


def test_a_removed_secret_is_told_and_a_new_one_after_it(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    producers.swap(tmp_path, REF, {"password": b"A"})
    start({REF: state(tmp_path)})
    producers.remove(tmp_path, REF)
    emitted.until(lambda events: SecretRemoved(secret=REF) in events)
    producers.swap(tmp_path, REF, {"password": b"A"})
    told(emitted, tmp_path)


def test_namespaces_come_and_go(mode: str, tmp_path: Path, start: Start, emitted: Emitted) -> None:
    start()
    for _ in range(2):
        producers.swap(tmp_path, REF, {"password": b"A"})
        producers.swap(tmp_path, OTHER, {"password": b"A"})
        told(emitted, tmp_path, REF)
        told(emitted, tmp_path, OTHER)
        (tmp_path / "namespaces" / "orders").rename(tmp_path / "gone")
        shutil.rmtree(tmp_path / "gone")
        emitted.until(lambda events: {e.secret for e in events[-2:] if isinstance(e, SecretRemoved)} == {REF, OTHER})


def test_the_root_may_come_late_and_be_made_again(mode: str, tmp_path: Path, start: Start, emitted: Emitted) -> None:
    start()
    for _ in range(2):
        producers.swap(tmp_path, REF, {"password": b"A"})
        told(emitted, tmp_path)
        (tmp_path / "namespaces").rename(tmp_path / "gone")
        shutil.rmtree(tmp_path / "gone")
        emitted.until(lambda events: isinstance(events[-1], SecretRemoved))


def test_a_source_rewritten_without_pause_ends_with_its_final_state(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    start(pause=0.05)
    for number in range(300):
        producers.swap(tmp_path, REF, {"password": b"%d" % number})
    told(emitted, tmp_path)
    assert len(emitted.events) < 100


def test_plain_files_rewritten_without_pause_end_with_their_final_state(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    start()
    for number in range(200):
        producers.write(tmp_path, REF, {"password": b"%d" % number})
    told(emitted, tmp_path)


def test_a_half_written_content_is_told_when_it_is_complete(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    directory = producers.place(tmp_path, REF)
    directory.mkdir(parents=True)
    (directory / "..data").symlink_to("..coming")
    start()
    (directory / "..coming").mkdir()
    (directory / "..coming" / "password").write_bytes(b"p")
    told(emitted, tmp_path)


# --- what is no news ----------------------------------------------------------------------------------------------


def test_what_was_published_is_not_told_at_the_start_and_what_differs_is(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    gone = SecretRef(namespace="orders", name="gone")
    for ref in (REF, OTHER):
        producers.swap(tmp_path, ref, {"password": b"A"})
    start({REF: state(tmp_path), OTHER: "..older", gone: "..any"}, expected=lambda: [REF, gone])
    found = emitted.until(lambda events: len(events) >= 2)
    assert sorted(found, key=lambda event: event.secret.name) == [
        SecretRemoved(secret=gone),
        SecretChanged(secret=OTHER, seen=state(tmp_path, OTHER)),
    ]


def test_secrets_that_no_manifest_wires_are_not_told(mode: str, tmp_path: Path, start: Start, emitted: Emitted) -> None:
    start(interested=lambda ref: ref == REF)
    for ref in (OTHER, REF):
        producers.swap(tmp_path, ref, {"password": b"A"})
    told(emitted, tmp_path)
    assert {event.secret for event in emitted.events} == {REF}


def test_a_secret_that_is_wired_later_is_told_by_a_relist(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    wired: set[SecretRef] = set()
    producers.swap(tmp_path, REF, {"password": b"A"})
    watch = start(interested=wired.__contains__)
    wired.add(REF)
    watch.relist()
    told(emitted, tmp_path)
    watch.relist()
    producers.swap(tmp_path, OTHER, {"password": b"A"})
    wired.add(OTHER)
    watch.relist()
    told(emitted, tmp_path, OTHER)
    assert [event.secret for event in emitted.events] == [REF, OTHER]


def test_our_own_writes_are_no_news_until_somebody_changes_them(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    secrets = DirectorySecrets(tmp_path)
    start()
    written = None
    for raw in (b"A", b"B"):
        data = {"password": SecretValue(raw)}
        content = SecretContent(data=data, stamp={}, owner="ExternalSecret orders/x", managed=frozenset(data))
        written = secrets.create(REF, content) if written is None else secrets.update(REF, content, written)
    producers.swap(tmp_path, OTHER, {"password": b"A"})
    told(emitted, tmp_path, OTHER)
    assert {event.secret for event in emitted.events} == {OTHER}
    (producers.place(tmp_path, REF) / "password").write_bytes(b"drifted")
    told(emitted, tmp_path)


def test_a_secret_of_ours_that_is_itself_a_source_is_told_as_one(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    secrets, data = DirectorySecrets(tmp_path), {"password": SecretValue(b"A")}
    content = SecretContent(data=data, stamp={}, owner="ExternalSecret orders/x", managed=frozenset(data))
    written = secrets.create(REF, content)
    start({REF: written}, derived=lambda ref: ref == REF)
    secrets.update(REF, content, written)
    told(emitted, tmp_path)
    assert written not in {event.seen for event in emitted.events}


def test_a_managed_secret_that_somebody_removed_is_told(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    data = {"password": SecretValue(b"A")}
    content = SecretContent(data=data, stamp={}, owner="ExternalSecret orders/x", managed=frozenset(data))
    DirectorySecrets(tmp_path).create(REF, content)
    start()
    producers.remove(tmp_path, REF)
    emitted.until(lambda events: SecretRemoved(secret=REF) in events)


# --- what cannot be read ------------------------------------------------------------------------------------------


def test_a_secret_that_is_refused_is_told_once_so_that_the_step_says_why(
    mode: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    start()
    producers.write(tmp_path, REF, {"a key": b"v"})
    producers.swap(tmp_path, OTHER, {"password": b"A"})
    told(emitted, tmp_path, OTHER)
    emitted.until(lambda events: SecretChanged(secret=REF) in events)
    (producers.place(tmp_path, REF) / "a key").rename(producers.place(tmp_path, REF) / "a-key")
    told(emitted, tmp_path)
    assert next(event.seen for event in emitted.events if event.secret == REF) == ""


def test_a_secret_that_stays_half_written_is_told_when_patience_ends(
    tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    start(patience=0.05)
    producers.place(tmp_path, REF).mkdir(parents=True)
    (producers.place(tmp_path, REF) / "..data").symlink_to("..never")
    emitted.until(lambda events: events == [SecretChanged(secret=REF)])


# --- faults -------------------------------------------------------------------------------------------------------


def test_a_hint_that_cannot_be_handed_over_is_kept_and_the_error_shown(
    tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    failures, notices = [0], list[str]()

    def fail(_: Hint) -> None:
        failures[0] += 1
        if failures[0] <= 3:
            raise RuntimeError("canary-value")

    emitted.fail = fail
    watch = start(notice=notices.append)
    producers.swap(tmp_path, REF, {"password": b"A"})
    told(emitted, tmp_path)
    assert len(notices) == 3
    assert "orders/postgres" in notices[0]
    assert "canary" not in "".join(notices)
    assert (watch.alive(), watch.last_error) == (True, None)


@pytest.mark.parametrize("change", ["changed", "removed"])
def test_a_hint_that_was_taken_and_not_kept_is_told_again(
    change: str, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    notices = list[str]()
    kept: list[Future[int]] = []

    def taken(event: Hint) -> list[Future[int]]:
        kept.append(Future())
        emitted(event)
        return [kept[-1]]

    producers.swap(tmp_path, REF, {"password": b"A"})
    watch = start({REF: state(tmp_path)}, emit=taken, notice=notices.append)
    if change == "changed":
        producers.swap(tmp_path, REF, {"password": b"B"})
    else:
        shutil.rmtree(producers.place(tmp_path, REF))
    emitted.until(lambda events: len(events) >= 1)
    eventually(lambda: len(kept) >= 1)
    kept[0].set_exception(RuntimeError("canary-value"))
    first, second = emitted.until(lambda events: len(events) >= 2)[:2]
    assert first == second
    assert "RuntimeError" in notices[0]
    assert "canary" not in "".join(notices)
    eventually(lambda: len(kept) >= 2)
    kept[1].set_result(1)
    eventually(lambda: watch.last_error is None)
    producers.swap(tmp_path, OTHER, {"password": b"A"})
    emitted.until(lambda events: events[-1].secret == OTHER)
    assert [event.secret for event in emitted.events] == [REF, REF, OTHER], "what is kept is not told again"


def test_an_overflow_of_the_kernels_queue_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    watched_anew, watch_all = [0], KernelNotifications._watch_all

    def counted(notifications: KernelNotifications) -> None:
        watched_anew[0] += 1
        watch_all(notifications)

    monkeypatch.setattr(KernelNotifications, "_watch_all", counted)
    for name in ("postgres", "other"):
        producers.swap(tmp_path, SecretRef(namespace="orders", name=name), {"password": b"A"})
    blocked, release = threading.Event(), threading.Event()

    def hold(_: Hint) -> None:
        blocked.set()
        assert release.wait(60)

    emitted.fail = hold
    start({ref: state(tmp_path, ref) for ref in (REF, OTHER)})
    producers.swap(tmp_path, OTHER, {"password": b"B"})
    assert blocked.wait(30)  # the thread reads no more
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    noise = [str(producers.place(tmp_path, OTHER).parent / f"noise-{number}") for number in range(2)]
    Path(noise[0]).touch()
    for number in range(limit // 2):  # each tells of two names
        os.rename(noise[number % 2], noise[1 - number % 2])
    producers.swap(tmp_path, REF, {"password": b"B"})  # falls out of the queue
    new = SecretRef(namespace="late", name="postgres")
    producers.swap(tmp_path, new, {"password": b"A"})
    release.set()
    told(emitted, tmp_path)
    told(emitted, tmp_path, new)
    assert watched_anew[0] >= 2
    producers.swap(tmp_path, new, {"password": b"B"})  # what came during the overflow is watched since
    told(emitted, tmp_path, new)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOSPC, errno.ENOSYS])
def test_without_the_kernels_help_it_looks_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: Start, emitted: Emitted, code: int
) -> None:
    _run_out_of(monkeypatch, code)
    notices: list[str] = []
    watch = start(notice=notices.append)
    assert watch.mode == "polling"
    assert "max_user_watches" in str(watch.last_error)
    assert len(notices) == 1


def test_watches_that_run_out_while_running_give_way_to_looking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: Start, emitted: Emitted
) -> None:
    watch = start()
    assert watch.mode == "inotify"

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no watches left")

    monkeypatch.setattr(Inotify, "add", full)
    producers.swap(tmp_path, REF, {"password": b"A"})
    told(emitted, tmp_path)
    eventually(lambda: watch.mode == "polling")
    producers.swap(tmp_path, REF, {"password": b"B"})
    told(emitted, tmp_path)


def test_a_stopped_watch_is_visibly_dead(tmp_path: Path, start: Start) -> None:
    watch = start()
    assert watch.alive()
    watch.stop()
    assert (watch.alive(), watch.mode) == (False, "stopped")
