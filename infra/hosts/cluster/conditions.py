"""The conditions that `kubectl get` shows of ESO's kinds, with the reasons that its users know (ESO 2.x)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

READY = "Ready"
_LONGEST = 512  # characters of a message


@dataclass(frozen=True, slots=True)
class Condition:
    """`Ready`, and why."""

    ready: bool
    reason: str
    message: str

    def shown_in(self, status: Mapping[str, Any]) -> bool:
        """Whether a status says so already."""
        one = _ready(status)
        return one is not None and (one.get("status"), one.get("reason"), one.get("message")) == (
            str(self.ready), self.reason, self.message[:_LONGEST],
        )  # fmt: skip

    def document(self, status: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
        """All conditions of a status with this one in its place; the time is when `Ready` last turned."""
        before = _ready(status)
        turned = before is None or before.get("status") != str(self.ready)
        since = rfc3339(now) if turned or before is None else before.get("lastTransitionTime", rfc3339(now))
        own = {
            "type": READY, "status": str(self.ready), "reason": self.reason,
            "message": self.message[:_LONGEST], "lastTransitionTime": since,
        }  # fmt: skip
        return [own, *(dict(one) for one in _conditions(status) if one.get("type") != READY)]


PUSHED = Condition(True, "Synced", "PushSecret synced successfully")
SYNCED = Condition(True, "SecretSynced", "secret synced")
REFRESHED = Condition(True, "SecretSynced", "looked at again")  # never shown: the time moves, the condition stays
DELETED = Condition(True, "SecretDeleted", "secret deleted due to DeletionPolicy=Delete")


_OVERWRITTEN = "Overwritten"
_FAILED = {"PushSecret": "Errored", "Rotation": "Refused"}


def failed(kind: str, why: str) -> Condition:
    """What did not work, of a PushSecret, an ExternalSecret or a Rotation."""
    return Condition(False, _FAILED.get(kind, "SecretSyncedError"), why)


def overwritten(why: str) -> Condition:
    """Of a Rotation, whose path somebody else wrote."""
    return Condition(False, _OVERWRITTEN, why)


def overwritten_in(status: Mapping[str, Any]) -> str:
    """What somebody else wrote over a rotated path, as its Rotation's status says; "" where it says nothing of it."""
    one = _ready(status)
    return str(one.get("message") or "") if one is not None and one.get("reason") == _OVERWRITTEN else ""


def refusal_in(status: Mapping[str, Any]) -> str:
    """Why a status says that its manifest failed; "" where it says nothing, or that all is well."""
    one = _ready(status)
    return (
        str(one.get("message") or one.get("reason") or "") if one is not None and one.get("status") == "False" else ""
    )


def refreshed_ago(status: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds since `refreshTime`; None where there is none, or somebody wrote no time there."""
    try:
        return (now - datetime.fromisoformat(str(status["refreshTime"]))).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None


def rfc3339(moment: datetime) -> str:
    """As Kubernetes writes times: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((one for one in _conditions(status) if one.get("type") == READY), None)


def _conditions(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = status.get("conditions")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
