"""The watch as a process that follows an authority's audit stream too: manifests from a real API server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.cloudevent import CloudEvent
from infra.hosts.watch import main
from infra.testbed.cluster import Cluster
from tests.eso import apply, external_body, store_body
from tests.infra.hosts.test_watch import DEADLINE, ROOT, Sink, about
from tests.infra.sources.vault_audit.lines import line
from tests.infra.sources.vault_audit.test_source import add


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def written(events: list[CloudEvent]) -> list[CloudEvent]:
    return [event for event in events if event.type == "dev.lockstep.secret.written"]


def ticks(events: list[CloudEvent]) -> int:
    return len(about(events, "schedule.ticked", "schedules/sweep/0"))


def test_a_process_tells_the_sink_of_others_writes(
    eso_cluster: Cluster, namespace: str, store_name: str, sink: Sink, tmp_path: Path
) -> None:
    log, at = tmp_path / "audit.log", f"auth/{namespace}"
    add(log, line(path=f"secret/data/{at}", request_id="before"))
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, external_body(namespace, store_name, at))
    environ = {
        **os.environ, "KUBECONFIG": str(eso_cluster.kubeconfig(tmp_path / "kubeconfig")), "K_SINK": sink.address,
        "LOCKSTEP_CLUSTER": "blue", "LISTEN_ADDRESS": "127.0.0.1:0", "LOCKSTEP_AUDIT_FILE": str(log),
        "LOCKSTEP_AUDIT_SOCKET": f"unix:{tmp_path / 's'}", "LOCKSTEP_AUDIT_POSITION": str(tmp_path / "position"),
    }  # fmt: skip
    manifest = f"manifests/ExternalSecret/{namespace}/pull"
    for start, request in enumerate(("one", "two"), start=1):
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.hosts.watch"], env=environ, cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            process.stdout.readline()
            sink.until(lambda events, n=start: len(about(events, "wiring.changed", manifest)) >= n)  # type: ignore[misc]  # bound now
            sink.until(lambda events: ticks(events) == 1)  # without a position it cannot know what it missed
            add(
                log, line(path="secret/data/auth/nobody-asks"), line(path=f"secret/data/{at}", request_id=request),
                line(path=f"secret/data/{at}", policies=("lockstep-publish",)),
            )  # fmt: skip
            sink.until(lambda events, n=start: len(written(events)) == n)  # type: ignore[misc]  # bound now
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, errors
    assert [event.source for event in written(sink.events)] == ["/lockstep/blue/sources/audit"] * 2
    assert [event.subject for event in written(sink.events)] == [f"paths/secret/{at}"] * 2
    assert ticks(sink.events) == 1, "the second start knew how far the first one read"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"LOCKSTEP_AUDIT_FILE": "relative"}, "LOCKSTEP_AUDIT_FILE"),
        ({"LOCKSTEP_AUDIT_SOCKET": "0.0.0.0:0"}, "unix:/path"),
    ],
)
def test_an_audit_stream_that_cannot_be_followed(
    environ: dict[str, str], named: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config").write_text(
        '{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c",'
        '"user":"u"}}],"users":[{"name":"u","user":{}}],"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}]}'
    )
    around = {"KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path), "K_SINK": "http://127.0.0.1:9/"}
    assert main({**around, **environ}) == 2
    assert named in caplog.text
