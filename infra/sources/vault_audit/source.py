"""Tells of writes at the authority that no step of ours made, as hints; and has everything swept after a gap."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from events.references import PathRef
from events.secret import SecretWritten
from infra.sources.vault_audit.line import UnreadableLineError, Written, concerns, parse
from infra.sources.vault_audit.listener import AuditListener
from infra.sources.vault_audit.position import Position
from infra.sources.vault_audit.splitting import Line
from infra.sources.vault_audit.tail import Batch, FileTail

INTERVAL = 0.1  # seconds between looks at the file: a person waits for it, and the steps' own lines come in heaps
PAUSE = 1.0  # seconds between two hints of one path: whoever writes it in a loop makes one hint a second
SWEEP_PAUSE = 60.0  # seconds between two sweeps that gaps order
SAVE_PAUSE = 5.0  # seconds between two records of the position
RETRY = 1.0  # seconds until what was not taken is told again
MOST_WAITING = 10_000  # paths; more than these are for a sweep
BATCH = 500  # hints told in one commit
MOST_A_SECOND = 1000  # hints: whoever writes to the socket must not be able to fill the broker
OUTCOMES = ("told", "own", "unwired", "unreadable", "dropped")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the source asks and tells, from its thread.

    `own`: whether one of our steps made this write. `wired`: whether a manifest names the path. These two raise
    nothing; the others may, and are called again. `tell` returns when the hints are durable. `sweep` orders one.
    `save` records how far the file was read.
    """

    own: Callable[[Written], bool]
    wired: Callable[[PathRef], bool]
    tell: Callable[[Iterable[SecretWritten]], object]
    sweep: Callable[[], object]
    save: Callable[[Position], object] = lambda _: None
    notice: Callable[[str], object] = lambda _: None


