"""Server certificates that a real OpenBao issues: nothing else is needed to make them."""

from dataclasses import dataclass
from pathlib import Path

from tests.openbao import OpenBao


@dataclass(frozen=True)
class Certificates:
    ca: Path
    server: Path
    key: Path


def issued(openbao: OpenBao, folder: Path) -> Certificates:
    """A certificate for 127.0.0.1 and `lockstep.test`, its key, and who vouches for it."""
    admin = openbao.admin()
    mount = f"pki-{folder.name}".replace("_", "-").lower()
    admin.call("POST", f"sys/mounts/{mount}", body={"type": "pki"}, kind="test")
    root = {"common_name": "test ca", "key_type": "ec", "ttl": "48h"}
    admin.call("POST", f"{mount}/root/generate/internal", body=root, kind="test")
    role = {"allow_any_name": True, "enforce_hostnames": False, "key_type": "ec"}
    admin.call("POST", f"{mount}/roles/any", body=role, kind="test")
    wanted = {"common_name": "lockstep.test", "ip_sans": "127.0.0.1", "ttl": "1h"}
    data = admin.call("POST", f"{mount}/issue/any", body=wanted, kind="test").body["data"]
    admin.call("DELETE", f"sys/mounts/{mount}", kind="test")
    found = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    found.ca.write_text(data["issuing_ca"])
    found.server.write_text(data["certificate"])
    found.key.write_text(data["private_key"])
    return found
