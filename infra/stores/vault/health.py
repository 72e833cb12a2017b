"""What the authority says of itself, for readiness; asked without any identity."""

from dataclasses import dataclass

from functions._failures import Unavailable
from infra.stores.vault.http import HttpClient


@dataclass(frozen=True, slots=True)
class Health:
    """`reason` says what to do, "" when the authority serves."""

    reachable: bool
    initialized: bool
    sealed: bool
    standby: bool
    version: str
    reason: str

    @property
    def serves(self) -> bool:
        """Whether it can be read and written through (a standby forwards)."""
        return self.reachable and self.initialized and not self.sealed


def health(http: HttpClient) -> Health:
    """One request to sys/health. Raises nothing: not being there is an answer."""
    try:
        answer = http.request("GET", "sys/health?standbyok=true&perfstandbyok=true", kind="health")
    except Unavailable as failure:
        return Health(False, False, True, False, "", failure.reason)
    body = answer.body
    initialized, sealed = body.get("initialized") is True, body.get("sealed") is not False
    reason = ""
    if "initialized" not in body:
        reason = f"{http.settings.address} answers {answer.status} to sys/health; is it a Vault or OpenBao?"
    elif not initialized:
        reason = f"{http.settings.address} is not initialized; initialize it"
    elif sealed:
        reason = f"{http.settings.address} is sealed; unseal it"
    return Health(True, initialized, sealed, body.get("standby") is True, str(body.get("version") or ""), reason)