class AuditSource:
    """One thread over a file, a socket, or both; several devices may tell of one write, which is one hint.

    Hints wait by path, so there are never more than paths, however many lines tell of one. The position is recorded
    only once everything before it was told: a crash repeats hints, which do no harm, and loses none.
    """

    def __init__(
        self, around: Surroundings, *, tail: FileTail | None = None, listener: AuditListener | None = None,
        namespace: str = "", gap: str = "", interval: float = INTERVAL, pause: float = PAUSE,
        sweep_pause: float = SWEEP_PAUSE, monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`namespace` is the one at the authority that Lockstep works in, "" for the root. `gap`: why lines may have
        been missed before it began, where nobody sweeps at that moment anyway."""
        self._around = around
        self._tail, self._listener = tail, listener
        self._namespace = namespace
        self._interval, self._pause, self._sweep_pause = interval, pause, sweep_pause
        self._now = monotonic
        self._waiting: dict[PathRef, str] = {}  # paths that are to be told of, and the request that wrote there last
        self._told: dict[PathRef, float] = {}  # when, for as long as it matters
        self._gap = gap
        self._next_sweep = self._next_try = self._next_save = 0.0
        self._saved: Position | None = tail.position if tail else None
        self._counts: Counter[str] = Counter()
        self._gaps = 0
        self._second, self._left = self._now(), MOST_A_SECOND
        self._error: str | None = None
        self._ending = threading.Event()
        self._news = listener.news if listener else threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    # --- its life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Fix where to begin, then follow in a thread: what comes from now on is told. Raises OSError."""
        if self._listener is not None:
            self._listener.start()
        if self._tail is not None:
            self._take(self._tail.read())
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the threads. Raises TimeoutError where somebody who is told does not return."""
        self._ending.set()
        self._news.set()
        try:
            if self._thread.ident is not None:
                self._thread.join(timeout)
                if self._thread.is_alive():
                    raise TimeoutError(f"the audit source did not end within {timeout:g} s")
        finally:
            if self._listener is not None:
                self._listener.stop(timeout)
        if self._tail is not None:
            self._tail.close()

    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def mode(self) -> str:
        """How writes are noticed: "audit file", "audit socket", "audit file and socket", or "stopped"."""
        if not self.alive():
            return "stopped"
        followed = [name for name, one in (("file", self._tail), ("socket", self._listener)) if one is not None]
        return f"audit {' and '.join(followed)}"

    @property
    def last_error(self) -> str | None:
        return self._error or (self._tail.error if self._tail else "") or None

    @property
    def counts(self) -> Mapping[str, int]:
        """How many lines that told of a write came to which of OUTCOMES (`told`: hints)."""
        dropped = self._listener.dropped if self._listener else 0
        return {name: self._counts[name] + (dropped if name == "dropped" else 0) for name in OUTCOMES}

    @property
    def gaps(self) -> int:
        """How often lines may have been missed."""
        return self._gaps

    # --- its thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._round()
            except Exception as failure:  # noqa: BLE001  whatever the broker raises, nothing is forgotten; it is shown
                self._failed(failure)
            self._rest()
        try:
            self._round(final=True)
        except Exception as failure:  # noqa: BLE001  the position was not recorded, so that all is read again
            self._failed(failure)

    def _failed(self, failure: Exception) -> None:
        text = f"writes at the authority cannot be told of ({type(failure).__name__}); trying again"
        if text != self._error:
            self._around.notice(text)
        self._error = text
        self._next_try = self._now() + RETRY

    def _rest(self) -> None:
        """Until it is time to look. The socket's news is waited with: its lines come in heaps too."""
        if self._tail is None and not self._waiting and not self._gap:
            self._news.wait()
        self._ending.wait(self._interval)

    def _round(self, *, final: bool = False) -> None:
        self._collect()
        now = self._now()
        if now >= self._next_try or final:
            self._hand_over(now, final=final)
            self._order_sweep(now)
            self._record(now, final=final)
            self._error = None

    def _collect(self) -> None:
        if self._listener is not None:
            lines, gap = self._listener.take()
            self._look_at(lines, gap)
        while self._tail is not None and self._take(self._tail.read()):
            pass

    def _take(self, batch: Batch) -> bool:
        self._look_at(batch.lines, batch.gap)
        return batch.more

    def _look_at(self, lines: Iterable[Line], gap: str = "") -> None:
        if gap:
            self._missed(gap)
        for line in lines:
            if not line.whole:
                if concerns(line.text):
                    self._unreadable("a line was too long to be read")
                continue
            try:
                written = parse(line.text, self._namespace)
            except UnreadableLineError:
                self._unreadable("a line was not an audit device's")
            else:
                self._note(written)

    def _note(self, written: Written | None) -> None:
        if written is None:
            return
        if not self._around.wired(written.path):
            self._counts["unwired"] += 1
        elif self._around.own(written):
            self._counts["own"] += 1
        elif written.path in self._waiting or len(self._waiting) < MOST_WAITING:
            self._waiting[written.path] = written.request
        else:
            self._counts["dropped"] += 1
            self._missed("more paths were written than can wait to be told of")

    def _unreadable(self, gap: str) -> None:
        self._counts["unreadable"] += 1
        self._missed(gap)

    def _missed(self, gap: str) -> None:
        self._gaps += 1
        self._gap = self._gap or gap

    # --- what comes of it -----------------------------------------------------------------------------------------

    def _hand_over(self, now: float, *, final: bool) -> None:
        self._told = {path: at for path, at in self._told.items() if now < at + self._pause}
        if now >= self._second + 1.0:
            self._second, self._left = now, MOST_A_SECOND
        due = [path for path in self._waiting if path not in self._told][: self._left]
        due = list(self._waiting) if final else due
        for first in range(0, len(due), BATCH):
            paths = due[first : first + BATCH]
            self._around.tell([SecretWritten(path=path, seen=self._waiting[path]) for path in paths])
            for path in paths:
                del self._waiting[path]
            self._left -= len(paths)
            self._told.update(dict.fromkeys(paths, now))
            self._counts["told"] += len(paths)

    def _order_sweep(self, now: float) -> None:
        """One for all gaps of a minute, so that a file that is no audit file does not keep the sweep going."""
        if self._gap and now >= self._next_sweep:
            gap, self._gap = self._gap, ""
            try:
                self._around.sweep()
            except Exception:
                self._gap = gap
                raise
            self._next_sweep = now + self._sweep_pause

    def _record(self, now: float, *, final: bool) -> None:
        if self._tail is None or self._waiting or self._gap or not (final or now >= self._next_save):
            return
        position = self._tail.position
        if position is not None and position != self._saved:
            self._around.save(position)
            self._saved, self._next_save = position, now + SAVE_PAUSE
