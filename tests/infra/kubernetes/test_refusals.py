"""What an answer means, and that no answer's text reaches a message: it may quote any value."""

import json
from typing import Any

import pytest

from functions._failures import Conflict, Reject, StepFailure, Unavailable
from infra.http.answers import Response
from infra.kubernetes.refusals import (
    Absent,
    Call,
    Cause,
    Expired,
    Invalid,
    NoSuchKind,
    Terminating,
    refusal,
)
from infra.kubernetes.resources import DEPLOYMENTS, NAMESPACES, PUSH_SECRETS, SECRETS

CANARY = "Y2FuYXJ5LTdhMWQ"
CALL = Call("update", SECRETS, "temporal", "db")


def answer(status: int, headers: dict[str, str] | None = None, **fields: Any) -> Response:
    document = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, **fields}
    return Response(status, headers or {}, json.dumps(document).encode())


def failure(response: Response, call: Call = CALL) -> StepFailure:
    found = refusal(response, call)
    assert isinstance(found, StepFailure)
    return found


RBAC = (
    'secrets "db" is forbidden: User "system:serviceaccount:lockstep:publish" cannot update resource "secrets" in API '
    'group "" in the namespace "temporal"'
)


def test_a_missing_permission_names_the_rule_and_whom_to_bind_it_to() -> None:
    found = failure(answer(403, reason="Forbidden", message=RBAC))
    assert isinstance(found, Unavailable)
    assert found.dependency == "kubernetes"
    for part in (
        "system:serviceaccount:lockstep:publish may not update secrets in API group '' in namespace temporal",
        'a Role with {apiGroups: [""], resources: ["secrets"], verbs: ["update"]}',
        "ServiceAccount lockstep/publish",
        "lockstep manifests",
    ):
        assert part in found.reason


def test_a_missing_permission_on_a_subresource_or_the_whole_cluster() -> None:
    message = 'x is forbidden: User "jane" cannot patch resource "y"'
    call = Call("patch", PUSH_SECRETS, "temporal", "db", "status")
    assert 'resources: ["pushsecrets/status"]' in failure(answer(403, message=message), call).reason
    whole = failure(answer(403, message=message), Call("list", DEPLOYMENTS)).reason
    assert "ClusterRole" in whole
    assert "in the whole cluster" in whole
    assert "bound to jane" in whole


def test_a_namespace_that_ends_takes_nothing_more() -> None:
    details = {"causes": [{"reason": "NamespaceTerminating", "message": CANARY, "field": "metadata.namespace"}]}
    found = failure(answer(403, reason="Forbidden", message=CANARY, details=details))
    assert isinstance(found, Terminating)
    assert "namespace temporal is being deleted" in found.reason


def test_admission_is_named_and_not_quoted() -> None:
    hook = f'admission webhook "check.example.com" denied the request: {CANARY}'
    policy = f"secrets \"db\" is forbidden: ValidatingAdmissionPolicy 'no-plain' with binding 'b' denied: {CANARY}"
    quota = f'secrets "db" is forbidden: exceeded quota: few, requested: secrets=1, used: {CANARY}'
    for message, named, kind in (
        (hook, "check.example.com", Reject), (policy, "no-plain", Reject), (quota, "few", Unavailable),
        (CANARY, "audit log", Reject),
    ):  # fmt: skip
        found = failure(answer(403, reason="Forbidden", message=message))
        assert isinstance(found, kind)
        assert named in found.reason
        assert CANARY not in found.reason


def test_absence_is_of_the_object_the_namespace_or_the_kind() -> None:
    found = failure(answer(404, reason="NotFound", details={"name": "db", "kind": "secrets"}))
    assert isinstance(found, Absent)
    found = failure(answer(404, reason="NotFound", details={"name": "temporal", "kind": "namespaces"}))
    assert isinstance(found, Terminating)
    call = Call("get", NAMESPACES, None, "temporal")
    assert isinstance(failure(answer(404, details={"name": "temporal", "kind": "namespaces"}), call), Absent)
    for response in (Response(404, {}, b"404 page not found\n"), answer(404, reason="NotFound", details={})):
        found = failure(response, Call("list", PUSH_SECRETS))
        assert isinstance(found, NoSuchKind)
        assert "pushsecrets.external-secrets.io in version v1alpha1" in found.reason


