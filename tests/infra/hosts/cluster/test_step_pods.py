"""Steps as the pods that the manifests render: own ServiceAccount, own RBAC, own role at the authority."""

import base64
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from events.cloudevent import CloudEvent
from events.envelope import issue, read
from events.event import Event
from events.http_binding import decode
from events.orders import PublishRequested
from events.references import ManifestRef, PathRef, SecretRef
from events.secret import SecretChanged, SecretMaterialized, SecretPublished
from events.wiring import WiringChanged
from functions import STEPS
from functions._failures import StepFailure
from functions._step import Step
from functions._values import SecretValue
from infra.deploy.rbac import grants
from infra.hosts.cluster.step_ground import shown
from infra.hosts.recording.book import RecordBook
from infra.hosts.rendered_manifests import example
from infra.stores.vault.auth import KubernetesAuth
from infra.stores.vault.authority import VaultAuthority
from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError
from tests.cluster import own_definitions
from tests.infra.hosts.cluster.pods import Pods, set_up
from tests.infra.hosts.exposition import parsed
from tests.infra.hosts.ingress import listening
from tests.instance import wait_for
from tests.openbao import OpenBao
from tests.unix_http import Response

pytestmark = pytest.mark.e2e
CANARY = "canary-4711"
SOURCE = SecretRef(namespace="producer", name="source")


@pytest.fixture
def pods(own_cluster: Cluster, eso_definitions: tuple[dict[str, Any], ...], openbao: OpenBao, tmp_path: Path) -> Pods:
    own_cluster.install((*eso_definitions, *own_definitions()))
    return set_up(own_cluster, openbao, tmp_path)


def test_a_change_goes_from_pod_to_pod(pods: Pods) -> None:
    pods.secret("producer", "source", password=CANARY)
    with pods.running("Service", "publish") as publish, pods.running("Service", "materialize") as materialize:
        answer = publish.deliver(wire(SecretChanged(secret=SOURCE, seen="1/1")))
        published = said(answer)
        assert isinstance(published, SecretPublished), publish.output()
        assert (published.path, published.outcome) == (pods.path, "written")
        assert stored(pods) == {"password": CANARY.encode()}
        pushed = pods.cluster.admin.get(f"{ESO}/v1alpha1/namespaces/producer/pushsecrets/pushed")
        assert pushed["status"]["conditions"][0]["status"] == "True"

        written = said(materialize.deliver(reply(answer)))
        assert isinstance(written, SecretMaterialized), materialize.output()
        target = pods.cluster.admin.get("/api/v1/namespaces/consumer/secrets/target")
        assert base64.b64decode(target["data"]["password"]) == CANARY.encode()
        assert target["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "lockstep"
        wait_for(lambda: pulled(pods).get("conditions"), "the ExternalSecret's condition")
        assert pulled(pods)["binding"] == {"name": "target"}

        # what is another step's is refused by the step, by the API server and by the authority
        refused = publish.deliver(reply(answer))
        assert (refused.status, b"does not consume" in refused.body) == (422, True)
        for account, namespace, name in (("publish", "consumer", "target"), ("materialize", "producer", "source")):
            other = pods.cluster.api(pods.cluster.service_account_token("lockstep", account))
            with pytest.raises(ApiError) as forbidden:
                other.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
            assert forbidden.value.status == 403
        with pytest.raises(StepFailure):
            log_in(pods, role="lockstep-publish", account="materialize")
        log_in(pods, role="lockstep-materialize", account="materialize")

        for process in (publish, materialize):
            assert process.ask("GET", "/health/readiness").status == 200
            parsed(process.ask("GET", "/metrics").body.decode())
            process.child.send_signal(signal.SIGTERM)
            assert process.child.wait(30) == 0, process.output()
            assert CANARY not in process.output()
            # RBAC grants all that a step asks for: nobody was refused anything
            assert process.output().splitlines()[1:] == []


def test_two_replicas_at_work_on_one_event_write_once(pods: Pods) -> None:
    """As a broker that delivers twice, to two pods of one step, each a process with the step's identity."""
    pods.secret("producer", "source", password=CANARY)
    event = wire(SecretChanged(secret=SOURCE, seen="1/1"))
    with pods.running("Service", "publish") as one, pods.running("Service", "publish") as other:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda replica: replica.post(event), (one, other, one, other)))
        assert {answer.status for answer in answers} <= {200, 503}, [one.output(), other.output()]
        published = [said(answer) for answer in answers if answer.status == 200]
        assert published
        assert all(isinstance(each, SecretPublished) for each in published)
        settled = said(one.deliver(event))
        assert isinstance(settled, SecretPublished)
        assert (settled.outcome, settled.version.number) == ("unchanged", 1)
        assert stored(pods) == {"password": CANARY.encode()}


