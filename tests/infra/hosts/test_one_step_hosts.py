"""One behaviour, whichever server carries it: plain ASGI, func-python (both middlewares), parliament.

Real packages, a real OpenBao, real events over HTTP.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from events.cloudevent import CloudEvent
from events.envelope import issue, read
from events.http_binding import decode, encode_binary, encode_structured
from events.references import PathRef, SecretRef
from events.secret import SecretChanged, SecretPublished
from infra.hosts.openbao.embedded import EmbeddedOpenBao
from infra.stores.vault.authority import VaultAuthority
from tests.infra.hosts.ingress import Ingress, listening
from tests.infra.hosts.one_step_process import (
    FUNC_PYTHON,
    HOSTS,
    NAMES,
    PARLIAMENT,
    ROOT,
    SERVE,
    Process,
    command,
    documented,
    environ,
    serving,
)
from tests.infra.stores import directory_producers as producers
from tests.infra.wiring.samples import STORE, push, together
from tests.instance import wait_for
from tests.openbao import OpenBao
from tests.unix_http import Response

pytestmark = pytest.mark.e2e

EVERYTHING = 'path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]\n}\n'
NAMESPACE = "platform-data"
every_host = pytest.mark.parametrize("host", HOSTS, ids=NAMES)
Encode = Callable[[CloudEvent], tuple[list[tuple[str, str]], bytes]]


@dataclass
class Served:
    """A host that serves `publish` over a ROOT, an authority and a sink."""

    process: Process
    root: Path
    openbao: OpenBao
    sink: Ingress
    paths: dict[str, PathRef]

    def put(self, source: str, password: bytes) -> CloudEvent:
        """Change a source Secret; the event that says so."""
        secret = SecretRef(namespace=NAMESPACE, name=source)
        producers.swap(self.root, secret, {"username": b"u", "password": password})
        return issue(SecretChanged(secret=secret, seen="s"), source="/tests", now=datetime.now(UTC))

    def post(self, event: CloudEvent, encode: Encode = encode_binary) -> Response:
        headers, body = encode(event)
        return self.process.ask("POST", "/", body, dict(headers))

    def stored(self, path: str) -> dict[str, bytes] | None:
        found = VaultAuthority(self.openbao.engine()).read(self.paths[path])
        return {key: value.reveal() for key, value in found.data.items()} if found and found.data else None


@pytest.fixture(scope="module")
def shared(openbao_server: EmbeddedOpenBao) -> Iterator[OpenBao]:
    bao = OpenBao(openbao_server)
    yield bao
    bao.close()


@pytest.fixture(scope="module")
def sink() -> Iterator[Ingress]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module", params=HOSTS, ids=NAMES)
def served(
    request: pytest.FixtureRequest, shared: OpenBao, sink: Ingress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("host") / "root"
    paths = {name: shared.path(name) for name in ("one", "both-a", "both-b", "denied")}
    wire(root, paths)
    told = {
        "LOCKSTEP_STEP": "publish", "BAO_ADDR": shared.settings.address, "K_SINK": sink.address,
        "BAO_TOKEN": shared.token(EVERYTHING).reveal().decode(),
    }  # fmt: skip
    with serving(request.param, root, **told) as process:
        yield Served(process, root, shared, sink, paths)
    said = process.output()
    assert "canary" not in said
    assert "Traceback" not in said


def wire(root: Path, paths: dict[str, PathRef]) -> None:
    """PushSecrets named as their paths; `both-a` and `both-b` have one source, `denied` may not be published."""
    (root / "wiring").mkdir(parents=True)
    manifests = [
        push(name, NAMESPACE, path=path.path, source=f"{{name: {name.removesuffix('-a').removesuffix('-b')}}}")
        for name, path in paths.items()
    ]
    (root / "wiring" / "all.yaml").write_text(together(STORE, *manifests))
    allowed = [str(path) for name, path in paths.items() if name != "denied"]
    spec = {"namespaces": {NAMESPACE: {"publish": allowed}}}
    policy = {"apiVersion": "lockstep.dev/v1alpha1", "kind": "AccessPolicy", "spec": spec}
    (root / "access.yaml").write_text(json.dumps(policy))


def test_the_documentation_names_these_commands() -> None:
    assert set(HOSTS) <= documented()


@pytest.mark.parametrize("encode", [encode_binary, encode_structured])
def test_event_in_value_at_the_authority_reply_out(served: Served, encode: Encode) -> None:
    value = f"canary-{encode.__name__}".encode()
    event = served.put("one", value)
    answer = served.post(event, encode)
    assert answer.status == 200, answer
    reply = decode(list(answer.headers.items()), answer.body)
    published = read(reply)
    assert isinstance(published.event, SecretPublished)
    assert (published.event.path, published.event.outcome) == (served.paths["one"], "written")
    assert (reply.source, reply.extension("causationid")) == ("/lockstep/local/steps/publish", event.id)
    assert served.stored("one") == {"username": b"u", "password": value}
    assert b"canary" not in answer.body


def test_several_events_go_to_the_sink(served: Served) -> None:
    served.sink.received.clear()
    answer = served.post(served.put("both", b"canary-both"))
    assert (answer.status, answer.body) == (204, b"")
    said = [read(event).event for event in served.sink.received]
    assert {event.path for event in said if isinstance(event, SecretPublished)} == {
        served.paths["both-a"], served.paths["both-b"],
    }  # fmt: skip
    assert served.stored("both-b") == {"username": b"u", "password": b"canary-both"}


def test_a_sink_that_is_full_is_a_retry(served: Served) -> None:
    served.sink.answers.append((429, {"retry-after": "7"}))
    answer = served.post(served.put("both", b"canary-full"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert answer.headers["content-type"] == "application/problem+json"


def test_nothing_to_say_is_an_empty_2xx(served: Served) -> None:
    answer = served.post(served.put("nobody-wired-this", b"canary-nobody"))
    assert (answer.status, answer.body) == (204, b"")


def test_reject_is_422(served: Served) -> None:
    answer = served.post(served.put("denied", b"canary-denied"))
    assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json")
    assert "may not publish" in json.loads(answer.body)["detail"]
    assert served.stored("denied") is None


def test_another_steps_event_is_422(served: Served) -> None:
    event = served.put("one", b"canary-other")
    other = CloudEvent(id=event.id, source=event.source, type="dev.lockstep.schedule.ticked", data=b"{}",
                       datacontenttype="application/json")  # fmt: skip
    assert served.post(other).status == 422


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"content-type": "application/json"}, b'{"password": "canary-4711"}'),
        ({"content-type": "application/json"}, b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'),
        ({"ce-specversion": "1.0", "content-type": "application/json"}, b'{"password": "canary-4711"}'),
        ({"ce-specversion": "1.0", "ce-source": "/s", "ce-type": "t"}, b"canary-4711"),
        ({"ce-specversion": "0.3", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}, b""),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-subject": "%"}, b""),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-time": "canary-4711"}, b""),
        ({"content-type": "application/cloudevents+json"}, b"canary-4711"),
        ({"content-type": "application/cloudevents+json"}, b'{"specversion":"1.0","id":"1","type":"t"}'),
        ({"content-type": "application/cloudevents+json"}, b"\xff"),
    ],
    ids=[
        "nothing", "json", "json like an event", "attributes missing", "no id", "old", "escape", "time",
        "structured, no json", "structured, attributes missing", "structured, no text",
    ],
)  # fmt: skip
def test_what_is_no_event_is_400(served: Served, headers: dict[str, str], body: bytes) -> None:
    answer = served.process.ask("POST", "/", body, headers)
    assert (answer.status, b"canary" in answer.body) == (400, False), answer


def test_a_batch_is_no_event(served: Served) -> None:
    """func-python's own reader stumbles over it before the step sees it."""
    answer = served.process.ask("POST", "/", b"[]", {"content-type": "application/cloudevents-batch+json"})
    assert answer.status == (500 if served.process.host == FUNC_PYTHON else 400)


