from events.references import ManifestRef
from infra.hosts.control.reconciling import waiting_for
from infra.hosts.views.choice import Choice, wired
from infra.hosts.views.hindrances import Hindrance
from tests.infra.hosts.views.scene import PATH, TARGET, in_step

PULL = ManifestRef(kind="ExternalSecret", namespace="temporal", name="postgres")


def test_a_manifest_that_may_not_act_is_waited_for() -> None:
    refused = Hindrance(PULL, "wiring/temporal.yaml", 2, "refused", "refers to nothing")
    unread = Hindrance(None, "wiring/bad.yaml", 3, "unread", "is not YAML")
    first, second = waiting_for(Choice((), (refused, unread)), 0)
    assert (first["name"], first["wrong"]) == (str(PULL), "wiring/temporal.yaml:2: refers to nothing")
    assert first["ask"] == "lockstep explain ExternalSecret/temporal/postgres"
    assert (second["name"], second["ask"]) == ("wiring/bad.yaml", "lockstep status")


def test_what_is_waited_for_says_what_tells_more() -> None:
    choice = wired(None, in_step().lookups)
    assert list(waiting_for(choice, 0)) == []
    behind = list(waiting_for(choice, 99))
    assert [one["ask"] for one in behind] == [f"lockstep explain {PATH}", f"lockstep explain {TARGET}"]
