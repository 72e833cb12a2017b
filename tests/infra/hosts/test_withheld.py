"""Ports that a step did not ask for."""

from dataclasses import replace

import pytest

from functions import BY_NAME, STEPS
from functions._capability import Capability
from functions._step import Step
from infra.hosts.withheld import NEEDED_BY, granted, granted_late
from tests.infra.hosts.steps import saying

ADAPTER = object()


@pytest.mark.parametrize("port", NEEDED_BY)
def test_any_of_a_ports_capabilities_grants_it(port: str) -> None:
    for capability in Capability:
        step = replace(saying(), needs=frozenset({capability}))
        assert (granted(step, port, ADAPTER) is ADAPTER) == (capability in NEEDED_BY[port])


def test_every_capability_is_of_one_port() -> None:
    counted = [capability for capabilities in NEEDED_BY.values() for capability in capabilities]
    assert sorted(counted, key=str) == sorted(Capability, key=str)


def test_an_adapter_is_made_once_and_when_it_is_first_asked() -> None:
    made: list[list[int]] = []

    def make() -> list[int]:
        made.append([])
        return made[0]

    adapter = granted_late(replace(saying(), needs=NEEDED_BY["leaks"]), "leaks", make)
    assert made == []
    adapter.append(1)
    adapter.append(2)
    assert made == [[1, 2]]


def test_using_what_is_withheld_names_step_and_call() -> None:
    withheld = granted(BY_NAME["record"], "authority", ADAPTER)
    with pytest.raises(RuntimeError, match=r"step record uses authority\.write and declares no capability for it"):
        withheld.write()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_only_record_reaches_the_ledger(step: Step) -> None:
    assert (granted(step, "ledger", ADAPTER) is ADAPTER) == (step.name == "record")
