"""Pytest plugin: AWS as moto's server imitates it, with what moto leaves out before it: which keys are let in at all.

Moto lets anybody in with any key, active or not, or checks every permission. In front of it stands a gate that does
with keys what AWS documents: one that is unknown, inactive or too new is refused; the rest is moto's.
"""

import io
import itertools
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.iam.models import IAMBackend, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from functions._systems import Credential

_numbers = itertools.count(1)
ACCOUNT = "123456789012"
_KEY = re.compile(r"Credential=([A-Za-z0-9]+)/")
ADMIN = "lockstep-admin"
Start = Callable[..., object]


@dataclass
class Aws:
    """A server on a free port. `down` refuses everything, `unknown` are keys that are not known everywhere yet;
    `denied` are actions that nobody may do; `calls` are the actions, with the key that asked."""

    port: int = 0
    down: bool = False
    unknown: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    lost: Callable[[str], bool] = lambda action: False  # whether the answer to an action is lost

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def iam(self) -> IAMBackend:
        return iam_backends[ACCOUNT]["aws"]

    def user(self, name: str | None = None) -> str:
        name = name or f"orders-{next(_numbers)}"  # as docs/targets/aws-iam.md calls them
        self.iam.create_user("us-east-1", name)
        return name

    def key(self, user: str) -> Credential:
        """A key that somebody else made."""
        from functions._values import SecretValue

        made = self.iam.create_access_key(user)
        fields = {"access_key_id": made.access_key_id, "secret_access_key": made.secret_access_key}
        return Credential(user, {name: SecretValue.of(text) for name, text in fields.items()}, made.access_key_id)

    def keys(self, user: str) -> dict[str, str]:
        return {key.access_key_id: key.status for key in self.iam.list_access_keys(user)}

    def works(self, credential: Credential) -> bool:
        """Whether somebody with nothing but this key is let in."""
        key, secret = (credential.fields[name].reveal().decode() for name in ("access_key_id", "secret_access_key"))
        client = boto3.client(
            "sts", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=key,
            aws_secret_access_key=secret,
        )  # fmt: skip
        try:
            client.get_caller_identity()
        except client.exceptions.ClientError:
            return False
        return True

    def actions(self) -> list[str]:
        return [action for action, _ in self.calls]

    # --- the gate ---

    def gated(self, moto: Callable[[dict[str, Any], Start], Iterable[bytes]]) -> Any:
        def serve(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            action = _action(environ, body)
            found = _KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
            key = found[1] if found else ""
            self.calls.append((action, key))
            self.bodies.append(body.decode())
            if self.down:
                return _refused(start, "503 Service Unavailable", "ServiceUnavailable", environ)
            if self._status(key) != "Active" or key in self.unknown:
                return _refused(start, "403 Forbidden", "InvalidClientTokenId", environ)
            if action in self.denied:
                return _refused(start, "403 Forbidden", "AccessDenied", environ)
            begun: list[tuple[str, list[tuple[str, str]]]] = []
            answer = list(moto(environ, lambda status, headers, *_: begun.append((status, headers))))
            if begun[0][0].startswith("403") and "HTTP_X_AMZ_TARGET" in environ:  # moto says that as XML even here
                return _refused(start, "403 Forbidden", "AccessDeniedException", environ)
            if self.lost(action):
                return _refused(start, "503 Service Unavailable", "ServiceUnavailable", environ)
            start(*begun[0])
            return answer

        return serve

    def _status(self, key: str) -> str:
        for user in self.iam.users:
            for known in self.iam.list_access_keys(user):
                if known.access_key_id == key:
                    return known.status
        return "unknown"


def _action(environ: dict[str, Any], body: bytes) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    found = re.search(rb"(?:^|&)Action=(\w+)", body)
    return found[1].decode() if found else ""


def _refused(start: Start, status: str, code: str, environ: dict[str, Any]) -> list[bytes]:
    """As the query protocol and the JSON protocol say it. The text quotes a canary: it must show nowhere."""
    if environ.get("HTTP_X_AMZ_TARGET"):
        body = f'{{"__type": "{code}", "message": "canary-of-aws"}}'.encode()
        start(status, [("Content-Type", "application/x-amz-json-1.1")])
        return [body]
    said = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>canary-of-aws</Message></Error>"
    text = f"<ErrorResponse>{said}</ErrorResponse>"
    start(status, [("Content-Type", "text/xml")])
    return [text.encode()]


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Aws]:
    aws = Aws()
    moto = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, aws.gated(moto), threaded=True)
    aws.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, name="moto", daemon=True)
    thread.start()
    aws.user(ADMIN)
    yield aws
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def aws(aws_server: Aws) -> Iterator[Aws]:
    """The shared server; tests use users and secrets of their own."""
    aws_server.calls.clear()
    aws_server.bodies.clear()
    yield aws_server
    aws_server.down = False
    aws_server.unknown.clear()
    aws_server.denied.clear()
    aws_server.lost = lambda action: False
