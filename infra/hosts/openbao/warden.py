"""The host's administrative identity: keeps policies and roles as the wiring asks, and can do little else."""

from collections.abc import Iterable

from functions._failures import Reject
from functions._values import SecretValue
from infra.deploy.vault_policies import Policy
from infra.hosts.openbao.configuration import role
from infra.hosts.openbao.identities import Identity
from infra.stores.vault.client import VaultClient


class Warden:
    """Writes only what differs: an unchanged wiring costs no request once applied, and one read after a start."""

    def __init__(self, client: VaultClient) -> None:
        self._client = client
        self._applied: dict[str, str] = {}

    def apply(self, policies: Iterable[Policy]) -> tuple[str, ...]:
        """Make these policies so; the names of those that changed."""
        return tuple(policy.name for policy in policies if self._apply(policy))

    def admit(self, identity: Identity) -> None:
        """Make the identity's role and credentials known, whichever part of that was done before."""
        where = f"auth/approle/role/{identity.name}"
        wanted = role(identity.name)
        if not self._has(where, wanted):
            self._client.call("POST", where, body=wanted, kind="role")
        if not self._has(f"{where}/role-id", {"role_id": identity.role_id}):
            self._client.call("POST", f"{where}/role-id", body={"role_id": identity.role_id}, kind="role")
        self._admit_secret_id(where, identity.secret_id)

    def maintain(self) -> None:
        """Renew the warden's own token if it is time to."""
        self._client.maintain()

    def close(self) -> None:
        self._client.close()

    def _apply(self, policy: Policy) -> bool:
        if not policy.name.startswith("lockstep-"):
            raise Reject(f"the warden writes only policies named lockstep-*, not {policy.name}")
        if self._applied.get(policy.name) == policy.text:
            return False
        where = f"sys/policies/acl/{policy.name}"
        changed = not self._has(where, {"policy": policy.text})
        if changed:
            self._client.call("POST", where, body={"policy": policy.text}, kind="policy")
        self._applied[policy.name] = policy.text
        return changed

    def _has(self, where: str, wanted: dict[str, object]) -> bool:
        answer = self._client.call("GET", where, kind="policy", absent_ok=True)
        data = answer.body.get("data")
        if not isinstance(data, dict):
            return False
        return all(_same(data.get(key), value) for key, value in wanted.items())

    def _admit_secret_id(self, where: str, secret_id: SecretValue) -> None:
        body = {"secret_id": secret_id.reveal().decode()}
        known = self._client.call("POST", f"{where}/secret-id/lookup", body=body, kind="role", absent_ok=True)
        if not known.body.get("data"):
            self._client.call("POST", f"{where}/custom-secret-id", body=body, kind="role")


def _same(found: object, wanted: object) -> bool:
    """Whether a stored parameter is the wanted one; addresses come back without the length of a whole one."""
    if isinstance(found, list) and isinstance(wanted, list):
        return [str(item).removesuffix("/32") for item in found] == [str(item).removesuffix("/32") for item in wanted]
    return found == wanted
