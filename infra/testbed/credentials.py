"""Keys, tokens and kubeconfigs of one cluster, made with the standard library alone."""

import base64
import json
import re
import secrets
from pathlib import Path
from typing import Any

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_OID = bytes.fromhex("06082a8648ce3d030107")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


def signing_key() -> str:
    """A new P-256 private key in PEM (SEC 1, RFC 5915): whoever reads it works out the public half."""
    scalar = (secrets.randbelow(_P256_ORDER - 1) + 1).to_bytes(32)
    body = _der(0x02, b"\x01") + _der(0x04, scalar) + _der(0xA0, _P256_OID)
    return _pem("EC PRIVATE KEY", _der(0x30, body))


def token() -> str:
    """A bearer token nobody can guess."""
    return secrets.token_urlsafe(32)


def issuer(chain: str) -> str:
    """The last certificate of a PEM chain: kube-apiserver writes its own, then the one that signed it."""
    return [found[0] for found in _CERTIFICATE.finditer(chain)][-1]


def kubeconfig(server: str, ca: bytes, *, token: str, namespace: str = "default", name: str = "testbed") -> str:
    """A kubeconfig with one context. JSON is YAML, so that every client reads it."""
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {
                "name": name,
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()},
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
    }
    return json.dumps(content, indent=2) + "\n"


def write_private(path: Path, content: str) -> Path:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(content)
    return path


def _der(tag: int, content: bytes) -> bytes:
    """One DER element; what is written here is shorter than 128 bytes."""
    return bytes((tag, len(content))) + content


def _pem(label: str, der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))
