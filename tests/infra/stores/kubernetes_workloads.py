"""What people, controllers and kubelets do to workloads of a real API server: no kubelet runs there."""

import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from events.consumer import WorkloadRef
from infra.testbed.api import Api, Object
from infra.testbed.failures import ApiError

PATIENCE = 60.0  # seconds that the controllers may take on a loaded machine
LABEL = "app"


def template(name: str) -> Object:
    """A pod that uses a Secret in every way that there is."""
    plain = {"name": "plain", "mountPath": "/plain", "readOnly": True}
    return {
        "metadata": {"labels": {LABEL: name}},
        "spec": {
            "imagePullSecrets": [{"name": "by-pull"}],
            "initContainers": [
                {"name": "init", "image": "x", "envFrom": [{"secretRef": {"name": "by-env", "optional": True}}]}
            ],
            "containers": [
                {
                    "name": "main",
                    "image": "x",
                    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "by-env", "key": "a"}}}],
                    "volumeMounts": [plain, {"name": "file", "mountPath": "/f", "subPath": "f"}],
                }
            ],
            "volumes": [
                {"name": "plain", "projected": {"sources": [{"secret": {"name": "by-volume"}}]}},
                {"name": "file", "secret": {"secretName": "by-file"}},
            ],
        },
    }


class Deployer:
    """One namespace of a cluster."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._hands = Hands(api, namespace)

    def make(self, ref: WorkloadRef, held: bool) -> None:
        """Two replicas; `held`: paused, or with the update strategy OnDelete."""
        spec: Object = {"selector": {"matchLabels": {LABEL: ref.name}}, "template": template(ref.name)}
        if ref.kind != "DaemonSet":
            spec["replicas"] = 2
        if ref.kind == "StatefulSet":
            spec |= {"serviceName": ref.name, "podManagementPolicy": "Parallel"}
        if held and ref.kind == "Deployment":
            spec["paused"] = True
        elif held:
            spec["updateStrategy"] = {"type": "OnDelete"}
        metadata = {"name": ref.name, "annotations": {"lockstep.dev/restart": "true"}}
        body = {"apiVersion": "apps/v1", "kind": ref.kind, "metadata": metadata, "spec": spec}
        self._api.post(self._hands.path(ref, named=False), body)

    def respecify(self, ref: WorkloadRef) -> None:
        self._api.patch(self._hands.path(ref), {"spec": {"replicas": 1}})

    def begin(self, ref: WorkloadRef, began: datetime) -> None:
        """The controllers go on until every pod is of the newest template, has begun then and is available."""
        self._hands.roll_out(ref, began)

    def crash(self, ref: WorkloadRef) -> None:
        for pod in self._hands.pods(ref):
            self._hands.set_pod(pod, {"waiting": {"reason": "CrashLoopBackOff", "message": "printed"}}, restarts=4)

    def remove(self, ref: WorkloadRef) -> None:
        self._api.delete(self._hands.path(ref))
        wait(lambda: not self._hands.there(ref), f"{ref} to go")


class Hands:
    """The kubelet: what it writes into the status of pods."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def path(self, ref: WorkloadRef, *, named: bool = True) -> str:
        name = f"/{ref.name}" if named else ""
        return f"/apis/apps/v1/namespaces/{self._namespace}/{ref.kind.lower()}s{name}"

    def there(self, ref: WorkloadRef) -> bool:
        try:
            self._api.get(self.path(ref))
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def pods(self, ref: WorkloadRef) -> list[Object]:
        found = self._api.get(f"/api/v1/namespaces/{self._namespace}/pods", labelSelector=f"{LABEL}={ref.name}")
        return [pod for pod in found["items"] if not pod["metadata"].get("deletionTimestamp")]

    def set_pod(self, pod: Mapping[str, Any], state: Object, *, restarts: int = 0) -> None:
        """Its containers are in this state; running ones are ready."""
        ready = "running" in state
        container = {
            "name": "main", "image": "x", "imageID": "", "ready": ready, "restartCount": restarts, "state": state,
        }  # fmt: skip
        body: Object = {
            "status": {
                "phase": "Running" if ready else "Pending",
                "conditions": [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")],
                "containerStatuses": [container],
            }
        }
        with contextlib.suppress(ApiError):  # replaced meanwhile
            self._api.patch(f"/api/v1/namespaces/{self._namespace}/pods/{pod['metadata']['name']}/status", body)

    def roll_out(self, ref: WorkloadRef, began: datetime) -> None:
        def done() -> bool:
            for pod in self.pods(ref):
                if "containerStatuses" not in pod["status"]:
                    self.set_pod(pod, {"running": {"startedAt": began.strftime("%Y-%m-%dT%H:%M:%SZ")}})
            return self._complete(ref)

        wait(done, f"the rollout of {ref}")

    def _complete(self, ref: WorkloadRef) -> bool:
        found = self._api.get(self.path(ref))
        wanted, status = found["spec"]["replicas"], found["status"]
        updated = status.get("updatedReplicas", 0) if ref.kind == "Deployment" else status.get("replicas", 0)
        return bool(
            status.get("observedGeneration", 0) >= found["metadata"]["generation"]
            and updated == wanted == status.get("replicas", 0) == status.get("availableReplicas", 0)
        )  # fmt: skip


def wait(condition: Callable[[], bool], what: str) -> None:
    """Poll until it holds. Raises AssertionError naming what did not come."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE:g} s in vain for {what}")
        time.sleep(0.05)
