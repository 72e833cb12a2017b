"""A token for the floor at the very OpenBao that Lockstep runs, by its own administrative identity."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.floor_authority import FloorAuthority
from functions._values import SecretValue
from infra.deploy.vault_policies import Policy
from infra.hosts.openbao.identities import WARDEN, Identities, Identity
from infra.hosts.openbao.private_files import read_json
from infra.hosts.openbao.warden import Warden
from infra.hosts.wiring import vault_client
from infra.stores.vault.auth import AppRoleAuth
from infra.stores.vault.http import HttpClient
from infra.stores.vault.settings import VaultSettings

FOLDER = "floor"  # below the mount `secret`
_NAME = "lockstep-floor"
_POLICY = f"""\
path "secret/data/{FOLDER}/*" {{ capabilities = ["create", "read", "update"] }}
path "secret/metadata/{FOLDER}/*" {{ capabilities = ["read"] }}
"""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the authority is, and a token for the floor's folder."""

    host: str
    port: int
    token: SecretValue

    def connected(self) -> FloorAuthority:
        """A connection to it, to be closed."""
        return FloorAuthority(self.host, self.port, self.token.reveal().decode())


def floor_access(root: Path, more: str = "") -> Access:
    """Log the floor in, as a step would be; `more` are rules of a policy, beside those for its folder."""
    port = int((read_json(root / "state" / "openbao" / "ports.json") or {})["api"])
    http = HttpClient(VaultSettings(f"http://127.0.0.1:{port}"))
    try:
        identity = Identities(root / "state" / "identities").read(WARDEN)
        if identity is None:
            raise RuntimeError(f"{root} has no embedded authority")
        warden = Warden(vault_client(http, AppRoleAuth(http, identity.role_id, identity.secret_id), WARDEN))
        floor = Identity(_NAME, _NAME, SecretValue.of("only-for-a-benchmark-on-this-machine"))
        warden.apply([Policy(_NAME, _POLICY + more)])
        warden.admit(floor)
        warden.close()
        return Access("127.0.0.1", port, AppRoleAuth(http, floor.role_id, floor.secret_id).login().value)
    finally:
        http.close()
