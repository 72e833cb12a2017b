"""What is Redis' own: hashes, users that need no password, nodes, TLS, what a restart remembers."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from functions._failures import Reject, Unavailable
from functions._systems import AdminRefused, Finding, System
from tests.certificates import issue
from tests.contracts.systems import RedisBench, credential
from tests.openbao import OpenBao
from tests.ports import free_port
from tests.redis import Redis

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["redis", "valkey"])
def bench(request: pytest.FixtureRequest) -> RedisBench:
    return RedisBench(request.getfixturevalue(f"{request.param}_server"))


@pytest.fixture(params=["redis", "valkey"])
def start(request: pytest.FixtureRequest) -> Callable[..., Redis]:
    """Starts servers of the test's own: `start("settings…", aclfile=False)`."""
    found: Callable[..., Redis] = request.getfixturevalue(f"start_{request.param}")
    return found


def worth(found: tuple[Finding, ...]) -> list[str]:
    return [one.text for one in found if not one.blocks]


def hashes(server: Redis, user: str) -> set[str]:
    described = server.run("ACL", "GETUSER", user)
    return set(described["passwords"] if isinstance(described, dict) else described[described.index("passwords") + 1])


def rules(server: Redis, user: str) -> str:
    """What a user may do, as the server tells it."""
    (line,) = (line for line in server.run("ACL", "LIST") if f" {user} " in line)
    return str(line).split(" ~")[1]


def everything(system: System, user: str, other: str) -> None:
    """All that an admin's rules are needed for."""
    system.revoke(credential(user, "old"), successor=credential(other, "other"))
    system.usage(credential(user, "old"))


def test_the_server_has_hashes_alone(bench: RedisBench) -> None:
    user = bench.account()
    bench.system.apply(credential(user, "new"), "a1")
    assert hashes(bench.server, user) == {hashlib.sha256(b"new").hexdigest()}


def test_a_user_that_needed_no_password_needs_one_afterwards(bench: RedisBench) -> None:
    user = bench.account("old")
    bench.server.run("ACL", "SETUSER", user, "nopass")
    assert any("nopass" in text for text in worth(bench.system.examine((user,))))
    assert bench.system.accepts(credential(user, "anything"))
    bench.system.apply(credential(user, "new"), "a1", keep=credential(user, "old"))
    assert not bench.system.accepts(credential(user, "anything"))
    bench.server.run("ACL", "SETUSER", user, "nopass")
    bench.system.revoke(credential(user, "old"), successor=credential(user, "new"))
    assert not bench.system.accepts(credential(user, "anything"))
    assert bench.lets_in(user, "new")


def test_revoking_one_of_several_passwords_leaves_the_others(bench: RedisBench) -> None:
    user = bench.account("old")
    bench.system.apply(credential(user, "new"), "a1", keep=credential(user, "old"))
    bench.system.revoke(credential(user, "new"))  # it was not accepted: taken back
    assert bench.lets_in(user, "old")
    assert not bench.lets_in(user, "new")


def test_every_connection_of_a_dual_user_is_closed_with_its_old_password(bench: RedisBench) -> None:
    """Nothing tells which of the two a connection logged in with."""
    user = bench.account("old")
    with bench.session(user, "old") as before:
        bench.system.apply(credential(user, "new"), "a1", keep=credential(user, "old"))
        with bench.session(user, "new") as after:
            assert not bench.system.usage(credential(user, "new")).known
            bench.system.revoke(credential(user, "old"), successor=credential(user, "new"))
            assert not before()
            assert not after()
    with bench.session(user, "new") as again:
        assert again()
        assert bench.system.usage(credential(user, "new")).sessions == 1


def test_what_users_may_do_stays(bench: RedisBench) -> None:
    user = bench.account("old")
    before = rules(bench.server, user)
    bench.system.apply(credential(user, "new"), "a1")
    bench.system.revoke(credential(user, "new"))
    bench.system.apply(credential(user, "newer"), "a2")
    assert rules(bench.server, user) == before


def test_users_that_may_do_different_things_should_not_take_turns(bench: RedisBench) -> None:
    first, second = bench.account("one"), bench.account()
    bench.server.run("ACL", "SETUSER", second, "-set")
    assert any("may not do the same" in text for text in worth(bench.system.examine((first, second))))


def test_without_an_aclfile_a_restart_brings_the_old_password_back(start: Callable[..., Redis]) -> None:
    bench = RedisBench(start("user shop on >old ~* +@all", aclfile=False))
    assert any("aclfile" in text for text in worth(bench.system.examine(("shop",))))
    bench.system.apply(credential("shop", "new"), "a1")
    bench.down()
    bench.up()
    assert bench.system.accepts(credential("shop", "old"))


def test_a_rewritten_configuration_remembers(start: Callable[..., Redis]) -> None:
    bench = RedisBench(start("user shop on >old ~* +@all", aclfile=False))
    bench.server.run("ACL", "SETUSER", bench.server.admin, "+config|rewrite")
    system = bench.opened(lambda: bench.right_admin, persist="config-rewrite")
    assert system.examine(("shop",)) == ()
    system.apply(credential("shop", "new"), "a1")
    bench.down()
    bench.up()
    assert system.accepts(credential("shop", "new"))
    assert not system.accepts(credential("shop", "old"))


def test_a_restart_that_nobody_wants_to_be_remembered_over(bench: RedisBench) -> None:
    system = bench.opened(lambda: bench.right_admin, persist="none")
    assert any("persist is none" in text for text in worth(system.examine(())))