def test_a_path_that_is_not_wired_for_it_is_refused(pods: Pods) -> None:
    """Whoever may write manifests wires another path: permissions are bound to what was rendered."""
    elsewhere = {
        "spec": {
            "data": [{"match": {"secretKey": "password", "remoteRef": {"remoteKey": "pods/other", "property": "p"}}}]
        }
    }
    pods.secret("producer", "source", password=CANARY)
    pods.cluster.admin.patch(f"{ESO}/v1alpha1/namespaces/producer/pushsecrets/pushed", elsewhere)
    with pods.running("Service", "publish") as publish:
        answer = publish.deliver(wire(SecretChanged(secret=SOURCE, seen="1/1")))
        assert answer.status in {422, 503}, answer
        assert b"pods/other" in answer.body
        assert VaultAuthority(pods.openbao.engine()).read(PathRef(mount="secret", path="pods/other")) is None
        assert CANARY.encode() not in answer.body


def test_a_manifest_that_its_watch_does_not_know_yet_is_waited_for(pods: Pods) -> None:
    pods.secret("producer", "source", password=CANARY)
    unknown = ManifestRef(kind="PushSecret", namespace="producer", name="later")
    known = ManifestRef(kind="PushSecret", namespace="producer", name="pushed")
    with pods.running("Service", "publish") as publish:
        answer = publish.deliver(wire(WiringChanged(manifest=unknown, change="added", generation="u.1.1")))
        assert (answer.status, b"not known here yet" in answer.body) == (503, True)
        told = publish.deliver(wire(WiringChanged(manifest=known, change="changed", generation="another.2")))
        assert isinstance(said(told), SecretPublished), publish.output()


def test_the_sweep_hears_of_the_time_from_a_ping_source(pods: Pods) -> None:
    """As PingSources tell it; what was never published is found, and asked for through the step's reply."""
    pods.secret("producer", "source", password=CANARY)
    tick = CloudEvent(
        id="tick-1", source="/apis/v1/namespaces/lockstep/pingsources/sweep-0", type="dev.knative.sources.ping",
        time=datetime.now(UTC).isoformat(), datacontenttype="application/json",
        data=json.dumps({"schedule": "sweep", "shard": 0, "shards": 1}).encode(),
    )  # fmt: skip
    with pods.running("Service", "sweep") as sweep, pods.running("Service", "publish") as publish:
        answer = sweep.deliver(tick)
        asked = said(answer)
        assert isinstance(asked, PublishRequested), sweep.output()
        assert asked.path == pods.path
        assert isinstance(said(publish.deliver(reply(answer))), SecretPublished), publish.output()
        assert publish.deliver(tick).status == 422
        assert sweep.output().splitlines()[1:] == []


def test_the_watch_tells_of_changes_with_what_it_is_granted(pods: Pods) -> None:
    with listening() as ingress, pods.running("ContainerSource", "watch", K_SINK=ingress.address) as watch:
        wait_for(lambda: watch.ask("GET", "/health/readiness").status == 200, "the watch to be ready", 60)
        pods.secret("producer", "source", password=CANARY)
        wait_for(lambda: SecretChanged.TYPE in {event.type for event in ingress.received}, "the change to be told")
        assert WiringChanged.TYPE in {event.type for event in ingress.received}
        assert watch.ask("GET", "/health/liveness").status == 200
        watch.child.send_signal(signal.SIGTERM)
        assert watch.child.wait(30) == 0, watch.output()
        assert watch.output().splitlines()[1:] == []


