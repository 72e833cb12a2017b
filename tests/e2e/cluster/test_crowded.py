"""5,000 Secrets of which 10 are wired: a start costs pages, and whoever is not wired costs nothing afterwards."""

import math
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.kubernetes.api import Api
from infra.kubernetes.resources import SECRETS
from tests.e2e.cluster.estate import Body, Calls, Estate, Team, secret_path
from tests.eso import client, external_body, push_body

ALL, WIRED = 5000, 10
PAGE = 500  # objects, as infra.kubernetes.api asks for them
MEMORY = 150.0  # MB, of each process (issue: speed and memory)
_HANDS = 8
_FILLING = "x" * 1024  # what a usual Secret weighs, such as a certificate
_CHANGE = {("get", "secrets"): 2, ("update", "secrets"): 1, ("patch", "pushsecrets/status"): 1}


@dataclass
class Crowd:
    """One team whose source namespace holds thousands of Secrets; the first ten are wired."""

    estate: Estate
    team: Team
    api: Api

    def make(self, first: int, last: int) -> None:
        """The Secrets of these numbers, over connections that are kept."""
        names = (name(number) for number in range(first, last))

        def create(called: str) -> None:
            metadata = {"name": called, "namespace": self.team.producer}
            body: Body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
            body["stringData"] = {"password": "begin", "filling": _FILLING}
            self.api.create(SECRETS, body, self.team.producer, metadata_only=True)

        self._all(create, names)

    def touch(self, first: int, last: int, value: str) -> None:
        """Give those that nobody wired a new value."""

        def change(called: str) -> None:
            body = {"stringData": {"password": value}}
            self.api.patch(SECRETS, called, body, self.team.producer, metadata_only=True)

        self._all(change, (name(number) for number in range(first, last)))

    def wire(self) -> None:
        self.estate.apply(self.team.store)
        for number in range(WIRED):
            push = push_body(self.team.producer, self.team.name, name=f"push-{number}", path=self.path(number))
            push["spec"]["selector"]["secret"]["name"] = name(number)
            pull = external_body(self.team.consumer, self.team.name, self.path(number), name=f"pull-{number}")
            pull["spec"]["target"]["name"] = f"target-{number}"
            self.estate.apply(push, pull)

    def path(self, number: int) -> str:
        return f"{self.team.path}-{number}"

    def change(self, number: int, value: str) -> None:
        """Until it has arrived; asks nobody but the API server."""
        self.estate.put(f"{self.team.producer}/{name(number)}", {"password": value.encode()})
        self.arrives(number, value)

    def arrives(self, number: int, value: str) -> None:
        target = f"{self.team.consumer}/target-{number}"
        self.estate.wait_for(lambda: self.estate.values(target) == {"password": value.encode()}, f"{value} at {target}")

    def costs(self, do: Callable[[], None]) -> Calls:
        """The requests to the API server that something leads to, until none comes any more.

        Without watches, which end by themselves after some minutes, and are opened again.
        """
        self.estate.settle()
        before = self.estate.calls()
        do()
        self.estate.settle()
        made = self.estate.calls() - before
        return Counter({key: count for key, count in made.items() if key[0] != "watch"})

    @staticmethod
    def _all(do: Callable[[str], None], names: Iterator[str]) -> None:
        with ThreadPoolExecutor(_HANDS) as hands:
            for done in [hands.submit(do, one) for one in names]:
                done.result()


def name(number: int) -> str:
    return f"secret-{number:04}"


@pytest.fixture
def crowd(estate: Estate, team: Team) -> Iterator[Crowd]:
    """Ten Secrets, wired and in step; the others come when a test makes them, and all go afterwards."""
    api = client(estate.cluster)
    made = Crowd(estate, team, api)
    try:
        made.make(0, WIRED)
        made.wire()
        for number in range(WIRED):
            made.arrives(number, "begin")
        yield made
    finally:
        for kind, namespace in (("pushsecrets", team.producer), ("externalsecrets", team.consumer)):
            version = "v1alpha1" if kind == "pushsecrets" else "v1"
            estate.admin.delete(f"/apis/external-secrets.io/{version}/namespaces/{namespace}/{kind}")
        estate.admin.delete(f"/api/v1/namespaces/{team.producer}/secrets")
        estate.cluster.delete_namespace(team.producer)
        api.close()


@pytest.mark.slow
@pytest.mark.orderly("it counts the calls of single changes")
def test_five_thousand_secrets_of_which_ten_are_wired(estate: Estate, crowd: Crowd) -> None:
    alone = crowd.costs(lambda: crowd.change(0, "among ten"))
    assert alone == _CHANGE

    # they come while it watches, and nobody asks about them
    assert crowd.costs(lambda: crowd.make(WIRED, ALL)) == {}
    assert crowd.costs(lambda: crowd.change(1, "among thousands")) == alone, "as with ten"
    assert _memory(estate) <= MEMORY

    # a start lists them in pages, and asks about none of them
    estate.up.stop()
    estate.up.restart()
    estate.settle()
    started = estate.calls()
    pages = math.ceil(ALL / PAGE) + 1  # and the namespace of the targets
    assert started["list", "secrets"] == pages, started
    assert started["get", "secrets"] <= 3 * WIRED, started  # each source and target once, and what the sweep looks at
    # A grace of what another test left may end meanwhile: its target is deleted, and that is all that is written.
    assert {key for key in started if key[0] not in ("get", "list", "watch")} <= {("delete", "secrets")}, started
    assert _memory(estate) <= MEMORY
    for number in range(WIRED):
        assert estate.up.in_step(f"secret/{crowd.path(number)}")
    assert crowd.costs(lambda: crowd.change(2, "after the start")) == alone
    assert crowd.costs(lambda: crowd.touch(WIRED, 2 * WIRED, "nobody's")) == {}

    # a gap: what happened meanwhile is found by another list, and only the wired ones cost more
    lost = crowd.costs(lambda: _gap(estate, crowd))
    assert lost["list", "secrets"] == pages, lost
    assert lost["get", "secrets"] <= 6, lost  # two changes, and one target that was removed
    assert lost["update", "secrets"] + lost["create", "secrets"] == 3, lost
    assert _memory(estate) <= MEMORY


def _gap(estate: Estate, crowd: Crowd) -> None:
    """The process stands still, its watches broken, while the API server forgets where they were."""
    estate.up.signal(signal.SIGSTOP)
    try:
        estate.cluster.restart_apiserver()
        estate.put(f"{crowd.team.producer}/{name(3)}", {"password": b"in the gap"})
        estate.put(f"{crowd.team.producer}/{name(9)}", {"password": b"in the gap too"})
        estate.admin.delete(secret_path(f"{crowd.team.consumer}/target-5"))
        crowd.touch(WIRED, 5 * WIRED, "nobody's, in the gap")
        estate.cluster.restart_apiserver()
    finally:
        estate.up.signal(signal.SIGCONT)
    crowd.arrives(3, "in the gap")
    crowd.arrives(9, "in the gap too")
    crowd.arrives(5, "begin")


def _memory(estate: Estate) -> float:
    """What the process holds, in MB."""
    status = Path(f"/proc/{estate.up.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
