"""Without Knative: the broker's pod follows the cluster and delivers to the steps' own pods."""

import base64
import http.client
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError
from tests.cluster import own_definitions
from tests.infra.hosts.cluster.pods import Process, set_up
from tests.infra.hosts.exposition import parsed
from tests.infra.hosts.one_step_process import reserved_port
from tests.instance import wait_for
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e
HOP = {"connection", "host", "transfer-encryption", "keep-alive", "content-length"}


class Services(ThreadingHTTPServer):
    """What the cluster's Services are: `/<name>` leads to the pod that runs, and to nothing where none does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pods: dict[str, Process] = {}
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Services

    def do_GET(self) -> None:
        self._pass(b"")

    def do_POST(self) -> None:
        self._pass(self.rfile.read(int(self.headers["content-length"])))

    def _pass(self, body: bytes) -> None:
        _, name, *rest = self.path.split("/")
        pod = self.server.pods.get(name)
        status, headers, answer = 503, {}, b""
        if pod is not None:
            given = {each: value for each, value in self.headers.items() if each.lower() not in HOP}
            try:
                found = pod.ask(self.command, "/" + "/".join(rest), body, given)
            except (OSError, http.client.HTTPException):
                status = 502
            else:
                status, answer = found.status, found.body
                headers = {each: value for each, value in found.headers.items() if each.lower() not in HOP}
        self.send_response(status)
        for each, value in headers.items():
            self.send_header(each, value)
        if status != 204:
            self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def services() -> Iterator[Services]:
    server = Services()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_change_reaches_its_consumer_through_the_pods(
    own_cluster: Cluster, eso_definitions: tuple[dict[str, Any], ...], openbao: OpenBao, tmp_path: Path
) -> None:
    own_cluster.install((*eso_definitions, *own_definitions()))
    openbao.admin().call("DELETE", "lockstep/metadata/anchors/local_ledger", kind="test")
    pods = set_up(own_cluster, openbao, tmp_path, "kubernetes")
    with ExitStack() as stack:
        between = stack.enter_context(services())
        for name in ("publish", "materialize", "sweep"):
            between.pods[name] = stack.enter_context(pods.running("Deployment", name))
        port = stack.enter_context(reserved_port())
        told = {"LOCKSTEP_STEPS_AT": f"{between.address}/{{step}}", "LISTEN_ADDRESS": f"0.0.0.0:{port}"}
        broker = stack.enter_context(pods.running("Deployment", "broker", **told))
        for value in ("first", "second"):
            write(own_cluster, value)
            wait_for(lambda value=value: held(own_cluster) == value, "the consumer's Secret", 60)  # type: ignore[misc]
        assert broker.ask("GET", "/health/readiness").status == 200
        parsed(broker.ask("GET", "/metrics").body.decode())
        assert broker.ask("POST", "/lockstep/default", b"{}").status == 404
        broker.child.send_signal(signal.SIGTERM)
        assert broker.child.wait(30) == 0, broker.output()
        assert "403" not in broker.output(), broker.output()


def write(cluster: Cluster, value: str) -> None:
    """As whoever owns the source does."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "source"}, "stringData": {"password": value}}
    cluster.admin.apply("/api/v1/namespaces/producer/secrets/source", body, "owner")


def held(cluster: Cluster) -> str | None:
    try:
        found = cluster.admin.get("/api/v1/namespaces/consumer/secrets/target")
    except ApiError:
        return None
    return base64.b64decode(found["data"]["password"]).decode()
