"""What a step sees of Deployments, StatefulSets, DaemonSets and Pods, made of the API's objects.

How a Secret is used is read from the pod template: env, envFrom, volumes (plain, projected, mounted by subPath) and
imagePullSecrets, of containers, init containers and ephemeral ones. Secrets of volume drivers (CSI, NFS and the
like) are not followed: they open the volume, and no container reads them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from events.consumer import WorkloadRef
from functions._marks import RESTARTED_FOR
from functions._workloads import Pod, RolloutStatus, Use, Workload
from infra.kubernetes.resources import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS, Object, Resource

KINDS: dict[str, Resource] = {each.kind: each for each in (DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS)}
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_WORD = re.compile(r"[A-Za-z]{1,64}")
_HASH = "pod-template-hash"


def workload_of(kind: str, found: Object) -> Workload | None:
    """The workload of an object; None for one that is being deleted."""
    metadata, spec = _map(found, "metadata"), _map(found, "spec")
    if metadata.get("deletionTimestamp"):
        return None
    template = _map(spec, "template")
    annotations = _texts(_map(template, "metadata").get("annotations"))
    return Workload(
        ref=WorkloadRef.model_validate({"kind": kind, "namespace": metadata["namespace"], "name": metadata["name"]}),
        uid=str(metadata.get("uid", "")),
        state=f"{metadata.get('uid', '')}/{metadata.get('resourceVersion', '')}",
        generation=_number(metadata, "generation"),
        uses=uses_of(_map(template, "spec")),
        status=_STATUS[kind](spec, _map(found, "status")),
        annotations=_texts(metadata.get("annotations")),
        template_annotations=annotations,
        restarted_for=annotations.get(RESTARTED_FOR, ""),
        paused=spec.get("paused") is True,
        on_delete=_map(spec, "updateStrategy").get("type") == "OnDelete",
    )


def uses_of(spec: Mapping[str, Any]) -> dict[str, frozenset[Use]]:
    """Which Secrets a pod's specification names, and how they reach its containers."""
    uses: dict[str, set[Use]] = defaultdict(set)
    containers = [one for part in _CONTAINERS for one in _maps(spec.get(part))]
    for name in _environment(containers):
        uses[name].add(Use.ENVIRONMENT)
    partial = {
        str(mount.get("name"))
        for container in containers
        for mount in _maps(container.get("volumeMounts"))
        if mount.get("subPath") or mount.get("subPathExpr")
    }
    for volume in _maps(spec.get("volumes")):
        for name in _mounted(volume):
            uses[name].add(Use.VOLUME)
            if volume.get("name") in partial:
                uses[name].add(Use.SUB_PATH)
    for pull in _maps(spec.get("imagePullSecrets")):
        uses[str(pull.get("name"))].add(Use.PULL)
    return {name: frozenset(found) for name, found in uses.items() if name and name != "None"}


def selector_of(found: Object) -> str:
    """The workload's selector as a list takes it: `app=x,tier in (a,b)`."""
    selector = _map(_map(found, "spec"), "selector")
    terms = [f"{name}={value}" for name, value in sorted(_texts(selector.get("matchLabels")).items())]
    return ",".join([*terms, *(_term(one) for one in _maps(selector.get("matchExpressions")))])


def pod_of(workload: WorkloadRef, uid: str, found: Object) -> Pod | None:
    """The pod, None for one that is not the workload's, is being deleted, or has ended."""
    metadata, status = _map(found, "metadata"), _map(found, "status")
    if metadata.get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    if not _owned(workload, uid, metadata):
        return None
    containers = [one for part in _STATUSES for one in _maps(status.get(part))]
    return Pod(
        name=str(metadata.get("name", "")),
        began=min((began for one in containers if (began := _began(one)) is not None), default=None),
        restarted_for=_texts(metadata.get("annotations")).get(RESTARTED_FOR, ""),
        waiting=next((word for one in containers if (word := _waiting(one))), ""),
        restarts=max((_number(one, "restartCount") for one in containers), default=0),
    )


