import pytest

from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.control.happenings import short
from tests.infra.hosts.cli.commands import PATH
from tests.instance import Running

FULL = f"secret/{PATH}"


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("method", "name", "arguments", "member"),
    [
        ("ask", "explain", {}, "name"),
        ("ask", "explain", {"name": 5}, "name"),
        ("ask", "status", {"names": "temporal/pg"}, "names"),
        ("ask", "status", {"namespace": ["temporal"]}, "namespace"),
        ("ask", "events", {"limit": -1}, "limit"),
        ("ask", "dead-letters/show", {"number": 10**24}, "number"),
        ("tell", "dead-letters/replay", {"numbers": [10**24]}, "their numbers"),
        ("tell", "dead-letters/replay", {"numbers": [True]}, "their numbers"),
        ("ask", "events", {"since": True}, "since"),
        ("ask", "events", {"since": "5", "seconds": "long"}, "seconds"),
        ("ask", "wait", {"all": True, "version": 1.5}, "version"),
        ("ask", "wait", {"all": True, "through": ["x"]}, "through"),
        ("ask", "wait", {}, "names"),
        ("tell", "reconcile", {}, "names"),
        ("tell", "suspend", {"scope": "temporal"}, "reason"),
        ("tell", "adopt", {"path": FULL, "by": "platform-data/push", "epoch": 0, "base": {"number": 0}}, "base"),
        ("ask", "adoption", {"path": FULL, "by": "platform-data"}, "NAMESPACE/NAME"),
        ("ask", "outcome", {"sequence": "last"}, "sequence"),
    ],
)
def test_arguments_are_read_strictly(
    up: Running, method: str, name: str, arguments: dict[str, object], member: str
) -> None:
    with pytest.raises(CommandError, match=member) as refused:
        getattr(up.control, method)(name, **arguments)
    assert refused.value.exit_code == Exit.USAGE


@pytest.mark.e2e
def test_an_outcome_of_nothing(up: Running) -> None:
    with pytest.raises(CommandError, match="there is no event") as unknown:
        up.control.ask("outcome", sequence=10**9)
    assert unknown.value.exit_code == Exit.NOT_FOUND


@pytest.mark.e2e
def test_interventions_are_no_questions(up: Running) -> None:
    with pytest.raises(CommandError, match="no such request") as unknown:
        up.control.ask("suspend", scope="*", reason="by a question")
    assert unknown.value.exit_code == Exit.NOT_FOUND
    assert up.status()["suspensions"] == []


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("namespaces/temporal/secrets/pg", "temporal/pg"),
        ("paths/secret/platform-data/postgres/temporal", "secret/platform-data/postgres/temporal"),
        ("manifests/PushSecret/platform-data/push", "PushSecret platform-data/push"),
        ("schedules/sweep/0", "sweep/0"),
        ("scopes/*", "*"),
        ("something/else", "something/else"),
        ("", ""),
    ],
)
def test_subjects_as_people_name_them(subject: str, name: str) -> None:
    assert short(subject) == name
