"""What a refused request means: conflict, unavailable, or never (principle 7).

The API server's texts are not shown: an invalid Secret's name the offending value, an unreadable one's what could not
be read, and an admission webhook's whatever its author liked. What is shown is its reason, the paths of the fields and
the kinds of causes, which are of fixed vocabularies, and names that its texts hold at places known to hold names.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions._failures import Conflict, Denied, Reject, StepFailure, Unavailable
from infra.http.answers import Response
from infra.kubernetes.credentials import DEPENDENCY
from infra.kubernetes.resources import Resource

_WORD = re.compile(r"[A-Za-z]{1,64}")
_FIELD = re.compile(r"[-A-Za-z0-9_.\[\]/]{1,200}")
_USER = re.compile(r'User "([-A-Za-z0-9_.:@/]{1,200})" cannot ')
_QUOTA = re.compile(r"exceeded quota: ([a-z0-9][-a-z0-9.]{0,252}),")
_WEBHOOK = re.compile(r'admission webhook "([a-z0-9][-a-z0-9.]{0,252})" denied')
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([a-z0-9][-a-z0-9.]{0,252})' with binding")
_MOST_CAUSES = 8


class Absent(Reject):
    """There is no such object."""


class NoSuchKind(Reject):
    """The cluster does not serve this kind in this version."""


class Terminating(Reject):
    """The namespace is being deleted, or is not there."""


class NotAllowed(Denied):
    """RBAC does not let this identity (403); the message holds the rule that is missing."""


class Shedding(Unavailable):
    """The API server takes no more requests for now (429); `after` is when it asks to be asked again."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with an object: `field` is a path such as `data[password]`, `reason` a word."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field or 'the object'} ({self.reason or 'invalid'})"


class Invalid(Reject):
    """The API server refuses the object itself (422)."""

    def __init__(self, reason: str, causes: tuple[Cause, ...]) -> None:
        super().__init__(reason)
        self.causes = causes


