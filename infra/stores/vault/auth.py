"""Ways to log in at the authority: a given token, AppRole, Kubernetes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from functions._failures import Unavailable
from functions._values import SecretValue
from infra.stores.vault.http import DEPENDENCY, Answer, HttpClient


@dataclass(frozen=True, slots=True)
class Token:
    """A token as granted. `lease` is seconds from now, 0 for one that does not expire."""

    value: SecretValue = field(repr=False)
    lease: float
    renewable: bool
    owned: bool = True  # whether we logged it in ourselves, and so revoke it when we close


class Authenticator(Protocol):
    """A way to get a token."""

    def login(self) -> Token:
        """A fresh token. Raises Unavailable, naming what to mend, when it is refused."""


class TokenAuth:
    """A token that somebody hands us; `token` is asked at every login, so that whoever keeps it may replace it."""

    def __init__(self, http: HttpClient, token: Callable[[], SecretValue]) -> None:
        self._http = http
        self._token = token

    def login(self) -> Token:
        token = self._token()
        answer = self._http.request("GET", "auth/token/lookup-self", token=token, kind="login")
        if answer.status != 200:
            raise _refused(answer, "the token is not accepted; give a valid one in BAO_TOKEN or VAULT_TOKEN")
        data = answer.body.get("data") or {}
        return Token(token, float(data.get("ttl") or 0), bool(data.get("renewable")), owned=False)


class AppRoleAuth:
    """AppRole: what one step's process holds in the embedded default."""

    def __init__(self, http: HttpClient, role_id: str, secret_id: SecretValue, mount: str = "approle") -> None:
        self._http = http
        self._role_id = role_id
        self._secret_id = secret_id
        self._mount = mount

    def login(self) -> Token:
        body = {"role_id": self._role_id, "secret_id": self._secret_id.reveal().decode()}
        hint = f"AppRole refuses the role {self._role_id}; create a new secret id for it"
        return _login(self._http, f"auth/{self._mount}/login", body, hint)


class KubernetesAuth:
    """A pod's own ServiceAccount token, which the kubelet replaces: `jwt` is asked at every login."""

    def __init__(self, http: HttpClient, role: str, jwt: Callable[[], SecretValue], mount: str = "kubernetes") -> None:
        self._http = http
        self._role = role
        self._jwt = jwt
        self._mount = mount

    def login(self) -> Token:
        body = {"role": self._role, "jwt": self._jwt().reveal().decode()}
        hint = f"Kubernetes auth refuses the role {self._role}; check its bound ServiceAccount, namespace and audience"
        return _login(self._http, f"auth/{self._mount}/login", body, hint)


def granted(answer: Answer) -> Token | None:
    """The token of a login or renewal answer, None where it holds none."""
    auth = answer.body.get("auth")
    if answer.status != 200 or not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
        return None
    value = SecretValue.of(auth["client_token"])
    return Token(value, float(auth.get("lease_duration") or 0), bool(auth.get("renewable")))


def _login(http: HttpClient, path: str, body: Mapping[str, Any], hint: str) -> Token:
    answer = http.request("POST", path, body=body, kind="login")
    token = granted(answer)
    if token is None:
        raise _refused(answer, hint)
    return token


def _refused(answer: Answer, hint: str) -> Unavailable:
    if answer.status in {400, 403, 404}:
        return Unavailable(DEPENDENCY, hint, answer.retry_after)
    reason = f"the authority answers {answer.status} to a login; it is sealed, starting or overloaded"
    return Unavailable(DEPENDENCY, reason, answer.retry_after)
