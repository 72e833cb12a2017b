"""Starting, stopping, starting again: one instance per ROOT, nothing lost in between, changes made while down."""

import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.conftest import QUICK, Team
from tests.instance import Installation, NotReadyError, Running, external_secret, push_secret


def wire(at: Installation, team: Team) -> None:
    at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))


def arrives(up: Running, team: Team, value: bytes) -> None:
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": value}, f"{value!r} at the consumer")
    up.wait_for(lambda: up.in_step(team.full_path), "in step")


def test_a_second_instance_on_one_root_refuses_and_disturbs_nobody(shared: Running, team: Team) -> None:
    with pytest.raises(NotReadyError, match=rf"status 5.*in use by process {shared.pid}.*--root"):
        Running(shared.at, "second").start()
    assert shared.alive()
    wire(shared.at, team)
    shared.at.put(team.producer, "credentials", {"password": b"one"})
    arrives(shared, team, b"one")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(external: Installation, number: int) -> None:
    with external.running() as up:
        assert up.send("com.example.anything").status == 202
        up.signal(number)
        assert up.wait() == 0
    assert "Traceback" not in up.output()
    assert not (external.root / "state" / "instance.json").exists()


def test_a_signal_under_load_loses_nothing(external: Installation, teams: Callable[[], Team]) -> None:
    chosen = [teams() for _ in range(3)]
    with external.running() as up:
        for team in chosen:
            wire(external, team)
        stop, sent = threading.Event(), list[str]()

        def load() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    answer = up.send("dev.lockstep.secret.changed", changed(chosen[number % 3]), id=f"load-{number}",
                                     subject=subject(chosen[number % 3]))  # fmt: skip
                except OSError:
                    return  # it listens no more
                if answer.status == 202:
                    sent.append(f"load-{number}")

        senders = [threading.Thread(target=load) for _ in range(1)]
        for sender in senders:
            sender.start()
        for number in range(10):
            for team in chosen:
                external.put(team.producer, "credentials", {"password": f"{number}".encode()})
        up.wait_for(lambda: len(sent) > 30, "load")
        up.signal(signal.SIGTERM)
        assert up.wait() == 0
        stop.set()
        for sender in senders:
            sender.join()
        assert "Traceback" not in up.output()
        stored = {row[0] for row in external.query("SELECT id FROM ledger WHERE kind = 'accepted'")}
        assert set(sent) <= stored, "what was answered with 202 is durable"
        up.restart()
        for team in chosen:
            arrives(up, team, b"9")
        up.wait_idle()
        assert external.dead_letters() == []


def changed(team: Team) -> dict[str, dict[str, str]]:
    return {"secret": {"namespace": team.producer, "name": "credentials"}}


def subject(team: Team) -> str:
    return f"namespaces/{team.producer}/secrets/credentials"


def test_a_restart_picks_up_what_changed_while_it_was_down(external: Installation, teams: Callable[[], Team]) -> None:
    changing, appearing, leaving, unwiring, drifting = (teams() for _ in range(5))
    with external.running() as up:
        for team in (changing, leaving, unwiring, drifting):
            wire(external, team)
            external.put(team.producer, "credentials", {"password": b"before"})
        for team in (changing, leaving, unwiring, drifting):
            arrives(up, team, b"before")
        assert up.stop() == 0
        # The sweep would find all of it too; that it takes no sweep is the point.
        external.configure(**{**QUICK, "sweep": {"intervalSeconds": 3600}}, cluster=cluster(external))
        external.put(changing.producer, "credentials", {"password": b"after"})
        external.put(appearing.producer, "credentials", {"password": b"new"})
        wire(external, appearing)
        external.remove(leaving.producer, "credentials")
        external.unwire(unwiring.name)
        external.put(drifting.consumer, "postgres", {"password": b"by hand"})
        up.restart()
        arrives(up, changing, b"after")
        arrives(up, appearing, b"new")
        up.wait_for(lambda: external.values(drifting.consumer, "postgres") == {"password": b"before"}, "mended drift")
        target = f"namespaces/{unwiring.consumer}/secrets/postgres"
        up.wait_for(lambda: external.events("dev.lockstep.secret.retracted", target), "the lost manifest noticed")
        up.wait_for(
            lambda: external.events("dev.lockstep.secret.removed", f"{leaving.producer}/secrets/credentials"),
            "the lost source noticed",
        )
        up.wait_idle()
        assert external.values(leaving.consumer, "postgres") == {"password": b"before"}, "deletionPolicy None keeps it"
        assert external.dead_letters() == []


def cluster(at: Installation) -> str:
    text = (at.root / "lockstep.yaml").read_text()
    return next(line.split()[1] for line in text.splitlines() if line.startswith("cluster:"))


def test_port_0_finds_ports_and_tells_them(external: Installation, tmp_path: Path) -> None:
    again = Installation(tmp_path / "again", environment=external.environment)
    with external.running() as one, again.running() as two:
        assert one.url != two.url
        assert one.send("com.example.anything").status == 202
        assert two.send("com.example.anything").status == 202


def test_a_port_that_is_taken_and_an_address_that_is_not_the_loopback_are_refused(external: Installation) -> None:
    with external.running() as up:
        port = up.url.split(":")[2].split("/")[0]
        taken = Running(Installation(external.root.with_name("taken"), external.environment))
        taken.at = replace(taken.at, options=("--listen", f"127.0.0.1:{port}"))
        with pytest.raises(NotReadyError, match=r"status 2.*in use.*port 0"):
            taken.start()
        taken.at = replace(taken.at, options=("--listen", "0.0.0.0:0"))
        with pytest.raises(NotReadyError, match=r"status 2.*not the loopback"):
            taken.start()
        assert up.ready()


def test_lost_local_knowledge_costs_a_sweep_never_a_secret(external: Installation, team: Team) -> None:
    with external.running() as up:
        wire(external, team)
        external.put(team.producer, "credentials", {"password": b"one"})
        arrives(up, team, b"one")
        assert up.stop() == 0
        for file in external.root.glob("state/local.db*"):
            file.unlink()
        up.restart()
        arrives(up, team, b"one")
        assert up.version(team.full_path) == 1, "what is there already is confirmed, not written again"
        external.put(team.producer, "credentials", {"password": b"two"})
        arrives(up, team, b"two")


def test_a_lost_broker_database_loses_no_secret_and_is_told_by_the_audit(external: Installation, team: Team) -> None:
    with external.running() as up:
        wire(external, team)
        external.put(team.producer, "credentials", {"password": b"one"})
        arrives(up, team, b"one")
        up.wait_for(lambda: up.status()["ledger"]["anchored"] > 0, "an anchor")
        assert up.stop() == 0
        for file in external.root.glob("state/broker.db*"):
            file.unlink()
        up.restart()
        external.put(team.producer, "credentials", {"password": b"two"})
        arrives(up, team, b"two")
        verify = lockstep(up, "audit", "verify")
        assert verify.returncode == 1, verify.stdout + verify.stderr


def lockstep(up: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [up.at.program[0], *arguments, "--root", str(up.root)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
