"""The watch as a process: a real API server on one side, whoever takes CloudEvents over HTTP on the other."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from events.cloudevent import CloudEvent
from events.http_binding import decode
from infra.hosts.watch import main
from infra.testbed.cluster import Cluster
from tests.eso import apply, external_body, place, push_body, store_body
from tests.infra.hosts.served import Served
from tests.instance import wait_for

DEADLINE = 60.0
CANARY = "canary-7f3a"
ROOT = Path(__file__).parents[3]


class Sink:
    """Takes events, or refuses as many as it is told to."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []
        self.refuse = 0
        self._turn = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer._take(decode(list(self.headers.items()), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
                """Nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def until(self, condition: Callable[[list[CloudEvent]], bool]) -> None:
        with self._turn:
            assert self._turn.wait_for(lambda: condition(self.events), DEADLINE), "waited in vain"

    def _take(self, event: CloudEvent) -> int:
        with self._turn:
            if self.refuse:
                self.refuse -= 1
                return 503
            self.events.append(event)
            self._turn.notify_all()
            return 202


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def answered(port: int, target: str) -> int:
    return Served(servers=None, thread=None, port=port).ask("GET", target).status  # type: ignore[arg-type]  # the port alone


def about(events: list[CloudEvent], kind: str, subject: str) -> list[CloudEvent]:
    return [event for event in events if event.type == f"dev.lockstep.{kind}" and event.subject == subject]


def test_a_process_tells_the_sink(
    eso_cluster: Cluster, namespace: str, store_name: str, sink: Sink, tmp_path: Path
) -> None:
    sink.refuse = 3
    environ = {
        **os.environ, "KUBECONFIG": str(eso_cluster.kubeconfig(tmp_path / "kubeconfig")), "K_SINK": sink.address,
        "K_CE_OVERRIDES": json.dumps({"extensions": {"origin": "test"}}), "LOCKSTEP_CLUSTER": "blue",
        "LISTEN_ADDRESS": "127.0.0.1:0",
    }  # fmt: skip
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, push_body(namespace, store_name))
    apply(eso_cluster, external_body(namespace, store_name, f"platform-data/postgres/{namespace}"))
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.hosts.watch"], env=environ, cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(" ")[2])
        assert answered(port, "/health/liveness") == 200
        for manifest in (f"manifests/PushSecret/{namespace}/push", f"manifests/ExternalSecret/{namespace}/pull"):
            sink.until(lambda events, manifest=manifest: bool(about(events, "wiring.changed", manifest)))  # type: ignore[misc]  # bound now
        secrets = f"/api/v1/namespaces/{namespace}/secrets"
        eso_cluster.admin.post(secrets, {"metadata": {"name": "source"}, "stringData": {"password": CANARY}})
        subject = f"namespaces/{namespace}/secrets/source"
        sink.until(lambda events: bool(about(events, "secret.changed", subject)))
        (changed,) = about(sink.events, "secret.changed", subject)
        assert changed.source == "/lockstep/blue/sources/kubernetes"
        assert changed.extension("origin") == "test"
        eso_cluster.admin.delete(f"{secrets}/source")
        sink.until(lambda events: bool(about(events, "secret.removed", subject)))
        assert CANARY not in repr(sink.events)
        wait_for(lambda: answered(port, "/health/readiness") == 200, "the watch to be ready")
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    assert CANARY not in errors


@contextmanager
def watching(cluster: Cluster, sink: Sink, kubeconfig: Path) -> Iterator[None]:
    """The process, from its start to its end; it ends well, and what it says holds no value."""
    environ = {
        **os.environ, "KUBECONFIG": str(cluster.kubeconfig(kubeconfig)), "K_SINK": sink.address,
        "LISTEN_ADDRESS": "127.0.0.1:0",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.hosts.watch"], env=environ, cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(" ")[2])
        wait_for(lambda: answered(port, "/health/readiness") == 200, "the watch to be ready")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    assert CANARY not in errors


def test_an_order_by_annotation_is_told(
    eso_cluster: Cluster, namespace: str, store_name: str, sink: Sink, tmp_path: Path
) -> None:
    apply(eso_cluster, store_body(store_name, controller="lockstep"))
    push = push_body(namespace, store_name, path=f"platform-data/postgres/{namespace}")
    apply(eso_cluster, push)
    subject = f"paths/secret/platform-data/postgres/{namespace}"
    with watching(eso_cluster, sink, tmp_path / "kubeconfig"):
        asked = {"lockstep.dev/adopt": f"secret/platform-data/postgres/{namespace}@3"}
        eso_cluster.admin.patch(place(push), {"metadata": {"annotations": asked}})
        sink.until(lambda events: bool(about(events, "claim.requested", subject)))
    (order,) = about(sink.events, "claim.requested", subject)
    document = json.loads(order.data or b"")
    assert order.source == "/lockstep/local/sources/annotations"
    assert (document["epoch"], document["by"]) == (3, f"annotation:{namespace}")


def test_manifests_of_an_assisted_store_are_touched(
    eso_cluster: Cluster, namespace: str, store_name: str, sink: Sink, tmp_path: Path
) -> None:
    apply(eso_cluster, store_body(store_name, controller="", mode="assist"))
    push = push_body(namespace, store_name)
    apply(eso_cluster, push)
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    with watching(eso_cluster, sink, tmp_path / "kubeconfig"):
        eso_cluster.admin.post(secrets, {"metadata": {"name": "source"}, "stringData": {"password": CANARY}})
        wait_for(
            lambda: "force-sync" in (eso_cluster.admin.get(place(push))["metadata"].get("annotations") or {}),
            "External Secrets Operator to be hastened",
        )


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"KUBECONFIG": "/nonexistent/config"}, "/nonexistent/config"),
        ({"K_SINK": "http://127.0.0.1:9/", "K_CE_OVERRIDES": "no json"}, "K_CE_OVERRIDES"),
        ({}, "K_SINK"),
    ],
)
def test_settings_that_cannot_be_used(
    environ: dict[str, str], named: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    }  # fmt: skip
    (tmp_path / "config").write_text(json.dumps(config))
    assert main({"KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path), **environ}) == 2
    assert named in caplog.text
