"""The authority is unreachable, refuses, sheds load or loses answers, for longer than the retry budget.

A proxy between the instance and a real OpenBao fails for it. While it fails the source changes; when it heals,
nothing was lost, nothing was written twice, and the newest value is everywhere.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.hosts.openbao.embedded import EmbeddedOpenBao
from tests.e2e.conftest import Team, at_authority
from tests.e2e.proxy import Fault, FaultyProxy, below, reads_below, writes_below
from tests.instance import Running, external_secret, push_secret
from tests.openbao import OpenBao


@dataclass
class Behind:
    """A running instance, and the proxy that it takes for its authority."""

    up: Running
    proxy: FaultyProxy


@pytest.fixture(scope="module")
def behind(openbao_server: EmbeddedOpenBao, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    openbao = OpenBao(openbao_server)
    with FaultyProxy(openbao.settings.address) as proxy:
        installation = at_authority(tmp_path_factory.mktemp("behind") / "root", proxy.address, openbao)
        with installation.running() as up:
            yield Behind(up, proxy)
    openbao.close()


@pytest.fixture(autouse=True)
def healed(behind: Behind) -> Iterator[None]:
    yield
    behind.proxy.heal()


def wire(up: Running, team: Team) -> None:
    up.at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))


def arrives(up: Running, team: Team, value: bytes) -> None:
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": value}, f"{value!r} at the consumer")
    up.wait_for(lambda: up.in_step(team.full_path), "in step")


def begin(behind: Behind, team: Team) -> None:
    wire(behind.up, team)
    behind.up.at.put(team.producer, "credentials", {"password": b"before"})
    arrives(behind.up, team, b"before")


DOWN = {
    "unreachable": Fault(status=0),
    "500": Fault(status=500),
    "502 with a page of a proxy": Fault(status=502, body=b"<html>Bad Gateway</html>"),
    "503 as when sealed": Fault(status=503, body=b'{"errors":["Vault is sealed"]}'),
}


@pytest.mark.parametrize("name", DOWN)
def test_down_for_longer_than_the_budget(behind: Behind, team: Team, name: str) -> None:
    up, proxy = behind.up, behind.proxy
    begin(behind, team)
    with proxy.failing(DOWN[name]):
        up.at.put(team.producer, "credentials", {"password": b"meanwhile"})
        up.wait_for(lambda: up.metric("authority_up") == 0, "the metric to tell that the authority is down")
        assert not up.ready()
        up.wait_for(lambda: sum(held(up).values()) > 0, "the change held back, not spent on a closed door")
        met = proxy.met()
        up.wait_for(lambda: proxy.met() > met + 4, "asking again for 2 s, longer than the budget")
        assert "not published yet" in up.wrong(team.full_path)
        assert not up.status()["authority"]["serves"]
        up.wait_for(lambda: up.metric("out_of_step") >= 1, "the metric to tell of it")
        up.at.put(team.producer, "credentials", {"password": b"newest"})
        assert up.at.values(team.consumer, "postgres") == {"password": b"before"}
    arrives(up, team, b"newest")
    assert up.at.dead_letters() == []
    up.wait_for(up.ready, "readiness")
    assert 2 <= up.version(team.full_path) <= 3


def held(up: Running) -> dict[str, float]:
    return {name: count for name, count in up.metrics().items() if name.startswith("lockstep_held")}


def test_shedding_load_is_waited_out(behind: Behind, team: Team) -> None:
    up, proxy = behind.up, behind.proxy
    begin(behind, team)
    fault = Fault(
        status=429, headers={"Retry-After": "1"}, when=lambda request: "sys/health" not in request.path, times=3
    )
    with proxy.failing(fault):
        up.at.put(team.producer, "credentials", {"password": b"newest"})
        arrives(up, team, b"newest")
    assert up.at.dead_letters() == []


LASTING = {
    "403 to every write": Fault(
        status=403, when=writes_below("secret/data/"), body=b'{"errors":["permission denied"]}'
    ),
    "429 to everything": Fault(status=429, when=lambda request: "sys/health" not in request.path),
    # Writes too: a publish in flight may have read before the fault, reads the changed source after it, and writes.
    "500 to every read and write of a value": Fault(status=500, when=below("secret/data/")),
    "closed connections": Fault(status=0, when=lambda request: "sys/health" not in request.path),
}


@pytest.mark.parametrize("name", LASTING)
def test_refusing_while_healthy_ends_as_dead_letter_and_is_mended_by_the_sweep(
    behind: Behind, team: Team, name: str
) -> None:
    up, proxy = behind.up, behind.proxy
    begin(behind, team)
    with proxy.failing(LASTING[name]):
        up.at.put(team.producer, "credentials", {"password": b"newest"})
        up.wait_for(lambda: up.at.dead_letters(team.name) or up.at.dead_letters(team.producer), "a dead letter")
        assert "not published yet" in up.wrong(team.full_path)
        assert up.metric("dead_letters") >= 1
        assert up.at.values(team.consumer, "postgres") == {"password": b"before"}
    arrives(up, team, b"newest")
    assert up.version(team.full_path) == 2


LOST = {
    "of the write of the value": writes_below("secret/data/"),
    "of the write of the claim": writes_below("lockstep/data/claims/"),
    "of the read at a consumer": reads_below("secret/data/"),
}


@pytest.mark.parametrize("name", LOST)
def test_a_lost_answer(behind: Behind, team: Team, name: str) -> None:
    up, proxy = behind.up, behind.proxy
    wire(up, team)
    with proxy.failing(Fault(status=0, when=LOST[name], forward=True, times=2)):
        up.at.put(team.producer, "credentials", {"password": b"first"})
        arrives(up, team, b"first")
        assert proxy.met() >= 1
    assert up.version(team.full_path) == 1, "what was written is recognised, not written again"
    up.at.put(team.producer, "credentials", {"password": b"second"})
    arrives(up, team, b"second")
    assert up.version(team.full_path) == 2


def test_down_at_the_start(openbao: OpenBao, team: Team, tmp_path: Path) -> None:
    with FaultyProxy(openbao.settings.address) as proxy:
        proxy.fail(Fault(status=0))
        installation = at_authority(tmp_path / "root", proxy.address, openbao)
        installation.put(team.producer, "credentials", {"password": b"early"})
        installation.wire(
            team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path)
        )
        with installation.running() as up:
            assert not up.ready()
            assert up.send("com.example.anything").status == 202, "the broker takes events meanwhile"
            up.wait_for(lambda: sum(held(up).values()) > 0, "deliveries held")
            assert up.at.dead_letters() == []
            proxy.heal()
            arrives(up, team, b"early")


@pytest.mark.orderly("it counts the calls of one change")
def test_unchanged_secrets_cost_the_authority_nothing_between_sweeps(
    openbao: OpenBao, team: Team, teams: Callable[[], Team], tmp_path: Path
) -> None:
    with FaultyProxy(openbao.settings.address) as proxy:
        installation = at_authority(tmp_path / "root", proxy.address, openbao)
        installation.configure(cluster=team.name)  # the defaults: no sweep within the test
        with installation.running() as up:
            for each in (team, teams()):
                wire(up, each)
                up.wait_idle()  # so that one event alone, the source's, makes it published
                up.at.put(each.producer, "credentials", {"password": b"first"})
                arrives(up, each, b"first")
            up.wait_idle()
            proxy.log.clear()
            up.at.put(team.producer, "credentials", {"password": b"second"})
            second = {"password": b"second"}
            up.wait_for(lambda: up.at.values(team.consumer, "postgres") == second, "the second value")
            up.wait_idle()
            asked = [request for request, _ in proxy.log if "sys/health" not in request.path]
            about = f"secret/data/{team.path}"
            assert [request.method for request in asked if about in request.path] == ["GET", "POST", "GET"]
            assert len(asked) <= 4, asked
