"""An alert at the pods that the manifests render: who takes the webhook, who keeps the report, who triages it."""

import hashlib
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.envelope import read
from events.leak import LeakConfirmed, LeakReported
from events.references import PathRef
from events.rotation import RotationRequested
from infra.stores.vault.leaks import VaultLeaks
from infra.testbed.cluster import Cluster
from tests.cluster import own_definitions
from tests.infra.hosts.cluster.pods import Pods, Process, set_up
from tests.infra.hosts.cluster.test_broker_pod import services
from tests.infra.hosts.ingress import listening
from tests.infra.hosts.one_step_process import reserved_port
from tests.instance import Installation, wait_for
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e
TOKEN, LEAKED = "the-reporters-token", "canary-of-the-leaked-4711"
PATIENCE = 60.0
SETTINGS = {
    "reporters": [{"name": "prometheus", "tokenSHA256": hashlib.sha256(TOKEN.encode()).hexdigest(), "may": "rotate"}],
    "leaks": {"indexIntervalSeconds": 0.5}, "rotation": {"intervalSeconds": 0.5},
}  # fmt: skip


@pytest.fixture
def clean(openbao: OpenBao) -> Iterator[OpenBao]:
    """The authority, which other tests share: no finding of theirs is looked after here, and none of ours by them."""
    openbao.forget("leaks", "leaking")
    yield openbao
    openbao.forget("leaks", "leaking", "rotations", "budgets")


def webhook(path: PathRef) -> bytes:
    """As Alertmanager sends it; annotations may hold anything."""
    labels = {"alertname": "SecretInLog", "lockstep": "leak", "lockstep_path": str(path), "lockstep_key": "password"}
    alert = {
        "status": "firing", "labels": labels, "annotations": {"line": f"password={LEAKED}"},
        "startsAt": datetime.now(UTC).isoformat(), "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "0123456789abcdef",
    }  # fmt: skip
    return json.dumps({"version": "4", "groupKey": "{}", "status": "firing", "alerts": [alert]}).encode()


def posted(receiver: Process, body: bytes, token: str = TOKEN) -> int:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"} if token else {}
    return receiver.ask("POST", "/alertmanager", body, headers).status


def rotated(pods: Pods) -> PathRef:
    """The path that is rotated, with a value."""
    path = PathRef(mount=pods.path.mount, path=f"{pods.path.path}-rotated")
    pods.openbao.engine().write(path.mount, path.path, {"password": LEAKED}, 0)
    return path


def ended(*processes: Process) -> None:
    """That they go when they are told to, and said nothing that is nobody's business."""
    for process in processes:
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(30) == 0, process.output()
        for secret in (TOKEN, LEAKED, "403"):
            assert secret not in process.output(), process.output()


def test_without_knative_the_brokers_pod_takes_it(
    own_cluster: Cluster, eso_definitions: tuple[dict[str, Any], ...], clean: OpenBao, tmp_path: Path
) -> None:
    own_cluster.install((*eso_definitions, *own_definitions()))
    clean.admin().call("DELETE", "lockstep/metadata/anchors/local_ledger", kind="test")
    pods = set_up(own_cluster, clean, tmp_path, "kubernetes", yaml.safe_dump(SETTINGS))
    path, leaks = rotated(pods), VaultLeaks(clean.engine())
    kept = Installation(pods.folder / "broker" / "data")
    with ExitStack() as stack:
        between = stack.enter_context(services())
        steps = [stack.enter_context(pods.running("Deployment", name)) for name in ("triage", "index")]
        between.pods.update(zip(("triage", "index"), steps, strict=True))
        port = stack.enter_context(reserved_port())
        told = {"LOCKSTEP_STEPS_AT": f"{between.address}/{{step}}", "LISTEN_ADDRESS": f"0.0.0.0:{port}"}
        broker = stack.enter_context(pods.running("Deployment", "broker", **told))

        assert [posted(broker, webhook(path), token) for token in ("", "somebody-elses")] == [401, 401]
        assert kept.events(LeakReported.TYPE) == 0
        alert = webhook(path)  # told again, as Alertmanager does, it is the same finding
        assert [posted(broker, alert) for _ in range(2)] == [200, 200]
        assert kept.events(LeakReported.TYPE) >= 1  # answered when it is durable
        wait_for(lambda: kept.events(RotationRequested.TYPE, str(path)), "the order to rotate", PATIENCE)
        (leak,) = leaks.ids()
        found = leaks.read(leak)
        assert found is not None
        assert [(one.path, one.key) for one in found.exposures] == [(path, "password")]
        assert (found.state, found.detector, found.reporters) == ("confirmed", "SecretInLog", ("reporter:prometheus",))
        assert kept.events(LeakConfirmed.TYPE) >= 1
        ended(broker, *steps)


def test_on_knative_a_receiver_hands_it_to_the_broker(
    own_cluster: Cluster, eso_definitions: tuple[dict[str, Any], ...], clean: OpenBao, tmp_path: Path
) -> None:
    own_cluster.install((*eso_definitions, *own_definitions()))
    pods = set_up(own_cluster, clean, tmp_path, "knative", yaml.safe_dump(SETTINGS))
    path, leaks = rotated(pods), VaultLeaks(clean.engine())
    variables = pods.variables("Deployment", "alertmanager")
    assert not [name for name in variables if name.startswith(("BAO_", "VAULT_", "KUBE", "LOCKSTEP_CONTEXT"))]
    with listening() as ingress, ExitStack() as stack:
        receiver = stack.enter_context(pods.running("Deployment", "alertmanager", K_SINK=ingress.address))
        triage = stack.enter_context(pods.running("Service", "triage", K_SINK=ingress.address))
        assert posted(receiver, webhook(path), "somebody-elses") == 401
        ingress.answers.append((503, {}))
        alert = webhook(path)
        assert [posted(receiver, alert) for _ in range(2)] == [503, 200]  # not before it is durable there
        (event,) = ingress.received
        reported = read(event).event
        assert isinstance(reported, LeakReported)
        assert (reported.path, reported.reporter) == (path, "reporter:prometheus")
        assert LEAKED.encode() not in (event.data or b"")
        assert triage.deliver(event).status in {200, 204}, triage.output()
        found = leaks.read(reported.leak)
        assert found is not None
        assert (found.path, found.reporters) == (path, ("reporter:prometheus",))
        ended(receiver, triage)