def test_conflicts() -> None:
    assert "exists already" in failure(answer(409, reason="AlreadyExists", message=CANARY)).reason
    assert isinstance(failure(answer(409, reason="Conflict", message=CANARY)), Conflict)
    causes = [{"reason": "FieldManagerConflict", "message": CANARY, "field": ".data.password"}]
    found = failure(answer(409, reason="Conflict", details={"causes": causes}), Call("patch", SECRETS, "a", "b"))
    assert isinstance(found, Conflict)
    assert ".data.password" in found.reason


def test_an_invalid_object_names_fields_and_kinds_of_causes_and_no_value() -> None:
    causes = [
        {"reason": "FieldValueInvalid", "message": f'Invalid value: "{CANARY}"', "field": "data[password]"},
        {"reason": "FieldValueInvalid", "message": f"{CANARY} again", "field": "data[password]"},
        {"reason": f"Odd {CANARY}", "message": CANARY, "field": f"data[{CANARY} with spaces]"},
        CANARY,
    ]
    details = {"name": "db", "kind": "Secret", "causes": causes}
    found = failure(answer(422, reason="Invalid", message=f'Secret "db" is invalid: {CANARY}', details=details))
    assert isinstance(found, Invalid)
    assert found.causes[0] == Cause("data[password]", "FieldValueInvalid")
    assert "data[password] (FieldValueInvalid), the object (invalid)" in found.reason
    assert CANARY not in found.reason
    assert "names no field" in failure(answer(422)).reason


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_unavailable_for_as_long_as_the_server_says(status: int) -> None:
    found = failure(answer(status, {"retry-after": "7"}, message=CANARY, reason="ServerTimeout"))
    assert isinstance(found, Unavailable)
    assert found.after == 7
    found = failure(answer(status, message=CANARY, details={"retryAfterSeconds": 3}))
    assert isinstance(found, Unavailable)
    assert found.after == 3
    found = failure(Response(status, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, CANARY.encode()))
    assert isinstance(found, Unavailable)
    assert found.after is None


def test_a_forgotten_position_is_told_apart() -> None:
    assert isinstance(refusal(answer(410, reason="Expired", message=CANARY), CALL), Expired)


def test_an_expired_identity_says_what_to_look_at() -> None:
    found = failure(answer(401, reason="Unauthorized", message=CANARY))
    assert isinstance(found, Unavailable)
    assert "projected token" in found.reason


def test_too_large_is_never_going_to_fit() -> None:
    assert isinstance(failure(answer(413)), Reject)
    found = failure(answer(500, message="etcdserver: request is too large"))
    assert isinstance(found, Reject)
    assert "split it" in found.reason


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 405, 406, 409, 413, 415, 418, 422, 429, 500, 503])
@pytest.mark.parametrize("where", ["status", "text", "list", "odd"])
def test_no_text_of_the_server_reaches_a_message(status: int, where: str) -> None:
    causes = [{"reason": f"{CANARY}!", "message": CANARY, "field": f"{CANARY} {CANARY}"}]
    bodies = {
        "status": answer(status, message=CANARY, reason=f"{CANARY}!", details={"name": CANARY, "causes": causes}).body,
        "text": f"<html>{CANARY}</html>".encode(),
        "list": json.dumps([CANARY]).encode(),
        "odd": answer(status, message=[CANARY], reason=[CANARY], details=[CANARY]).body,
    }
    found = refusal(Response(status, {"location": CANARY, "retry-after": CANARY}, bodies[where]), CALL)
    assert CANARY not in f"{found} {found!r} {found.args}"


def test_the_call_is_named_as_people_name_it() -> None:
    assert str(CALL) == "Secret temporal/db"
    assert str(Call("list", SECRETS, "temporal")) == "every Secret of temporal"
    assert str(Call("list", SECRETS)) == "every Secret"
    assert str(Call("get", NAMESPACES, None, "temporal")) == "Namespace temporal"
