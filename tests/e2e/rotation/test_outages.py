"""A running instance whose authority is sealed midway, whose path others write, whose admin credential is no good."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from infra.hosts.cli.failures import CommandError
from tests.e2e.conftest import at_authority
from tests.e2e.proxy import Fault, FaultyProxy, Request, writes_below
from tests.e2e.rotation.shop import (
    NAME,
    NAMESPACE,
    PATIENCE,
    PLATFORM,
    Shop,
    completed,
    established,
    rotate,
    rotation,
    state,
    target,
)
from tests.e2e.test_authority_outages import kill
from tests.instance import Installation, Running, external_secret, push_secret
from tests.openbao import OpenBao
from tests.postgres import Postgres

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def before_next(proxy: FaultyProxy, choose: Callable[[Request], bool], act: Callable[[], object]) -> list[str]:
    """Do something once, just before the next request of a kind is passed on; the request that it was."""
    met: list[str] = []

    def look(request: Request) -> bool:
        if not met and choose(request):
            met.append(request.path)
            act()
        return False

    proxy.fail(Fault(when=look))
    return met


def moved(shop: Shop, up: Running, before: tuple[str, str]) -> None:
    """Consumers have another credential, which works, and the one before does not; nothing was lost on the way."""
    up.wait_for(lambda: shop.credential() not in (None, before), "the new credential", PATIENCE)
    now = shop.credential()
    assert now is not None
    assert shop.lets_in(now)
    assert not shop.lets_in(before)
    assert up.at.dead_letters() == []


def test_sealed_midway_for_longer_than_the_retry_budget(
    openbao_root: Path, start_openbao: Callable[..., OpenBao], postgres: Postgres, tmp_path: Path
) -> None:
    """Before each of the writes that a rotation makes at the authority: staged, proven, live, no more staged."""
    openbao = start_openbao(openbao_root)
    admin = openbao.admin()
    with FaultyProxy(openbao.settings.address) as proxy:
        shop = Shop(at_authority(tmp_path / "root", proxy.address, openbao), postgres)
        shop.lay_out(postgres.role(), postgres.role())
        with shop.at.running() as up:
            begun = established(shop, up)
            for number, written in enumerate(
                (
                    "lockstep/data/pending/",
                    "lockstep/data/proofs/",
                    f"secret/data/{shop.path}",
                    "lockstep/metadata/pend",
                )
            ):
                met = before_next(
                    proxy, writes_below(written), lambda: admin.call("PUT", "sys/seal", body={}, kind="t")
                )
                given = rotate(up)
                up.wait_for(lambda met=met: met, f"a write below {written}", PATIENCE)  # type: ignore[misc]  # mypy cannot infer a lambda's default
                up.wait_for(lambda: not up.ready(), "that it is not ready")
                asked = proxy.asked()
                up.wait_for(lambda asked=asked: proxy.asked() > asked + 6, "asking again, for longer than the budget")  # type: ignore[misc]  # the same
                held = shop.credential()
                assert held is not None
                assert shop.lets_in(held), f"sealed before a write below {written}"
                kill(openbao.embedded)  # its supervisor starts it again, and its static seal unseals it
                up.wait_for(up.ready, "readiness", PATIENCE)
                assert completed(up, given)["phase"] == "completed"
                moved(shop, up, begun)
                assert up.version(shop.full_path) == number + 2
                begun = shop.credential() or begun
    openbao.close()


def test_somebody_writes_the_path_just_before_it_is_promoted(
    openbao: OpenBao, postgres: Postgres, tmp_path: Path
) -> None:
    with FaultyProxy(openbao.settings.address) as proxy:
        shop = Shop(at_authority(tmp_path / "root", proxy.address, openbao), postgres)
        shop.lay_out(postgres.role(), postgres.role())
        with shop.at.running() as up:
            begun = established(shop, up)
            theirs = {"username": "mallory", "password": "theirs"}
            met = before_next(
                proxy, writes_below(f"secret/data/{shop.path}"),
                lambda: openbao.engine().write("secret", shop.path, theirs, 1),
            )  # fmt: skip
            ended = completed(up, rotate(up))
            assert met
            assert ended["phase"] == "completed"
            assert ended["record"]["conflicts"] == 1
            moved(shop, up, begun)
            assert up.version(shop.full_path) == 3
            assert up.at.events("dev.lockstep.secret.conflicted") >= 1


# --- the admin of the target -----------------------------------------------------------------------------------------


def administered(server: Postgres) -> Postgres:
    """The same server, with an admin of the test's own."""
    name, password = server.role(password="the-first-of-the-admin"), "the-first-of-the-admin"
    server.run("ALTER ROLE {name} CREATEROLE", name=name)
    server.run("GRANT pg_signal_backend, pg_read_all_stats TO {name}", name=name)
    return replace(server, admin=name, admin_password=password)


