"""A cluster with one `lockstep up --context` at work in it, and what its users do there with kubectl.

An instance acts on every store of its cluster that is Lockstep's, whoever made it. So two never share a cluster: each
worker process has a cluster of its own with one instance on it, and tests have namespaces, paths and stores of their
own. They may stop, kill and restart the instance, and break the API server: the fixture `estate` mends both.
"""

import base64
import itertools
import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError
from tests import eso
from tests.instance import PATIENCE, Installation, Running

Body = dict[str, Any]
Calls = Counter[tuple[str, str]]
CLI = str(Path(sys.executable).with_name("lockstep"))
_KUBERNETES, _AUTHORITY = "lockstep_kubernetes_calls_total", "lockstep_authority_calls_total"
_QUIET = 10  # looks in a row that find no call more
_numbers = itertools.count(1)


class Estate:
    """One cluster and the instance in it."""

    def __init__(self, cluster: Cluster, root: Path) -> None:
        """Lay it out; `up.start()` starts it. Sweeps happen when a test has one happen."""
        self.cluster = cluster
        self.admin = cluster.admin
        root.mkdir()
        kubeconfig = cluster.kubeconfig(root.with_name("kubeconfig"))
        self.environment = {"KUBECONFIG": str(kubeconfig)}
        self.at = Installation(root, environment=self.environment, options=("--context", ""))
        self.at.configure(
            retraction={"graceSeconds": 0, "limit": 1000},
            sweep={"intervalSeconds": 3600}, anchor={"intervalSeconds": 3600},
            delivery={"retry": 10, "backoffSeconds": 0.05, "backoffCapSeconds": 1.0},
        )  # fmt: skip
        self.up = Running(self.at)

    def mend(self) -> None:
        """Whatever the test before did, failing perhaps: the API server serves, and the instance is ready."""
        if not self.up.alive():
            self.up.start()
        self.up.wait_for(self.up.ready, "an instance that is ready")

    # --- objects ------------------------------------------------------------------------------------------------

    def apply(self, *bodies: Mapping[str, Any]) -> None:
        """What `kubectl apply` does with ESO's kinds."""
        for body in bodies:
            eso.apply(self.cluster, dict(body))

    def get(self, path: str) -> Body | None:
        """None where there is no such object."""
        try:
            return self.admin.get(path)
        except ApiError as failure:
            if failure.status != 404:
                raise
            return None

    def found(self, body: Mapping[str, Any]) -> Body | None:
        """How a manifest is now."""
        return self.get(eso.place(dict(body)))

    def annotate(self, body: Mapping[str, Any], **annotations: str | None) -> None:
        """As `kubectl annotate` of ours: names without `lockstep.dev/`."""
        given = {f"lockstep.dev/{name}": text for name, text in annotations.items()}
        self.admin.patch(eso.place(dict(body)), {"metadata": {"annotations": given}})

    def delete(self, body: Mapping[str, Any]) -> None:
        self.admin.delete(eso.place(dict(body)))

    def put(self, ref: str, data: Mapping[str, bytes], **fields: Any) -> Body:
        """Make the Secret namespace/name, or give its keys new values."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        namespace, _, name = ref.partition("/")
        if self.secret(ref) is not None:
            return self.admin.patch(secret_path(ref), {"data": encoded, **fields})
        body = {"metadata": {"name": name}, "data": encoded, **fields}
        return self.admin.post(f"/api/v1/namespaces/{namespace}/secrets", body)

    def secret(self, ref: str) -> Body | None:
        return self.get(secret_path(ref))

    def remove(self, ref: str) -> None:
        self.admin.delete(secret_path(ref))

    def values(self, ref: str) -> dict[str, bytes] | None:
        """What a workload that uses the Secret sees."""
        found = self.secret(ref)
        return None if found is None else {key: base64.b64decode(text) for key, text in found.get("data", {}).items()}

    def version(self, ref: str) -> str:
        """The resourceVersion of a Secret."""
        found = self.secret(ref)
        assert found is not None, f"no Secret {ref}"
        return str(found["metadata"]["resourceVersion"])

    def condition(self, body: Mapping[str, Any]) -> tuple[str, str, str]:
        """(status, reason, message) of a manifest's condition Ready."""
        found = self.found(body) or {}
        conditions = (found.get("status") or {}).get("conditions") or []
        ready: Body = next((one for one in conditions if one["type"] == "Ready"), {})
        return ready.get("status", ""), ready.get("reason", ""), ready.get("message", "")

    # --- waiting ------------------------------------------------------------------------------------------------

    def wait_for(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        self.up.wait_for(condition, what, patience)

    def arrives(self, team: "Team", value: bytes) -> None:
        """Until the team's target has this password, and the path is in step."""
        self.wait_for(lambda: (self.values(team.target) or {}).get("password") == value, f"{value!r} at the target")
        self.wait_for(lambda: self.up.in_step(team.full_path), "the path in step")

    def says(self, body: Mapping[str, Any], status: str, about: str = "") -> None:
        """Until a manifest's condition Ready has this status and its message holds `about`."""
        self.wait_for(
            lambda: (found := self.condition(body))[0] == status and about in found[2],
            f"{body['kind']} {body['metadata']['name']} to be Ready={status} for {about!r}",
        )

    def settle(self) -> None:
        """Until everything told by now is through, and no call is made any more: statuses trail their steps."""
        self.up.wait_idle()
        seen = [self.calls()]

        def quiet() -> bool:
            seen.append(self.calls())
            return seen[-_QUIET:] == [seen[-1]] * _QUIET

        self.wait_for(quiet, "no more calls")

    def sweep(self) -> None:
        """Have one sweep, and wait until it is through."""
        at = datetime.now(UTC).isoformat()
        tick = {"schedule": {"name": "sweep"}, "at": at, "shard": 0, "shards": 1}
        answer = self.up.send("dev.lockstep.schedule.ticked", tick, subject="schedules/sweep/0")
        assert answer.status == 202, answer
        self.up.wait_idle()

    def swept(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """Sweep until it holds: what one sweep finds the next may carry out."""

        def done() -> bool:
            self.sweep()
            return bool(condition())

        self.wait_for(done, what, patience)

    # --- looking ------------------------------------------------------------------------------------------------

    def calls(self) -> Calls:
        """Requests to the API server so far, by verb and resource; without those that only ask whether it serves."""
        return self._counted(_KUBERNETES, ("verb", "resource"), without="version")

    def authority_calls(self) -> Calls:
        """Requests to the authority so far, by kind; without those that only ask whether it serves."""
        return self._counted(_AUTHORITY, ("kind", "kind"), without="health")

    def _counted(self, name: str, labels: tuple[str, str], without: str) -> Calls:
        found: Calls = Counter()
        for sample, value in self.up.metrics().items():
            if sample.startswith(f"{name}{{"):
                given = dict(part.split("=") for part in sample[len(name) + 1 : -1].replace('"', "").split(","))
                found[given[labels[0]], given[labels[1]]] += int(value)
        return Counter({key: count for key, count in found.items() if without not in key[1]})

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, on this ROOT."""
        command = [CLI, *arguments, "--root", str(self.at.root)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def asked(self, *arguments: str) -> Any:
        """What the command line answers as JSON."""
        done = self.run(*arguments, "-o", "json")
        assert done.stdout, done
        return json.loads(done.stdout)


class Team:
    """Names that no other test uses: a producing namespace, a consuming one, a path and a store of their own."""

    def __init__(self, estate: Estate, controller: str = "lockstep", mode: str = "") -> None:
        self.name = f"team-{next(_numbers)}-{uuid.uuid4().hex[:6]}"
        self.producer = _namespace(estate, f"producer-{self.name}")
        self.consumer = _namespace(estate, f"consumer-{self.name}")
        self.path = f"platform-data/postgres/{self.name}"
        self.full_path = f"secret/{self.path}"
        self.source, self.target = f"{self.producer}/source", f"{self.consumer}/target"
        self.store = eso.store_body(self.name, controller=controller, mode=mode)
        self.push = eso.push_body(self.producer, self.name, path=self.path)
        self.pull = eso.external_body(self.consumer, self.name, self.path)

    @property
    def manifests(self) -> tuple[Body, Body, Body]:
        return self.store, self.push, self.pull


def _namespace(estate: Estate, name: str) -> str:
    estate.admin.post("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


def secret_path(ref: str) -> str:
    namespace, _, name = ref.partition("/")
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"