def _environment(containers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for container in containers:
        for variable in _maps(container.get("env")):
            yield str(_map(_map(variable, "valueFrom"), "secretKeyRef").get("name", ""))
        for source in _maps(container.get("envFrom")):
            yield str(_map(source, "secretRef").get("name", ""))


def _mounted(volume: Mapping[str, Any]) -> Iterator[str]:
    yield str(_map(volume, "secret").get("secretName", ""))
    for source in _maps(_map(volume, "projected").get("sources")):
        yield str(_map(source, "secret").get("name", ""))


def _owned(workload: WorkloadRef, uid: str, metadata: Mapping[str, Any]) -> bool:
    """By its controller: the workload itself, or the ReplicaSet that a Deployment names after its template."""
    owner = next((one for one in _maps(metadata.get("ownerReferences")) if one.get("controller") is True), {})
    if workload.kind != "Deployment":
        return owner.get("uid") == uid
    template = _texts(metadata.get("labels")).get(_HASH, "")
    return owner.get("kind") == "ReplicaSet" and owner.get("name") == f"{workload.name}-{template}"


def _began(container: Mapping[str, Any]) -> datetime | None:
    state = _map(container, "state")
    text = _map(state, "running").get("startedAt") or _map(state, "terminated").get("startedAt")
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _waiting(container: Mapping[str, Any]) -> str:
    """Kubernetes' one word; its message is left out, which may quote what a container printed."""
    reason = str(_map(_map(container, "state"), "waiting").get("reason", ""))
    return reason if _WORD.fullmatch(reason) else ""


# --- how far each kind tells that it is ------------------------------------------------------------------------------


def _deployment(spec: Mapping[str, Any], status: Mapping[str, Any]) -> RolloutStatus:
    wanted = _number(spec, "replicas", 1)
    conditions = _maps(status.get("conditions"))
    failed = any(
        (one.get("type"), one.get("status"), one.get("reason")) == ("Progressing", "False", "ProgressDeadlineExceeded")
        for one in conditions
    )
    return RolloutStatus(
        observed=_number(status, "observedGeneration"), wanted=wanted, updating=wanted,
        updated=_number(status, "updatedReplicas"), total=_number(status, "replicas"),
        available=_number(status, "availableReplicas"), failed="ProgressDeadlineExceeded" if failed else "",
    )  # fmt: skip


def _stateful_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> RolloutStatus:
    wanted = _number(spec, "replicas", 1)
    partition = _number(_map(_map(spec, "updateStrategy"), "rollingUpdate"), "partition")
    whole = status.get("currentRevision") == status.get("updateRevision")
    return RolloutStatus(
        observed=_number(status, "observedGeneration"), wanted=wanted, updating=max(wanted - partition, 0),
        # Once all are updated the controller counts none as such where nothing is left to be updated.
        updated=_number(status, "replicas") if whole else _number(status, "updatedReplicas"),
        total=_number(status, "replicas"), available=_number(status, "availableReplicas"),
    )  # fmt: skip


def _daemon_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> RolloutStatus:
    wanted = _number(status, "desiredNumberScheduled")
    return RolloutStatus(
        observed=_number(status, "observedGeneration"), wanted=wanted, updating=wanted,
        updated=_number(status, "updatedNumberScheduled"), total=wanted,
        available=_number(status, "numberAvailable"),
    )  # fmt: skip


_STATUS = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}


# --- lenient reading: the server checks what it holds; what is missing counts as empty --------------------------------


def _term(expression: Mapping[str, Any]) -> str:
    key, operator = expression.get("key", ""), expression.get("operator")
    if operator in ("In", "NotIn"):
        values = ",".join(map(str, expression.get("values") or ()))
        return f"{key} {'in' if operator == 'In' else 'notin'} ({values})"
    return f"{'!' if operator == 'DoesNotExist' else ''}{key}"


def _map(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _number(value: Mapping[str, Any], key: str, default: int = 0) -> int:
    found = value.get(key, default)
    return found if isinstance(found, int) else default
