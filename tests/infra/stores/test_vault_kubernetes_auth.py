"""Kubernetes auth against a real OpenBao, whose TokenReviews a small API server of ours answers."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from functions._failures import Unavailable
from functions._values import SecretValue
from infra.stores.vault.auth import KubernetesAuth
from infra.stores.vault.client import VaultClient
from infra.stores.vault.token_keeper import TokenKeeper
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e

NAMESPACE, ACCOUNT, AUDIENCE = "lockstep", "publish", "openbao"


class Reviews(BaseHTTPRequestHandler):
    """Vouches for any token of our ServiceAccount."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        user = {"username": f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}", "uid": "u-1", "groups": []}
        status = {"authenticated": True, "user": user, "audiences": [AUDIENCE]}
        body = json.dumps(asked | {"status": status}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


@pytest.fixture
def reviewer() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Reviews)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def service_account_token() -> SecretValue:
    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    account = {"namespace": NAMESPACE, "serviceaccount": {"name": ACCOUNT, "uid": "u-1"}}
    claims = {
        "iss": "https://kubernetes.default.svc",
        "aud": [AUDIENCE],
        "sub": f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}",
        "iat": 1_700_000_000,
        "nbf": 1_700_000_000,
        "exp": 4_000_000_000,
        "kubernetes.io": account,
    }
    return SecretValue.of(f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl")


def test_a_service_account_logs_in(openbao: OpenBao, reviewer: str) -> None:
    admin = openbao.admin()
    admin.call("POST", "sys/auth/kubernetes-test", body={"type": "kubernetes"}, kind="test")
    admin.call("POST", "sys/mounts/pki-kubernetes", body={"type": "pki"}, kind="test")
    ca = {"common_name": "cluster", "key_type": "ec"}
    issued = admin.call("POST", "pki-kubernetes/root/generate/internal", body=ca, kind="test").body["data"]
    config = {
        "kubernetes_host": reviewer,
        "kubernetes_ca_cert": issued["certificate"],
        "token_reviewer_jwt": "reviewer",
        "disable_local_ca_jwt": True,
    }
    admin.call("POST", "auth/kubernetes-test/config", body=config, kind="test")
    role = {
        "bound_service_account_names": [ACCOUNT],
        "bound_service_account_namespaces": [NAMESPACE],
        "audience": AUDIENCE,
        "token_policies": ["lockstep-test-admin"],
        "token_ttl": "20m",
    }
    admin.call("POST", "auth/kubernetes-test/role/publish", body=role, kind="test")
    http = openbao.http()
    authenticator = KubernetesAuth(http, "publish", service_account_token, mount="kubernetes-test")
    granted = authenticator.login()
    assert (granted.lease, granted.renewable) == (1200.0, True)
    client = VaultClient(http, TokenKeeper(http, authenticator), "lockstep-publish")
    assert client.call("GET", "secret/data/none", kind="read", absent_ok=True).status == 404
    client.close()
    other = KubernetesAuth(http, "another", service_account_token, mount="kubernetes-test")
    with pytest.raises(Unavailable, match="bound ServiceAccount"):
        other.login()
    admin.call("DELETE", "sys/auth/kubernetes-test", kind="test")
    admin.call("DELETE", "sys/mounts/pki-kubernetes", kind="test")
    http.close()
