"""A token is renewed in time, replaced when it must be, and never logged in twice at once."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions._failures import Denied, Reject, Unavailable
from functions._values import SecretValue
from infra.deploy.vault_policies import policy_text
from infra.stores.vault.auth import AppRoleAuth, KubernetesAuth, Token, TokenAuth
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import Answer, HttpClient
from infra.stores.vault.token_keeper import TokenKeeper
from tests.openbao import OpenBao


@dataclass
class FakeHttp(HttpClient):
    """Answers renewals, look-ups and revocations as told."""

    renewal: Callable[[], Answer] = lambda: Answer(200)
    lookup: Callable[[], Answer] = lambda: Answer(200, {"data": {}})
    kinds: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, *, kind: str, **rest: Any) -> Answer:
        self.kinds.append(kind)
        return {"renew": self.renewal, "lookup": self.lookup}.get(kind, lambda: Answer(204))()


@dataclass
class FakeLogin:
    """Gives the next of `grants`, the last one for ever."""

    grants: list[Token]
    logins: int = 0
    down: bool = False

    def login(self) -> Token:
        if self.down:
            raise Unavailable("authority", "nobody there")
        self.logins += 1
        return self.grants.pop(0) if len(self.grants) > 1 else self.grants[0]


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def token(text: str, lease: float = 90.0, *, renewable: bool = True, owned: bool = True) -> Token:
    return Token(SecretValue.of(text), lease, renewable, owned)


def renewed(lease: float) -> Callable[[], Answer]:
    auth = {"client_token": "ignored", "lease_duration": lease, "renewable": True}
    return lambda: Answer(200, {"auth": auth})


def keeper(http: FakeHttp, grants: Iterable[Token]) -> tuple[TokenKeeper, FakeLogin, Time]:
    login, time = FakeLogin(list(grants)), Time()
    return TokenKeeper(http, login, monotonic=time, jitter=lambda: 0.0), login, time


def test_logs_in_when_first_asked_and_renews_at_two_thirds() -> None:
    http = FakeHttp(renewal=renewed(90.0))
    kept, login, time = keeper(http, [token("a")])
    kept.maintain()
    assert login.logins == 0
    assert kept.value() == SecretValue.of("a")
    time.now += 59.0
    kept.value()
    assert http.kinds == []
    time.now += 2.0
    for _ in range(3):
        assert kept.value() == SecretValue.of("a")
    assert http.kinds == ["renew"]
    time.now += 61.0
    kept.maintain()
    assert http.kinds == ["renew", "renew"]
    assert login.logins == 1


def test_the_jitter_renews_earlier() -> None:
    http, login, time = FakeHttp(renewal=renewed(90.0)), FakeLogin([token("a")]), Time()
    kept = TokenKeeper(http, login, monotonic=time, jitter=lambda: 1.0)
    kept.value()
    time.now += 51.5
    kept.value()
    assert http.kinds == ["renew"]


def test_a_token_without_ttl_is_left_alone() -> None:
    http = FakeHttp()
    kept, login, time = keeper(http, [token("root", 0.0)])
    for _ in range(3):
        time.now += 1e6
        assert kept.value() == SecretValue.of("root")
    assert (http.kinds, login.logins) == ([], 1)


@pytest.mark.parametrize("answer", [Answer(403), Answer(400), renewed(10.0)()])
def test_a_renewal_that_fails_or_meets_the_max_ttl_logs_in_anew(answer: Answer) -> None:
    kept, login, time = keeper(FakeHttp(renewal=lambda: answer), [token("a"), token("b")])
    kept.value()
    time.now += 61.0
    assert kept.value() == SecretValue.of("b")
    assert login.logins == 2


def test_one_that_is_not_renewable_is_replaced() -> None:
    http = FakeHttp()
    kept, _, time = keeper(http, [token("a", renewable=False), token("b")])
    kept.value()
    time.now += 61.0
    assert kept.value() == SecretValue.of("b")
    assert http.kinds == []


def test_nobody_there_for_a_renewal_is_no_failure_until_the_lease_ends() -> None:
    def down() -> Answer:
        raise Unavailable("authority", "nobody there")

    http = FakeHttp(renewal=down)
    kept, login, time = keeper(http, [token("a"), token("b")])
    kept.value()
    time.now += 61.0
    assert kept.value() == kept.value() == SecretValue.of("a")
    assert http.kinds == ["renew"]  # and again only after a pause
    login.down = True
    time.now += 30.0
    with pytest.raises(Unavailable):
        kept.value()
    login.down = False
    assert kept.value() == SecretValue.of("b")


@pytest.mark.parametrize("status", [429, 503])
def test_a_shedding_authority_is_asked_again_later(status: int) -> None:
    http = FakeHttp(renewal=lambda: Answer(status, retry_after=5.0))
    kept, login, time = keeper(http, [token("a"), token("b")])
    kept.value()
    time.now += 61.0
    assert kept.value() == kept.value() == SecretValue.of("a")
    assert http.kinds == ["renew"]
    time.now += 5.0
    kept.value()
    assert http.kinds == ["renew", "renew"]
    assert login.logins == 1


def test_a_given_token_that_cannot_be_renewed_is_used_to_its_end() -> None:
    kept, login, time = keeper(FakeHttp(), [token("given", renewable=False, owned=False), token("next", owned=False)])
    kept.value()
    time.now += 61.0
    assert kept.value() == SecretValue.of("given")
    time.now += 30.0
    assert kept.value() == SecretValue.of("next")
    assert login.logins == 2


def test_a_replacement_that_fails_keeps_the_old_token() -> None:
    kept, login, time = keeper(FakeHttp(), [token("a", renewable=False), token("b")])
    kept.value()
    login.down = True
    time.now += 61.0
    assert kept.value() == SecretValue.of("a")


def test_expired_asks_once_and_forgets_a_dead_token() -> None:
    http = FakeHttp()
    kept, login, time = keeper(http, [token("a"), token("b")])
    value = kept.value()
    assert not kept.expired(value)
    assert not kept.expired(value)
    assert http.kinds == ["lookup"]
    http.lookup = lambda: Answer(403)
    time.now += 31.0
    assert kept.expired(value)
    assert kept.expired(value)  # somebody else's late refusal of the old token
    assert kept.value() == SecretValue.of("b")
    assert kept.expired(value)
    assert http.kinds == ["lookup", "lookup"]
    assert login.logins == 2


def test_close_revokes_what_was_logged_in_and_hands_out_none_any_more() -> None:
    http = FakeHttp()
    kept, _, _ = keeper(http, [token("a")])
    kept.value()
    kept.close()
    kept.close()
    assert http.kinds == ["revoke"]
    with pytest.raises(Unavailable, match="stopping"):
        kept.value()


def test_close_leaves_a_given_token() -> None:
    http = FakeHttp()
    kept, _, _ = keeper(http, [token("a", owned=False)])
    kept.value()
    kept.close()
    assert http.kinds == []


def test_many_threads_log_in_once() -> None:
    kept, login, _ = keeper(FakeHttp(), [token("a"), token("b")])
    barrier = threading.Barrier(8)
    found: list[SecretValue] = []

    def ask() -> None:
        barrier.wait()
        found.append(kept.value())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert login.logins == 1
    assert found == [SecretValue.of("a")] * 8


# --- against a real OpenBao ---

SELF = policy_text("", {"auth/token/lookup-self": {"read"}, "auth/token/renew-self": {"update"}})
READ = f'{SELF}path "secret/data/*" {{\n  capabilities = ["read"]\n}}\n'


def clock_that(
    time: Time, openbao: OpenBao, authenticator: Callable[[HttpClient], Any]
) -> tuple[VaultClient, TokenKeeper]:
    http = openbao.http()
    kept = TokenKeeper(http, authenticator(http), monotonic=time)
    return VaultClient(http, kept, "lockstep-test"), kept


@pytest.mark.e2e
def test_approle_logs_in_renews_and_revokes(openbao: OpenBao) -> None:
    openbao.admit("keeper", READ + 'path "auth/token/revoke-self" {\n  capabilities = ["update"]\n}\n')
    identity, time = openbao.embedded.identity("keeper"), Time()
    client, kept = clock_that(time, openbao, lambda http: AppRoleAuth(http, identity.role_id, identity.secret_id))
    client.call("GET", "secret/data/none", kind="read", absent_ok=True)
    value = kept.value()
    time.now += 3600 * 0.7
    client.call("GET", "secret/data/none", kind="read", absent_ok=True)
    assert [kind for _, kind in openbao.calls].count("renew") == 1
    assert kept.value() == value
    client.close()
    with pytest.raises(Unavailable, match="token is not accepted"):
        openbao.with_token(value).call("GET", "secret/data/none", kind="read")


@pytest.mark.e2e
def test_the_longest_life_of_a_token_ends_no_call(openbao: OpenBao) -> None:
    """A token that cannot be renewed any further is replaced in time: every call goes through."""
    openbao.admit("short-lived", READ)
    admin = openbao.admin()
    short = {"token_period": "0", "token_ttl": "2s", "token_max_ttl": "4s"}
    admin.call("POST", "auth/approle/role/lockstep-short-lived", body=short, kind="test")
    client = openbao.client("short-lived")
    openbao.calls.clear()
    ends = time.monotonic() + 60
    while openbao.calls.count(("POST", "login")) < 3 and time.monotonic() < ends:
        client.call("GET", "secret/data/none", kind="read", absent_ok=True)
    assert openbao.calls.count(("POST", "login")) == 3


@pytest.mark.e2e
def test_a_revoked_token_is_replaced_once_and_the_call_succeeds(openbao: OpenBao) -> None:
    openbao.admit("keeper", READ)
    identity, admin = openbao.embedded.identity("keeper"), openbao.admin()
    client, kept = clock_that(Time(), openbao, lambda http: AppRoleAuth(http, identity.role_id, identity.secret_id))
    first = kept.value()
    admin.call("POST", "auth/token/revoke", body={"token": first.reveal().decode()}, kind="test")
    openbao.calls.clear()
    client.call("GET", "secret/data/none", kind="read", absent_ok=True)
    assert [kind for _, kind in openbao.calls] == ["read", "lookup", "login", "read"]
    assert kept.value() != first


@pytest.mark.e2e
def test_a_path_outside_the_policy_does_not_log_in_again(openbao: OpenBao) -> None:
    openbao.admit("keeper", READ)
    client = openbao.client("keeper")
    for _ in range(3):
        with pytest.raises(Denied, match=r"permission denied on secret/metadata/x: apply the policy lockstep-keeper"):
            client.call("GET", "secret/metadata/x", kind="metadata")
    kinds = [kind for _, kind in openbao.calls]
    assert (kinds.count("login"), kinds.count("lookup"), kinds.count("metadata")) == (1, 1, 3)


@pytest.mark.e2e
def test_a_given_token_tells_its_ttl(openbao: OpenBao) -> None:
    http = openbao.http()
    short = openbao.token(SELF, ttl="30m")
    found = TokenAuth(http, lambda: short).login()
    assert 1700 < found.lease <= 1800
    assert found.renewable
    assert not found.owned
    with pytest.raises(Unavailable, match="BAO_TOKEN"):
        TokenAuth(http, lambda: SecretValue.of("s.canary")).login()
    http.close()


@pytest.mark.e2e
def test_refused_logins_say_what_to_mend(openbao: OpenBao) -> None:
    http = openbao.http()
    with pytest.raises(Unavailable, match="create a new secret id") as caught:
        AppRoleAuth(http, "lockstep-warden", SecretValue.of("canary")).login()
    assert "canary" not in str(caught.value)
    with pytest.raises(Unavailable, match="ServiceAccount"):
        KubernetesAuth(http, "publish", lambda: SecretValue.of("canary")).login()
    http.close()


@pytest.mark.e2e
def test_a_mount_that_is_not_there_is_rejected(openbao: OpenBao) -> None:
    with pytest.raises(Reject, match="mount"):
        openbao.admin().call("GET", "nowhere/data/x", kind="read", absent_ok=True)
