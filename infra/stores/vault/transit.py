"""Signatures by a key that its user can use but not read (transit)."""

import base64
import re
from dataclasses import dataclass

from functions._failures import Reject
from infra.stores.vault.client import VaultClient

MOUNT = "lockstep-transit"
KEY = "ledger"
_SIGNATURE = re.compile(r"vault:v(\d+):[A-Za-z0-9+/=_-]+")


@dataclass(frozen=True, slots=True)
class Signature:
    """`text` is what transit writes and reads (`vault:v<key version>:<base64>`)."""

    text: str
    key_version: int


class TransitSigner:
    """Signs and verifies with one ed25519 key."""

    def __init__(self, client: VaultClient, mount: str = MOUNT, key: str = KEY) -> None:
        self._client = client
        self._mount = mount
        self._key = key

    def sign(self, message: bytes) -> Signature:
        """The signature over a message, by the key's newest version."""
        body = {"input": base64.b64encode(message).decode()}
        answer = self._client.call("POST", f"{self._mount}/sign/{self._key}", body=body, kind="sign")
        data = answer.body.get("data")
        text = data.get("signature") if isinstance(data, dict) else None
        match = _SIGNATURE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise Reject(f"{self._mount}/sign/{self._key} gives no signature; is it a transit mount?")
        return Signature(match[0], int(match[1]))

    def verify(self, message: bytes, signature: str) -> bool:
        """Whether the key made this signature over this message; False for anything that is none."""
        if not _SIGNATURE.fullmatch(signature):
            return False
        body = {"input": base64.b64encode(message).decode(), "signature": signature}
        # Transit refuses what is no signature of its own as a bad request.
        where = f"{self._mount}/verify/{self._key}"
        answer = self._client.call("POST", where, body=body, kind="verify", refused_ok=True)
        if any("key not found" in error for error in answer.errors):
            raise Reject(f"the authority has no key {self._mount}/keys/{self._key}; nothing can be verified without it")
        data = answer.body.get("data")
        return isinstance(data, dict) and data.get("valid") is True
