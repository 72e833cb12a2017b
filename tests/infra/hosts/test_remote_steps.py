"""Where the steps of a broker among pods are."""

import pytest

from infra.hosts.configuration import ConfigurationError
from infra.hosts.remote_steps import remote_steps


def test_each_step_has_its_address() -> None:
    found = remote_steps("http://{step}.lockstep.svc/", ("publish", "sweep"), "lockstep", 4)
    assert list(found) == ["publish", "sweep"]
    for subscriber in found.values():
        assert subscriber.ready()
        subscriber.close()


@pytest.mark.parametrize("address", ["http://steps.svc", "{step}", "ftp://{step}", "http://", "http:///{step}"])
def test_an_address_without_a_place_for_the_name_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="LOCKSTEP_STEPS_AT"):
        remote_steps(address, ("publish",), "lockstep", 4)
