import json

from functions import STEPS
from tests.infra.hosts.cli.commands import lockstep


def test_the_table_of_contents() -> None:
    found = json.loads(lockstep("steps", "-o", "json").stdout)
    assert [one["step"] for one in found] == [step.name for step in STEPS]
    for one, step in zip(found, STEPS, strict=True):
        assert one["consumes"] == [event.TYPE for event in step.consumes]
        assert one["emits"] == [event.TYPE for event in step.emits]
        assert set(one["needs"]) == {need.name for need in step.needs}
    for form in ((), ("-o", "wide")):
        lines = lockstep("steps", *form).stdout.splitlines()
        assert [line.split()[0] for line in lines[1:]] == [step.name for step in STEPS]