def test_the_ledger_of_a_broker_elsewhere(pods: Pods) -> None:
    anchor = CloudEvent(
        id="tick-1", source="/apis/v1/namespaces/lockstep/pingsources/anchor", type="dev.knative.sources.ping",
        time=datetime.now(UTC).isoformat(), datacontenttype="application/json", data=b'{"schedule": "anchor"}',
    )  # fmt: skip
    given_up = wire(SecretChanged(secret=SOURCE, seen="1/1"))
    root = str(pods.folder / "record" / "data")
    pods.openbao.admin().call("DELETE", "lockstep/metadata/anchors/local_ledger", kind="test")
    with pods.running("StatefulSet", "record") as record:
        for _ in range(2):
            assert record.post(given_up).status == 204
            errors = {"knativeerrordest": "http://publish.lockstep.svc", "knativeerrorcode": "503"}
            assert record.post(given_up.with_extensions(**errors), "/dead-letters").status == 204
        assert record.post(anchor).status == 204, record.output()
        assert lockstep("audit", "verify", "--root", root) == 0
        assert lockstep("dead-letters", "list", "--root", root) == 0
        page = parsed(record.ask("GET", "/metrics").body.decode())
        record.child.kill()
        record.child.wait(30)
    with pods.running("StatefulSet", "record") as record:
        assert record.post(given_up).status == 204
        assert lockstep("audit", "verify", "--root", root) == 0
        assert record.ask("GET", "/health/readiness").status == 200
        assert record.ask("GET", "/control/v1/audit/verify").status == 404
        record.child.send_signal(signal.SIGTERM)
        assert record.child.wait(30) == 0, record.output()
        assert record.output().splitlines()[1:] == []
    with listening() as ingress, pods.running("StatefulSet", "record", K_SINK=ingress.address):
        assert lockstep("dead-letters", "replay", "1", "--root", root) == 0
        assert [event.id for event in ingress.received] == [given_up.id]
        assert lockstep("events", "--root", root) == 0
        assert lockstep("dead-letters", "replay", "1", "--root", root) == 5
    with closing(RecordBook(Path(root) / "state" / "broker.db")) as book:
        assert [entry.kind for entry in book.ledger.entries()] == ["accepted", "dead-letter", "accepted", "replay"]
        assert len(book.ledger.anchors()) == 1
    assert page


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_statuses_are_written_where_they_are_granted(step: Step) -> None:
    granted = {grant.resource for grant in grants(step, example().wired.objects) if grant.resource.endswith("/status")}
    assert {f"{kind.lower()}s/status" for kind in shown(step)} == granted


# --- what is looked at -----------------------------------------------------------------------------------------------

ESO = "/apis/external-secrets.io"


def lockstep(*arguments: str) -> int:
    """The exit status of a command."""
    program = str(Path(sys.executable).with_name("lockstep"))
    return subprocess.run([program, *arguments], stdout=subprocess.DEVNULL, check=False, timeout=60).returncode


def wire(event: Event) -> CloudEvent:
    return issue(event, source="/tests", now=datetime.now(UTC))


def reply(answer: Response) -> CloudEvent:
    assert answer.status == 200, answer
    return decode(list(answer.headers.items()), answer.body)


def said(answer: Response) -> Event:
    return read(reply(answer)).event


def stored(pods: Pods) -> dict[str, bytes] | None:
    found = VaultAuthority(pods.openbao.engine()).read(pods.path)
    return {key: value.reveal() for key, value in found.data.items()} if found and found.data is not None else None


def pulled(pods: Pods) -> dict[str, Any]:
    found = pods.cluster.admin.get(f"{ESO}/v1/namespaces/consumer/externalsecrets/target")
    status: dict[str, Any] = found.get("status") or {}
    return status


def log_in(pods: Pods, *, role: str, account: str) -> None:
    token = SecretValue.of(pods.cluster.service_account_token("lockstep", account, ["openbao"], 600))
    http = pods.openbao.http()
    try:
        KubernetesAuth(http, role, lambda: token).login()
    finally:
        http.close()
