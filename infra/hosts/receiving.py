"""Alertmanager's webhook as a process of its own, beside a broker elsewhere: its alerts go to K_SINK as leak.reported.

`python -m infra.hosts.receiving`; K_SINK, K_CE_OVERRIDES and K_CA_CERTS as Knative's SinkBinding sets them,
LISTEN_ADDRESS with LOCKSTEP_PLAIN_HTTP, LOCKSTEP_SETTINGS for lockstep.yaml (`reporters` says who may report), and
LOCKSTEP_CLUSTER for the name that events carry. LOCKSTEP_MOUNTS names mounts of several segments, with commas between:
it sees no wiring that would tell them. It speaks neither to the cluster nor to the authority, and keeps nothing. Exit
status 2 for settings that cannot be used.

A Knative broker takes one event at a time. A webhook is answered with 200 when all of its alerts are durable there;
where one is not taken, with 503: Alertmanager then tells all of them again, under the same ids, and those that were
taken are the findings that they are already.
"""

import logging
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from events.cloudevent import CloudEvent
from events.references import PathRef
from functions._failures import Retry
from functions._ports import Settings
from infra.broker.errors import RefusedError
from infra.broker.principal import Principal
from infra.hosts.alertmanager import Alertmanager, Beside
from infra.hosts.alerts import Surroundings
from infra.hosts.configuration import ConfigurationError, load
from infra.hosts.foreground import handled_signals
from infra.hosts.health import HealthApp, listening
from infra.hosts.reporters import Reporters
from infra.hosts.serving import ListenError
from infra.hosts.sink import SINK, HttpSink, sink_from

MOUNTS = "LOCKSTEP_MOUNTS"
_AT_ONCE = 16  # events on their way; as many as a sink keeps connections for
_LATER = 5  # seconds
_log = logging.getLogger("lockstep.receiving")


class Forwarder:
    """Hands the events of a webhook to the sink, side by side. A future is done when all are durable there."""

    def __init__(self, sink: HttpSink) -> None:
        self._sink = sink
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="alerts")

    def __call__(self, events: Iterable[CloudEvent], by: Principal) -> Future[tuple[int, ...]]:
        """Raises RefusedError 503 where one is not taken; the others may be."""
        sending = [self._pool.submit(self._sink.send, (event,)) for event in events]
        failures = [failure for one in sending if (failure := one.exception()) is not None]
        for failure in failures:
            if not isinstance(failure, Retry):
                raise failure
            raise RefusedError(503, failure.reason, int(failure.after or 0) or _LATER)
        done: Future[tuple[int, ...]] = Future()
        done.set_result(tuple(range(len(sending))))
        return done

    def stop(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Naming:
    """How events are named here."""

    cluster: str
    mounts: tuple[str, ...]  # of several segments

    def around(self) -> Surroundings:
        return Surroundings(
            source=f"/lockstep/{self.cluster}/alertmanager", now=datetime.now(UTC),
            lifetime=timedelta(seconds=Settings().order_lifetime), path_named=self.path_named,
        )  # fmt: skip

    def path_named(self, text: str) -> PathRef | None:
        """MOUNT/PATH with the longest mount that is known, else with the first segment; None for what names none."""
        fitting = (one for one in self.mounts if text.startswith(f"{one}/"))
        mount = max(fitting, key=len, default=text.partition("/")[0])
        try:
            return PathRef(mount=mount, path=text[len(mount) + 1 :])
        except ValidationError:
            return None


def naming_from(environ: Mapping[str, str]) -> Naming:
    """The names that the environment gives."""
    mounts = (one.strip().strip("/") for one in environ.get(MOUNTS, "").split(","))
    return Naming(environ.get("LOCKSTEP_CLUSTER", "local"), tuple(one for one in mounts if one))


def main(environ: Mapping[str, str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    environ = os.environ if environ is None else environ
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        configuration = load(Path(environ.get("LOCKSTEP_SETTINGS", "lockstep.yaml")))
        sink = sink_from(environ)
    except ConfigurationError as error:
        _log.error("%s", error)
        return 2
    if not isinstance(sink, HttpSink):
        _log.error("there is nobody to tell; set %s to the broker's ingress", SINK)
        return 2
    if not configuration.reporters:
        _log.warning("lockstep.yaml names no reporters, so that every webhook is refused with 401")
    ending, forward = threading.Event(), Forwarder(sink)
    webhook = Alertmanager(forward, Reporters(configuration.reporters), naming_from(environ).around)
    app = Beside(webhook, HealthApp(failed=str, unready=str))  # "": it needs nothing but its sink, tried each time
    try:
        with handled_signals() as signals, listening(app, {"LISTEN_ADDRESS": "127.0.0.1:8080", **environ}) as port:
            signals.then(ending.set)
            sys.stdout.write(f"lockstep receiving ready on port {port}\n")
            sys.stdout.flush()
            ending.wait()
            signals.ignore()
    except ListenError as error:
        _log.error("%s", error)
        return 2
    finally:
        forward.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
