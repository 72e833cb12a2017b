"""What a step logs in with at the embedded authority: an AppRole's ids, in a file that only the owner may read."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from functions._values import SecretValue
from infra.hosts.openbao.private_files import private_directory, read_json, write_private_json

WARDEN = "lockstep-warden"


@dataclass(frozen=True, slots=True)
class Identity:
    """An AppRole. `name` is that of its role and policy; the role id is no secret, the secret id is."""

    name: str
    role_id: str
    secret_id: SecretValue = field(repr=False)


class Identities:
    """The files `<directory>/<name>.json` (0600)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> Identity | None:
        content = read_json(self._directory / f"{name}.json") or {}
        role_id, secret_id = content.get("role_id"), content.get("secret_id")
        if not isinstance(role_id, str) or not isinstance(secret_id, str):
            return None
        return Identity(name, role_id, SecretValue.of(secret_id))

    def ensure(self, name: str) -> Identity:
        """The identity, made up here where there is none. It counts for nothing until a role knows it.

        Made here rather than at the server, so that a crash leaves either no file, or a file that the next start
        makes known; never a credential that nobody can name.
        """
        known = self.read(name)
        if known is not None:
            return known
        private_directory(self._directory)
        made = Identity(name, name, SecretValue.of(secrets.token_urlsafe(32)))
        content = {"role_id": made.role_id, "secret_id": made.secret_id.reveal().decode()}
        write_private_json(self._directory / f"{name}.json", content)
        return made
