"""What a refused request means for a step: conflict, unavailable, or never (principle 7)."""

from functions._failures import Conflict, Denied, Reject, StepFailure, Unavailable
from infra.stores.vault.http import DEPENDENCY, Answer

_SHEDDING = frozenset({412, 429, 472, 473, 500, 502, 503, 504})


def refusal(answer: Answer, path: str, identity: str) -> StepFailure:
    """The failure for an answer with status >= 400. `path` is the API path, `identity` the policy to look at."""
    text = "; ".join(answer.errors)
    if answer.status == 403:
        reason = f"permission denied on {path}: apply the policy {identity} anew, or wire the path for it"
        return Denied(DEPENDENCY, reason, answer.retry_after)
    if answer.status == 413 or "too large" in text:
        return Reject(f"the value for {path} is larger than the authority accepts; split it, or raise its limit")
    if answer.status == 400:
        return _bad_request(text, path, answer)
    if answer.status == 404:
        return Reject(f"there is nothing at {path} ({text or 'not found'}); is the mount a KV version 2 there?")
    if answer.status in _SHEDDING or answer.status >= 500:
        return Unavailable(
            DEPENDENCY, f"the authority answers {answer.status} on {path}: {_state(answer)}", answer.retry_after
        )
    return Reject(f"the authority answers {answer.status} on {path}: {text or 'no reason given'}")


def _bad_request(text: str, path: str, answer: Answer) -> StepFailure:
    if "check-and-set parameter did not match" in text:
        return Conflict(f"{path} changed since it was read; read it again")
    if "Upgrading from non-versioned" in text:
        return Unavailable(DEPENDENCY, f"the mount of {path} is still being made ready", answer.retry_after or 1.0)
    return Reject(f"the authority refuses the request for {path}: {text or 'no reason given'}")


def _state(answer: Answer) -> str:
    text = "; ".join(answer.errors)
    if "sealed" in text:
        return "it is sealed; unseal it"
    return text or {429: "it sheds load, or is a standby", 503: "it is sealed or not ready"}.get(
        answer.status, "no reason"
    )
