"""No password that is applied, tried or revoked is ever seen by a server's logs, views or listeners."""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.contracts.systems import PostgresBench, RealBench, RedisBench, credential
from tests.postgres import Postgres
from tests.redis import Redis

pytestmark = pytest.mark.e2e


def rotate(bench: RealBench) -> tuple[str, ...]:
    """Everything that a rotation does, with mistakes; the passwords that it did it with."""
    old, new, wrong = (f"canary-{secrets.token_hex(16)}" for _ in range(3))
    first, second = bench.account(), bench.account()
    system = bench.system
    system.apply(credential(first, old), "a1")
    system.apply(credential(second, new), "a1", keep=credential(first, old))
    assert system.accepts(credential(second, new))
    assert not system.accepts(credential(second, wrong))
    system.usage(credential(first, old))
    system.examine((first, second))
    with contextlib.suppress(Exception):
        bench.opened(lambda: (bench.right_admin[0], wrong)).apply(credential(first, wrong), "a1")
    with contextlib.suppress(Exception):
        system.apply(credential("no-such-account", wrong), "a1")
    system.revoke(credential(first, old), successor=credential(second, new))
    assert not system.accepts(credential(first, old))
    return old, new, wrong, bench.right_admin[1]


def assert_absent(passwords: tuple[str, ...], seen: str) -> None:
    for password in passwords:
        assert password not in seen


def test_postgres(own_postgres: Postgres) -> None:
    bench = PostgresBench(own_postgres)
    passwords = rotate(bench)
    logged = bench.logged()
    assert logged.count("SCRAM-SHA-256$") >= 2  # it was looking, and saw the verifiers
    assert_absent(passwords, logged)


@contextlib.contextmanager
def monitored(server: Redis) -> Iterator[Callable[[], str]]:
    """What MONITOR shows, until it shows a command that the test sends last."""
    heard: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        with server.owner() as owner, owner.monitor() as monitor:
            ready.set()
            for command in monitor.listen():
                heard.append(str(command["command"]))
                if "the-last-command" in heard[-1]:
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert ready.wait(30)

    def told() -> str:
        server.run("ECHO", "the-last-command")
        thread.join(30)
        assert not thread.is_alive()
        return "\n".join(heard)

    yield told


def test_redis(start_redis: Callable[..., Redis]) -> None:
    server = start_redis()
    bench = RedisBench(server)
    with monitored(server) as told:
        passwords = rotate(bench)
        heard = told()
    assert heard.count("AUTH (redacted)") > 5  # it was listening
    assert_absent(passwords, heard + bench.logged() + (server.directory / "users.acl").read_text().replace(
        bench.right_admin[1], "") + (server.directory / "redis.conf").read_text())  # fmt: skip