def test_alive_and_ready(served: Served) -> None:
    assert served.process.ask("GET", "/health/liveness").status == 200
    wait_for(lambda: served.process.readiness().status == 200, "readiness")


def test_metrics_and_the_handshake_where_the_server_lets_them_through(served: Served) -> None:
    through = served.process.host not in {FUNC_PYTHON, PARLIAMENT}
    metrics = served.process.ask("GET", "/metrics")
    assert (metrics.status == 200 and b"lockstep_propagation_seconds" in metrics.body) is through
    assert ("webhook-allowed-origin" in served.process.ask("OPTIONS", "/").headers) is through


@every_host
def test_without_the_authority_it_is_a_retry(host: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    wire(root, {"one": PathRef(mount="secret", path="team/one")})
    told = {"LOCKSTEP_STEP": "publish", "BAO_ADDR": "http://127.0.0.1:9", "BAO_TOKEN": "canary-token"}
    with serving(host, root, **told) as process:
        secret = SecretRef(namespace=NAMESPACE, name="one")
        producers.swap(root, secret, {"username": b"u", "password": b"canary-4711"})
        headers, body = encode_binary(issue(SecretChanged(secret=secret, seen="s"), source="/t", now=datetime.now(UTC)))
        answer = process.ask("POST", "/", body, dict(headers))
        assert (answer.status, b"canary" in answer.body) == (503, False), answer
        assert process.ask("GET", "/health/liveness").status == 200
        wait_for(lambda: process.readiness().status >= 500, "it to be not ready")
        assert process.readiness().body not in {b"", b"OK"}
    assert "canary" not in process.output()


@every_host
def test_sigterm_ends_it_in_order_and_logs_out(host: str, shared: OpenBao, tmp_path: Path) -> None:
    root = tmp_path / "root"
    path = shared.path("ended")
    wire(root, {"one": path})
    name = path.path.replace("/", "-")
    shared.admit(name, EVERYTHING)
    identity = shared.embedded.identity(name)
    told = {
        "LOCKSTEP_STEP": "publish", "BAO_ADDR": shared.settings.address,
        "BAO_ROLE_ID": identity.role_id, "BAO_SECRET_ID": identity.secret_id.reveal().decode(),
    }  # fmt: skip
    with serving(host, root, **told) as process:
        secret = SecretRef(namespace=NAMESPACE, name="one")
        producers.swap(root, secret, {"username": b"u", "password": b"canary-4711"})
        headers, body = encode_binary(issue(SecretChanged(secret=secret, seen="s"), source="/t", now=datetime.now(UTC)))
        assert process.ask("POST", "/", body, dict(headers)).status == 200
        assert logins(shared, identity.name) == 1
        assert process.stop() == 0, process.output()
    assert logins(shared, identity.name) == 0
    assert "canary" not in process.output()
    assert "Traceback" not in process.output()


def logins(openbao: OpenBao, role: str) -> int:
    """How many tokens of a role are alive."""
    admin = openbao.admin()
    accessors = admin.call("LIST", "auth/token/accessors", kind="test").body["data"]["keys"]
    count = 0
    for accessor in accessors:
        found = admin.call("POST", "auth/token/lookup-accessor", body={"accessor": accessor}, kind="test")
        if found.status == 200:
            count += (found.body["data"].get("meta") or {}).get("role_name") == role
    return count


REFUSED = (
    ({"LOCKSTEP_STEP": "rotate"}, "choose one of publish, materialize"),
    ({"LOCKSTEP_STEP": "publish"}, "set VAULT_ADDR or BAO_ADDR"),
    ({"LOCKSTEP_STEP": "publish", "BAO_ADDR": "http://127.0.0.1:9"}, "no credentials for the authority"),
    ({"LOCKSTEP_STEP": "publish", "LOCKSTEP_ROOT": ""}, "LOCKSTEP_ROOT"),
)


@pytest.mark.parametrize(
    ("host", "told", "says"),
    [
        pytest.param(host, told, says, id=f"{name}-{says}")
        for host, name in zip(HOSTS, NAMES, strict=True)
        for told, says in REFUSED
        if not (host == SERVE and "LOCKSTEP_ROOT" in told)  # there it is an option
    ],
)
def test_what_is_missing_ends_it(host: str, told: dict[str, str], says: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        command(host, tmp_path, "127.0.0.1:0"), env=environ(host, tmp_path, "127.0.0.1:0", told), cwd=ROOT,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr
    assert "Traceback" not in ended.stderr