def test_an_aclfile_that_cannot_be_written(start: Callable[..., Redis], tmp_path: Path) -> None:
    bench = RedisBench(start())
    user = bench.account("old")
    file = bench.server.directory / "users.acl"
    file.unlink()
    file.mkdir()  # whoever runs the test, root too, cannot replace it by a file
    (file / "in-the-way").touch()
    with pytest.raises(Unavailable, match="write its users down"):
        bench.system.apply(credential(user, "new"), "a1")
    (file / "in-the-way").unlink()
    file.rmdir()
    bench.system.apply(credential(user, "new"), "a1")
    bench.down()
    bench.up()
    assert bench.lets_in(user, "new")


@pytest.mark.parametrize("taken", ["-acl|setuser", "-acl|getuser", "-acl|save", "-client|kill", "-client|list"])
def test_an_admin_that_lacks_one_of_its_rules(start: Callable[..., Redis], taken: str) -> None:
    bench = RedisBench(start())
    user, other = bench.account("old"), bench.account("other")
    bench.server.run("ACL", "SETUSER", bench.server.admin, taken)
    with pytest.raises(AdminRefused, match=r"docs/targets/redis\.md"):
        everything(bench.system, user, other)
    if taken != "-acl|save":  # nothing but saving shows whether it may save
        assert any(one.blocks for one in bench.system.examine((user,)))


def test_every_node_is_told(start: Callable[..., Redis]) -> None:
    one, other = RedisBench(start()), RedisBench(start())
    for node in (one, other):
        node.account("old", "shop")
    system = one.opened(lambda: one.right_admin, nodes=[f"127.0.0.1:{other.server.port}"])
    old, new = credential("shop", "old"), credential("shop", "new")
    system.apply(new, "a1", keep=old)
    assert one.lets_in("shop", "new")
    assert other.lets_in("shop", "new")
    other.system.revoke(new)
    with pytest.raises(Unavailable, match="do not agree"):
        system.accepts(new)
    system.apply(new, "a1", keep=old)
    other.down()
    with pytest.raises(Unavailable):
        system.revoke(old, successor=new)
    with pytest.raises(Unavailable):
        system.accepts(old)
    other.up()
    system.revoke(old, successor=new)
    assert not system.accepts(old)
    assert system.accepts(new)
    assert system.examine(("shop",)) == ()


def test_over_its_unix_socket(bench: RedisBench) -> None:
    user = bench.account("old")
    system = bench.opened(lambda: bench.right_admin, host=str(bench.server.socket))
    system.apply(credential(user, "new"), "a1")
    assert system.accepts(credential(user, "new"))
    assert system.examine((user,)) == ()


def test_a_server_without_room_for_another_connection(start: Callable[..., Redis]) -> None:
    bench = RedisBench(start())
    user = bench.account("old")
    bench.server.run("CONFIG", "SET", "maxclients", "1")
    with bench.session(user, "old") as session:
        assert session()
        with pytest.raises(Unavailable):
            bench.system.accepts(credential(user, "old"))
        with pytest.raises(Unavailable):
            bench.system.apply(credential(user, "new"), "a1")


@pytest.fixture
def secured(start_redis: Callable[..., Redis], openbao: OpenBao, tmp_path: Path) -> tuple[RedisBench, int, str]:
    """A server with a certificate for 127.0.0.1; the port where it speaks TLS, and the authority's certificate."""
    issued, port = issue(openbao, tmp_path), free_port()
    files = (f"tls-cert-file {issued.certificate}", f"tls-key-file {issued.key}", f"tls-ca-cert-file {issued.ca_file}")
    return RedisBench(start_redis(f"tls-port {port}", "tls-auth-clients no", *files)), port, issued.ca


def test_tls_shows_who_the_server_is(secured: tuple[RedisBench, int, str]) -> None:
    bench, port, ca = secured
    user = bench.account("old")
    trusting = bench.opened(lambda: bench.right_admin, port=port, tls=True, ca=ca)
    trusting.apply(credential(user, "new"), "a1")
    assert trusting.accepts(credential(user, "new"))
    assert not trusting.accepts(credential(user, "old"))
    strange = bench.opened(lambda: bench.right_admin, port=port, tls=True)
    with pytest.raises(Unavailable):
        strange.accepts(credential(user, "new"))
    misnamed = bench.opened(lambda: bench.right_admin, host="localhost", port=port, tls=True, ca=ca)
    with pytest.raises(Unavailable):
        misnamed.apply(credential(user, "newest"), "a1")
    plain = bench.opened(lambda: bench.right_admin, tls=True, ca=ca)  # the port that does not speak TLS
    with pytest.raises(Unavailable):
        plain.accepts(credential(user, "new"))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "host"),
        ({"host": "cache", "nodes": ["cache"]}, r"nodes\.0"),
        ({"host": "cache", "persist": "rdb"}, "persist"),
        ({"host": "cache", "password": "x"}, "password"),
        ({"host": "cache", "ca": "no certificate"}, "ca"),
    ],
)
def test_wrong_parameters_are_named(bench: RedisBench, parameters: dict[str, object], named: str) -> None:
    bench.target.spec.parameters.clear()
    with pytest.raises(Reject, match=rf"'orders'.*\b{named}\b"):
        bench.opened(lambda: bench.right_admin, **parameters).accepts(credential("user", "x"))