class Expired(Exception):
    """A resource version or a list's continuation that the API server has forgotten (410): list anew."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked, as messages name it: RBAC's verb and resource, not HTTP's."""

    verb: str
    resource: Resource
    namespace: str | None = None
    name: str = ""
    subresource: str = ""

    @property
    def kind(self) -> str:
        """The resource as RBAC has it: `pushsecrets/status`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    def __str__(self) -> str:
        if not self.name:
            return f"every {self.resource.kind}" + (f" of {self.namespace}" if self.namespace else "")
        return f"{self.resource.kind} " + (f"{self.namespace}/{self.name}" if self.namespace else self.name)


@dataclass(frozen=True, slots=True)
class Status:
    """A `Status` object of the API server (meta/v1), {} where it sent something else."""

    fields: Mapping[str, Any]

    @property
    def reason(self) -> str:
        return _matching(_WORD, self.fields.get("reason"))

    @property
    def details(self) -> Mapping[str, Any]:
        details = self.fields.get("details")
        return details if isinstance(details, dict) else {}

    @property
    def causes(self) -> tuple[Cause, ...]:
        causes = self.details.get("causes")
        return tuple(
            Cause(_matching(_FIELD, each.get("field")), _matching(_WORD, each.get("reason")))
            for each in (causes if isinstance(causes, list) else ())
            if isinstance(each, dict)
        )

    def names(self, pattern: re.Pattern[str]) -> str:
        """What the text holds at the place of a name, "" where it reads differently."""
        found = pattern.search(str(self.fields.get("message", ""))[:4096])
        return found[1] if found else ""

    def says(self, text: str) -> bool:
        return text in str(self.fields.get("message", ""))


def status_of(body: bytes) -> Status:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return Status(document if isinstance(document, dict) and document.get("kind") == "Status" else {})


def refusal(response: Response, call: Call) -> StepFailure | Expired:
    """The failure for an answer with status >= 300."""
    status = status_of(response.body)
    match response.status:
        case 401:
            return _unauthenticated(call)
        case 403:
            return _forbidden(status, call)
        case 404:
            return _not_found(status, call)
        case 405 | 406 | 415:
            return NoSuchKind(f"the cluster cannot {call.verb} {call.resource.qualified} ({response.status})")
        case 409:
            return _conflict(status, call)
        case 410:
            return Expired(call.resource.qualified)
        case 413:
            return Reject(f"{call}: the object is larger than the API server takes; split it")
        case 422:
            return invalid(status, call)
    return _other(response, status, call)


def retry_after(response: Response, status: Status) -> float | None:
    """Seconds: the header's, or the Status's own."""
    text = response.retry_after or ""
    if text.isdigit():
        return float(text)
    seconds = status.details.get("retryAfterSeconds")
    return float(seconds) if isinstance(seconds, int) and 0 < seconds < 86400 else None


def _unauthenticated(call: Call) -> StepFailure:
    reason = (
        f"the API server knows no such identity ({call.verb} {call.kind}: 401): its token or certificate has expired, "
        "or is of another cluster; check that the projected token is mounted and renewed, or log in again for the "
        "kubeconfig's user"
    )
    return Unavailable(DEPENDENCY, reason)


def _forbidden(status: Status, call: Call) -> StepFailure:
    if any(cause.reason == "NamespaceTerminating" for cause in status.causes):
        return Terminating(f"{call}: namespace {call.namespace} is being deleted; nothing can be made in it")
    if quota := status.names(_QUOTA):
        return Unavailable(DEPENDENCY, f"{call}: the ResourceQuota {quota} of {call.namespace} is used up; raise it")
    if denier := status.names(_WEBHOOK) or status.names(_POLICY):
        return Reject(f"{call}: admission by {denier!r} denies to {call.verb} it; look there for the reason")
    user = status.names(_USER)
    if not user:
        return Reject(f"{call}: admission in the API server forbids to {call.verb} it; its audit log says why")
    return NotAllowed(DEPENDENCY, f"{user} may not {call.verb} {_in_place(call)}; {_grant(call, user)}")


def _in_place(call: Call) -> str:
    resource = f"{call.kind} in API group {call.resource.group!r}"
    return f"{resource} in namespace {call.namespace}" if call.namespace else f"{resource} in the whole cluster"


def _grant(call: Call, user: str) -> str:
    """The rule that is missing. What `lockstep manifests` renders holds it for everything that is wired."""
    kind = "Role" if call.namespace else "ClusterRole"
    rule = f'{{apiGroups: ["{call.resource.group}"], resources: ["{call.kind}"], verbs: ["{call.verb}"]}}'
    bound = f"ServiceAccount {'/'.join(parts[2:])}" if len(parts := user.split(":")) == 4 else user
    return f"apply what 'lockstep manifests' renders, or a {kind} with {rule} bound to {bound}"


def _not_found(status: Status, call: Call) -> StepFailure:
    kind = status.details.get("kind")
    if kind == "namespaces" and call.resource.plural != "namespaces":
        return Terminating(f"{call}: there is no namespace {call.namespace}; make it first")
    if status.details.get("name"):
        return Absent(f"{call} does not exist")
    return NoSuchKind(
        f"the cluster serves no {call.resource.qualified} in version {call.resource.version}; install its "
        "CustomResourceDefinition (External Secrets Operator's for external-secrets.io), in a release that serves it"
    )


def _conflict(status: Status, call: Call) -> StepFailure:
    if status.reason == "AlreadyExists":
        return Conflict(f"{call} exists already")
    if call.verb == "patch" and status.causes:
        fields = ", ".join(cause.field for cause in status.causes[:_MOST_CAUSES])
        return Conflict(f"{call}: another field manager owns {fields}")
    return Conflict(f"{call} is no longer in the state that was read")


def invalid(status: Status, call: Call) -> Invalid:
    causes = tuple(dict.fromkeys(status.causes))  # one field may be wrong in several ways
    shown = ", ".join(map(str, causes[:_MOST_CAUSES])) or "it names no field"
    return Invalid(f"{call}: the API server refuses the object: {shown}", causes)


def _other(response: Response, status: Status, call: Call) -> StepFailure:
    code, after = response.status, retry_after(response, status)
    if code < 400:
        return Unavailable(DEPENDENCY, f"the API server redirects ({code}); name its own address as the server")
    if code == 429:
        return Shedding(DEPENDENCY, f"the API server sheds load (429 on {call.verb} {call.kind})", after)
    if status.says("etcdserver: request is too large") or status.says("Request entity too large"):
        return Reject(f"{call}: the object is larger than the cluster's etcd takes; split it")
    if code >= 500:
        reason = status.reason or "no reason given"
        return Unavailable(DEPENDENCY, f"the API server answers {code} on {call.verb} {call.kind} ({reason})", after)
    return Reject(f"{call}: the API server refuses to {call.verb} it ({code}, {status.reason or 'no reason given'})")


def _matching(pattern: re.Pattern[str], text: object) -> str:
    return text if isinstance(text, str) and pattern.fullmatch(text) else ""