@pytest.mark.parametrize("fault", ["wrong", "expired"])
def test_an_admin_credential_that_is_no_good_is_told_and_waited_for(
    external: Installation, postgres: Postgres, fault: str
) -> None:
    server = administered(postgres)
    shop = Shop(external, server)
    shop.lay_out(server.role(), server.role())
    with shop.at.running() as up:
        begun = established(shop, up)
        if fault == "wrong":
            server.set_password(server.admin, "the-second-of-the-admin")
        else:
            server.run("ALTER ROLE {name} VALID UNTIL '2020-01-01'", name=server.admin)
        given = rotate(up)
        up.wait_for(lambda: state(up)["trouble"] == "admin-refused", "that the admin is refused", PATIENCE)
        assert shop.credential() == begun
        assert shop.lets_in(begun)
        if fault == "wrong":
            admin = {"username": server.admin.encode(), "password": b"the-second-of-the-admin"}
            up.at.put(PLATFORM, "postgres-admin", admin)
            up.wait_for(lambda: up.version(f"secret/{shop.admin_path}") == 2, "the right admin credential")
        else:
            server.run("ALTER ROLE {name} VALID UNTIL 'infinity'", name=server.admin)
        up.control.tell("rotation/resume", name=NAME)
        assert completed(up, given)["phase"] == "completed"
        moved(shop, up, begun)


def test_an_admin_credential_that_is_itself_rotated_meanwhile(
    external: Installation, postgres: Postgres, openbao: OpenBao
) -> None:
    """Another target's admin replaces its password while it is at work, again and again."""
    server = administered(postgres)
    shop, other = Shop(external, server), f"platform-data/postgres/above-{uuid4().hex[:8]}"
    lay_out_both(shop, postgres, other)
    openbao.engine().write("secret", shop.admin_path, {"username": server.admin, "password": server.admin_password}, 0)
    with shop.at.running() as up:
        up.wait_for(lambda: up.version(f"secret/{other}") == 1, "the admin's admin at the authority")
        begun = established(shop, up)
        for number in (2, 3, 4):
            given = {"admin": order(up, "admin"), "orders-db": order(up, "orders-db")}
            for name, rotation_id in given.items():
                up.wait_for(lambda n=name, r=rotation_id: ended(up, n, r), f"the end of {name}", PATIENCE)  # type: ignore[misc]  # mypy cannot infer a lambda's default
            moved(shop, up, begun)
            assert up.version(f"secret/{shop.admin_path}") == number
            assert up.version(shop.full_path) == number
            begun = shop.credential() or begun
        assert not shop.lets_in((server.admin, server.admin_password))


def lay_out_both(shop: Shop, postgres: Postgres, other: str) -> None:
    """The shop's rotation, and one of its target's admin by the server's own admin, which is at `other`."""
    targets = shop.at.root / "targets"
    targets.mkdir()
    above = target(postgres, other)
    above["metadata"]["name"] = "admins"
    shop.at.lay(targets / "postgres.yaml", yaml.safe_dump(target(shop.server, shop.admin_path)))
    shop.at.lay(targets / "admins.yaml", yaml.safe_dump(above))
    credential = {"username": postgres.admin.encode(), "password": postgres.admin_password.encode()}
    shop.at.put(PLATFORM, "above", credential)
    of_admin = rotation(shop.admin_path, (shop.server.admin,), name="admin")
    of_admin["spec"]["target"]["name"] = "admins"
    shop.at.wire(
        "shop", of_admin, rotation(shop.path, (shop.server.role(), shop.server.role())),
        push_secret("above", f"{PLATFORM}/above", other, tuple(credential)),
        external_secret(f"{NAMESPACE}/orders", shop.path),
    )  # fmt: skip


def order(up: Running, name: str) -> Any:
    return up.control.tell("rotate", name=f"{NAMESPACE}/{name}", policy="planned")["rotation"]


def ended(up: Running, name: str, rotation_id: str) -> bool:
    """Whether it ended; where it waits for the other one, it is told to look again."""
    found = up.control.ask("rotation", name=f"{NAMESPACE}/{name}")
    record = found["record"]
    if found["underWay"] and found["trouble"]:
        try:
            up.control.tell("rotation/resume", name=f"{NAMESPACE}/{name}")
        except CommandError:
            return False  # it went on meanwhile
    return bool(record and record["id"] == rotation_id and not found["underWay"] and found["phase"] == "completed")
