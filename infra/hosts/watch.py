"""The watch as a process of its own, a Knative ContainerSource: what changes in a cluster goes to K_SINK.

`python -m infra.hosts.watch`; the cluster as kubectl finds it (in a pod: its own), LOCKSTEP_CONTEXT for another
context, LOCKSTEP_CLUSTER for the name that events carry (default `local`), K_SINK, K_CE_OVERRIDES and K_CA_CERTS as
Knative sets them; LISTEN_ADDRESS, if it is to answer about its health. It holds no state: at a start all manifests are
told of as added. Exit status 2 for settings that cannot be used.
"""

import logging
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from events.cloudevent import CloudEvent
from events.envelope import issue
from events.event import Event
from infra.hosts.cluster.following import ClusterFollowing, source_feeds
from infra.hosts.cluster.memory import RememberedManifests
from infra.hosts.cluster.publications import ClusterPublications
from infra.hosts.cluster.statuses import Statuses
from infra.hosts.cluster.wired import WiredObjects
from infra.hosts.configuration import ConfigurationError
from infra.hosts.foreground import handled_signals
from infra.hosts.health import HealthApp, listening
from infra.hosts.local.feeds import WiringFeed
from infra.hosts.platform import Watch
from infra.hosts.serving import ListenError
from infra.hosts.sink import SINK, HttpSink, sink_from
from infra.kubernetes.api import Api
from infra.kubernetes.settings import ClusterSettings, InvalidSettings, settings_from
from infra.wiring.cluster import ClusterWiring, cluster_feeds

_log = logging.getLogger("lockstep.watch")


class SinkTeller:
    """Hands a source's events to the sink; returns when they are durable there. Raises Retry."""

    def __init__(self, sink: HttpSink, name: str, cluster: str) -> None:
        self._sink = sink
        self._source = f"/lockstep/{cluster}/sources/{name}"

    def __call__(self, event: Event) -> None:
        self.all((event,))

    def all(self, events: Iterable[Event]) -> None:
        """In order; where one is not taken the ones before it were, and are told again: hints may be."""
        self._sink.send(tuple(self._wire(event) for event in events))

    def _wire(self, event: Event) -> CloudEvent:
        return issue(event, source=self._source, now=datetime.now(UTC))


class ClusterWatch:
    """Everything that tells of one cluster, without steps beside it."""

    def __init__(self, settings: ClusterSettings, sink: HttpSink, cluster: str) -> None:
        self._watches: tuple[Watch, ...] = ()
        self._started = threading.Event()
        self._api = Api(settings)
        self._wiring = ClusterWiring(cluster_feeds(self._api), changed=self._ring, notice=_notice)
        publications = ClusterPublications(self._wiring, Statuses(self._wiring, self._api))
        feed = WiringFeed(
            self._wiring, RememberedManifests(), bind=lambda _: None, tell=SinkTeller(sink, "wiring", cluster)
        )
        self._following = ClusterFollowing(
            self._wiring, feed, WiredObjects(self._wiring, publications), source_feeds(self._api),
            SinkTeller(sink, "kubernetes", cluster), notice=_notice,
        )  # fmt: skip

    def start(self) -> None:
        self._wiring.start()
        self._watches = self._following.start()
        self._started.set()

    def stop(self) -> None:
        """End all threads. Raises TimeoutError."""
        self._following.stop()
        self._wiring.stop()
        self._api.close()

    def failed(self) -> str:
        """Which thread ended that should run, "" where none did; before the start nothing did."""
        if not self._started.is_set():
            return ""
        return next((f"the watch of {name} ended" for name, one in self._watched() if not one.alive()), "")

    def unready(self) -> str:
        """What is not told of now, and why; "" where everything is."""
        if not self._started.is_set():
            return "the watch is starting"
        problems = (f"{name}: {one.last_error}" for name, one in self._watched() if one.last_error)
        return self.failed() or next(problems, "")

    def _watched(self) -> tuple[tuple[str, Watch], ...]:
        return tuple(zip(("Secrets", "manifests", "news"), self._watches, strict=True))

    def _ring(self) -> None:
        self._following.ring()  # made after the wiring, and before that is started


def main(environ: Mapping[str, str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    environ = os.environ if environ is None else environ
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        settings = settings_from(environ, context=environ.get("LOCKSTEP_CONTEXT", ""))
        sink = sink_from(environ)
    except (InvalidSettings, ConfigurationError) as error:
        _log.error("%s", error)
        return 2
    if not isinstance(sink, HttpSink):
        _log.error("there is nobody to tell; set %s to the broker's ingress", SINK)
        return 2
    watch = ClusterWatch(settings, sink, environ.get("LOCKSTEP_CLUSTER", "local"))
    ending = threading.Event()
    try:
        with handled_signals() as signals, listening(HealthApp(watch.failed, watch.unready), environ) as port:
            try:
                signals.then(ending.set)
                if port:
                    sys.stdout.write(f"lockstep watch ready on port {port}\n")
                    sys.stdout.flush()
                watch.start()
                ending.wait()
            finally:
                signals.ignore()
                watch.stop()
    except ListenError as error:
        _log.error("%s", error)
        return 2
    return 0


def _notice(text: str) -> None:
    _log.warning("%s", text)


if __name__ == "__main__":
    sys.exit(main())
