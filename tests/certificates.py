"""Certificates of servers on this machine, issued by a real authority: OpenBao's PKI engine."""

import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.openbao import OpenBao


@dataclass(frozen=True)
class Issued:
    """Files in PEM, for 127.0.0.1; `ca` is the text of the one that vouches."""

    certificate: Path
    key: Path
    ca_file: Path
    ca: str


def issue(openbao: OpenBao, into: Path) -> Issued:
    """A server's certificate by an authority of its own."""
    admin, mount = openbao.admin(), f"pki-{uuid.uuid4().hex[:8]}"
    admin.call("POST", f"sys/mounts/{mount}", body={"type": "pki"}, kind="test")
    admin.call("POST", f"{mount}/root/generate/internal", body={"common_name": "test CA", "ttl": "24h"}, kind="test")
    role = {"allow_any_name": True, "enforce_hostnames": False, "max_ttl": "1h"}
    admin.call("POST", f"{mount}/roles/any", body=role, kind="test")
    body = {"common_name": "server", "ip_sans": "127.0.0.1"}
    issued = admin.call("POST", f"{mount}/issue/any", body=body, kind="test").body["data"]
    made = Issued(into / "server.crt", into / "server.key", into / "ca.crt", str(issued["issuing_ca"]))
    made.certificate.write_text(str(issued["certificate"]))
    made.key.write_text(str(issued["private_key"]))
    made.ca_file.write_text(made.ca)
    return made
