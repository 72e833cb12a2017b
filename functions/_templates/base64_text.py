"""Base64 and its relatives as Go's encoding packages read them: padded, line breaks ignored, nothing else."""

import base64
import re

_STANDARD = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_URL = re.compile(rb"(?:[-A-Za-z0-9_]{4})*(?:[-A-Za-z0-9_]{2}==|[-A-Za-z0-9_]{3}=)?")
_BASE32 = re.compile(rb"(?:[A-Z2-7]{8})*(?:[A-Z2-7]{2}={6}|[A-Z2-7]{4}====|[A-Z2-7]{5}===|[A-Z2-7]{7}=)?")


def standard(raw: bytes) -> bytes | None:
    """The bytes that standard Base64 encodes, None where it is not that."""
    text = _joined(raw)
    return base64.b64decode(text) if _STANDARD.fullmatch(text) else None


def url_safe(raw: bytes) -> bytes | None:
    """The bytes that padded URL-safe Base64 encodes, None where it is not that."""
    text = _joined(raw)
    return base64.urlsafe_b64decode(text) if _URL.fullmatch(text) else None


def base32(raw: bytes) -> bytes | None:
    """The bytes that padded Base32 encodes, None where it is not that."""
    text = _joined(raw)
    return base64.b32decode(text) if _BASE32.fullmatch(text) else None


def _joined(raw: bytes) -> bytes:
    return raw.translate(None, b"\r\n")
