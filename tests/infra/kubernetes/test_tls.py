"""TLS with client certificates, as kubeconfigs of kind and kubeadm have them; a real authority signs them."""

import base64
import json
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from functions._failures import Unavailable
from functions._values import SecretValue
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import Certificate, CertificateFiles, GivenCertificate
from infra.kubernetes.kubeconfig import from_kubeconfig
from infra.kubernetes.settings import ClusterSettings, InvalidSettings
from infra.kubernetes.tls import tls_context
from tests.openbao import OpenBao

CANARY = "canary-61aa"
Issue = Callable[[str], Mapping[str, str]]


@pytest.fixture
def issue(openbao: OpenBao) -> Issue:
    """`issue(name)`: a certificate with its key and the CA's, all of one authority."""
    admin, mount = openbao.admin(), f"pki-{uuid.uuid4().hex[:8]}"
    admin.call("POST", f"sys/mounts/{mount}", body={"type": "pki"}, kind="test")
    admin.call("POST", f"{mount}/root/generate/internal", body={"common_name": "test CA", "ttl": "24h"}, kind="test")
    role = {"allow_any_name": True, "enforce_hostnames": False, "max_ttl": "1h"}
    admin.call("POST", f"{mount}/roles/any", body=role, kind="test")

    def issued(name: str) -> Mapping[str, str]:
        body = {"common_name": name, "ip_sans": "127.0.0.1"}
        answer = admin.call("POST", f"{mount}/issue/any", body=body, kind="test").body["data"]
        return {part: str(answer[part]) for part in ("certificate", "private_key", "issuing_ca")}

    return issued


class _Answering(BaseHTTPRequestHandler):
    """Tells the caller who it is by its certificate."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        subject = self.connection.getpeercert()["subject"]
        body = json.dumps({"name": dict(pair for part in subject for pair in part)["commonName"]}).encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is refused is part of the game."""


@pytest.fixture
def server(issue: Issue, tmp_path: Path) -> Iterator[str]:
    """The address of a server that takes certificates of the authority alone."""
    mine = issue("server")
    (tmp_path / "server.pem").write_text(f"{mine['certificate']}\n{mine['private_key']}\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    context.load_verify_locations(cadata=mine["issuing_ca"])
    context.verify_mode = ssl.CERT_REQUIRED
    listening = _Server(("127.0.0.1", 0), _Answering)
    listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listening.server_address[1]}"
    listening.shutdown()
    thread.join()
    listening.server_close()


def certificate(issued: Mapping[str, str]) -> Certificate:
    return Certificate(issued["certificate"].encode(), SecretValue.of(issued["private_key"]))


def test_a_client_certificate_says_who_we_are(issue: Issue, server: str) -> None:
    mine = issue("jane")
    api = Api(
        ClusterSettings(server=server, ca=mine["issuing_ca"].encode(), credentials=GivenCertificate(certificate(mine)))
    )
    assert api.get_raw("/whoami") == {"name": "jane"}
    api.close()


def test_a_kubeconfig_with_a_client_certificate_and_a_renewed_one(issue: Issue, server: str, tmp_path: Path) -> None:
    def write(issued: Mapping[str, str]) -> None:
        (tmp_path / "me.crt").write_text(issued["certificate"])
        (tmp_path / "me.key").write_text(issued["private_key"])

    mine = issue("jane")
    write(mine)
    ca = base64.b64encode(mine["issuing_ca"].encode()).decode()
    (tmp_path / "config").write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": ca}}],
                "users": [{"name": "u", "user": {"client-certificate": "me.crt", "client-key": "me.key"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    settings = from_kubeconfig({}, kubeconfig=str(tmp_path / "config"))
    assert isinstance(settings.credentials, CertificateFiles)
    api = Api(settings)
    assert [api.get_raw("/whoami")["name"] for _ in range(2)] == ["jane", "jane"]
    write(issue("jane-renewed"))
    assert api.get_raw("/whoami") == {"name": "jane-renewed"}
    api.close()


def test_without_one_the_server_takes_nobody(issue: Issue, server: str) -> None:
    api = Api(ClusterSettings(server=server, ca=issue("x")["issuing_ca"].encode()))
    with pytest.raises(Unavailable, match="cannot reach the API server"):
        api.get_raw("/whoami")
    api.close()


def test_the_servers_name_may_differ_from_its_address(issue: Issue, server: str) -> None:
    mine = issue("jane")
    for name, taken in (("server", True), ("other", False)):
        settings = ClusterSettings(
            server=server, ca=mine["issuing_ca"].encode(), credentials=GivenCertificate(certificate(mine)),
            tls_server_name=name,
        )  # fmt: skip
        api = Api(settings)
        if taken:
            assert api.get_raw("/whoami") == {"name": "jane"}
        else:
            with pytest.raises(Unavailable, match="SSLCertVerificationError"):
                api.get_raw("/whoami")
        api.close()


def test_what_cannot_be_loaded_is_told_without_showing_it(issue: Issue) -> None:
    one, two = issue("one"), issue("two")
    odd = [
        Certificate(CANARY.encode(), SecretValue.of(CANARY)),
        Certificate(one["certificate"].encode(), SecretValue.of(two["private_key"])),
        Certificate(b"", SecretValue.of("")),
    ]
    for each in odd:
        with pytest.raises(InvalidSettings, match="client certificate or its key cannot be loaded") as refused:
            tls_context(ClusterSettings(server="https://host", ca=one["issuing_ca"].encode()), each)
        assert CANARY not in str(refused.value)
    for settings in (
        ClusterSettings(server="https://host", ca=CANARY.encode()),
        ClusterSettings(server="https://host", ca="ü".encode()),
        ClusterSettings(server="https://host", ca_file="/nonexistent/ca.crt"),
    ):
        with pytest.raises(InvalidSettings, match=r"CA in .* cannot be loaded") as refused:
            tls_context(settings, None)
        assert CANARY not in str(refused.value)
