"""decodingStrategy: how the value read becomes the value delivered (ESO, ExternalSecret)."""

from typing import Literal

from functions._failures import Reject
from functions._templates.base64_text import standard, url_safe
from functions._values import SecretValue

Strategy = Literal["None", "Base64", "Base64URL", "Auto"]


class NotDecodable(Reject):
    """The value is not in the encoding that the manifest says."""


def decode(value: SecretValue, strategy: Strategy, *, subject: str) -> SecretValue:
    """The decoded value. Auto tries Base64, then Base64URL, and leaves what is neither as it is.

    Raises NotDecodable naming `subject` (where the value is from or goes), never the value.
    """
    if strategy == "None":
        return value
    raw = value.reveal()
    found = standard(raw) if strategy in ("Base64", "Auto") else None
    if found is None and strategy in ("Base64URL", "Auto"):
        found = url_safe(raw)
    if found is not None:
        return SecretValue(found)
    if strategy == "Auto":
        return value
    raise NotDecodable(f"{subject}: the value is not {strategy}; correct it at the authority, or the decodingStrategy")
