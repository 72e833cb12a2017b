"""Requests in one step's identity."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from functions._values import SecretValue
from infra.stores.vault.http import Answer, HttpClient
from infra.stores.vault.refusals import refusal
from infra.stores.vault.token_keeper import GivenToken, Tokens


class VaultClient:
    """An HTTP client that carries one identity's token. `identity` names the policy that grants it, for messages."""

    def __init__(self, http: HttpClient, keeper: Tokens, identity: str) -> None:
        self._http = http
        self._keeper = keeper
        self.identity = identity

    def call(
        self,
        method: str,
        path: str,
        *,
        kind: str,
        body: Mapping[str, Any] | None = None,
        absent_ok: bool = False,
        refused_ok: bool = False,
        any_ok: bool = False,
        content_type: str = "application/json",
    ) -> Answer:
        """One request; a dead token is replaced once. `absent_ok` lets a 404 through as an answer,
        `refused_ok` a 400, `any_ok` every status.

        Raises Conflict, Unavailable or Reject for a refusal (see refusals).
        """
        token = self._keeper.value()
        answer = self._http.request(method, path, token=token, kind=kind, body=body, content_type=content_type)
        if answer.status == 403 and self._keeper.expired(token):
            token = self._keeper.value()
            answer = self._http.request(method, path, token=token, kind=kind, body=body, content_type=content_type)
        if answer.status < 400 or (answer.status == 404 and absent_ok and not _routeless(answer)):
            return answer
        if any_ok or (answer.status == 400 and refused_ok):
            return answer
        raise refusal(answer, path, self.identity)

    @contextmanager
    def asking(
        self, path: str, *, kind: str, absent_ok: bool = False, method: str = "GET",
        body: Mapping[str, Any] | None = None,
    ) -> Iterator[Callable[[], Answer]]:  # fmt: skip
        """A request whose answer is on its way while the caller does others; raises as `call` when called for."""
        token = self._keeper.value()
        with self._http.asking(path, kind=kind, token=token, method=method, body=body) as receive:

            def answer() -> Answer:
                found = receive()
                if found.status < 400 or (found.status == 404 and absent_ok and not _routeless(found)):
                    return found
                if method != "GET" and found.status != 403:
                    raise refusal(found, path, self.identity)
                # With a new token, or to be refused: nothing was done.
                return self.call(method, path, kind=kind, absent_ok=absent_ok, body=body)

            yield answer

    def bearing(self, token: SecretValue) -> "VaultClient":
        """A client with a token of somebody's own making, for a few requests: neither renewed nor revoked by it."""
        return VaultClient(self._http, GivenToken(token), self.identity)

    def maintain(self) -> None:
        """Renew the token if it is time to."""
        self._keeper.maintain()

    def close(self) -> None:
        """Revoke the token that we logged in ourselves."""
        self._keeper.close()


def _routeless(answer: Answer) -> bool:
    """Whether a 404 means that there is no such mount, rather than nothing at the path."""
    return any("no handler for route" in error for error in answer.errors)
