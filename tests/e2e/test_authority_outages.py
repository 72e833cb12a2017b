"""The real OpenBao is sealed, killed and restarted under a running instance, again and again and while it changes."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from infra.hosts.openbao.embedded import EmbeddedOpenBao
from tests.e2e.conftest import Team, at_authority
from tests.instance import Installation, Running, external_secret, push_secret, wait_for
from tests.openbao import OpenBao


def wire(up: Running, team: Team) -> None:
    up.at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))


def arrives(up: Running, team: Team, value: bytes) -> None:
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": value}, f"{value!r} at the consumer")
    up.wait_for(lambda: up.in_step(team.full_path), "in step")


def test_sealed_and_unsealed(
    openbao_root: Path, start_openbao: Callable[..., OpenBao], team: Team, tmp_path: Path
) -> None:
    openbao = start_openbao(openbao_root)
    installation = at_authority(tmp_path / "instance", openbao.settings.address, openbao)
    admin = openbao.admin()
    with installation.running() as up:
        wire(up, team)
        up.at.put(team.producer, "credentials", {"password": b"before"})
        arrives(up, team, b"before")
        admin.call("PUT", "sys/seal", body={}, kind="test")
        up.at.put(team.producer, "credentials", {"password": b"while-sealed"})
        up.wait_for(lambda: up.status()["authority"]["sealed"], "status to say that it is sealed")
        up.wait_for(lambda: up.status()["broker"]["held"].get("publish"), "the change held")
        assert not up.ready()
        up.wait_for(lambda: up.metric("authority_up") == 0, "the metric to tell of it")
        assert not up.in_step(team.full_path)
        assert up.at.values(team.consumer, "postgres") == {"password": b"before"}
        up.at.put(team.producer, "credentials", {"password": b"newest"})
        kill(openbao.embedded)  # its supervisor starts it again, and its static seal unseals it
        arrives(up, team, b"newest")
        assert up.at.dead_letters() == []
        up.wait_for(up.ready, "readiness")
        assert up.version(team.full_path) <= 3
    openbao.close()


def kill(embedded: EmbeddedOpenBao) -> None:
    """kill -9 of the server, and wait until its supervisor has another one serve."""
    pid = embedded.status().pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: embedded.status().pid not in (0, pid), "the server's successor")


def test_the_embedded_one_killed_under_changes(embedded: Installation, team: Team) -> None:
    with embedded.running() as up:
        wire(up, team)
        up.at.put(team.producer, "credentials", {"password": b"before"})
        arrives(up, team, b"before")
        for number in range(3):
            pid = server(up)
            up.at.put(team.producer, "credentials", {"password": f"{number}-a".encode()})
            os.kill(pid, signal.SIGKILL)
            up.at.put(team.producer, "credentials", {"password": f"{number}-b".encode()})
            up.wait_for(lambda pid=pid: server(up) not in (0, pid), "its successor")  # type: ignore[misc]
            arrives(up, team, f"{number}-b".encode())
        assert up.at.dead_letters() == []
        assert up.version(team.full_path) <= 7
        assert any("ended by itself" in notice for notice in up.status()["notices"]), "told, not hidden"


def server(up: Running) -> int:
    """The process id of the embedded server; 0 while there is none."""
    try:
        return int(json.loads((up.root / "state" / "openbao" / "server.json").read_text())["pid"])
    except (OSError, ValueError):
        return 0


def test_killed_with_everything_at_any_moment(embedded: Installation, teams: Callable[[], Team]) -> None:
    """kill -9 of the instance, and of its OpenBao with it, at moments that the change itself decides."""
    chosen = [teams() for _ in range(3)]
    with embedded.running() as up:
        for team in chosen:
            wire(up, team)
        for moment in ("", "secret.changed", "secret.published", "secret.materialized"):
            value = f"at {moment}".encode()
            before = up.at.events(f"dev.lockstep.{moment}")
            for team in chosen:
                up.at.put(team.producer, "credentials", {"password": value})
            if moment:
                up.wait_for(lambda m=moment, n=before: up.at.events(f"dev.lockstep.{m}") > n, moment)  # type: ignore[misc]
            up.kill()
            assert server_is_gone(up), "OpenBao dies with its host"
            up.restart()
            for team in chosen:
                arrives(up, team, value)
        assert up.at.dead_letters() == []
        for team in chosen:
            assert up.version(team.full_path) == 4


def server_is_gone(up: Running) -> bool:
    pid = server(up)
    wait_for(lambda: not Path(f"/proc/{pid}/exe").exists(), "the end of the embedded server")
    return True
