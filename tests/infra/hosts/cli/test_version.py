import json

from events.catalogue import EVENTS
from tests.infra.hosts.cli.commands import lockstep


def test_versions_of_program_schemas_and_authority() -> None:
    found = json.loads(lockstep("version", "-o", "json").stdout)
    assert set(found["events"]) == {model.TYPE for model in EVENTS}
    assert set(found["schemas"]) == {
        "broker database", "local database", "ledger entries", "documents at the authority",
    }  # fmt: skip
    text = lockstep("version").stdout
    assert found["openbao"] in text
    assert found["lockstep"] in text
    assert "secret.changed" in lockstep("version", "-o", "wide").stdout
