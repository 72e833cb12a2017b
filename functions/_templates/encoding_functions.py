"""Encodings and digests: sprig's, and ESO's YAML.

Where sprig gives the decoder's complaint as if it were the result (b64dec and its like), and where ESO gives it under
the key `Error` (fromYaml), these raise Fault: such a text is no secret that anybody wants delivered.
"""

import base64
import hashlib

from functions._templates import base64_text, json_text, yaml_text
from functions._templates.errors import Fault
from functions._templates.limits import Budget
from functions._templates.signature import group
from functions._templates.values import Value


def _decoded(found: bytes | None, what: str) -> bytes:
    if found is None:
        raise Fault(f"the value is not {what}")
    return found


def _unhex(_: Budget, raw: bytes) -> bytes:
    if any(each in b" \t\n\r\f\v" for each in raw):
        raise Fault("the value is not hexadecimal")
    try:
        return bytes.fromhex(raw.decode("ascii"))
    except ValueError:
        raise Fault("the value is not hexadecimal") from None


def _from_json(budget: Budget, raw: bytes) -> Value:
    try:
        return json_text.parsed(raw, budget)
    except ValueError:
        return None  # as sprig: `fromJson | default dict` is an idiom


def _must_from_json(budget: Budget, raw: bytes) -> Value:
    try:
        return json_text.parsed(raw, budget)
    except ValueError:
        raise Fault("the value is not JSON") from None


def _to_json(budget: Budget, value: Value) -> bytes:
    return json_text.written(value, budget)


def _to_raw_json(budget: Budget, value: Value) -> bytes:
    return json_text.written(value, budget, html=False)


def _to_pretty_json(budget: Budget, value: Value) -> bytes:
    return json_text.written(value, budget, indent="  ")


def _digest(name: str, raw: bytes) -> bytes:
    return hashlib.new(name, raw, usedforsecurity=False).hexdigest().encode()


ENCODINGS = group("Encodings", (
    ("b64enc", "string", lambda _, s: base64.b64encode(s), "To Base64"),
    ("b64dec", "string", lambda _, s: _decoded(base64_text.standard(s), "Base64"), "From Base64"),
    ("b32enc", "string", lambda _, s: base64.b32encode(s), "To Base32"),
    ("b32dec", "string", lambda _, s: _decoded(base64_text.base32(s), "Base32"), "From Base32"),
    ("hexdec", "string", _unhex, "From hexadecimal"),
    ("toJson", "any", _to_json, "As JSON, `<`, `>` and `&` escaped"),
    ("mustToJson", "any", _to_json, "The same as toJson"),
    ("toRawJson", "any", _to_raw_json, "As JSON"),
    ("mustToRawJson", "any", _to_raw_json, "The same as toRawJson"),
    ("toPrettyJson", "any", _to_pretty_json, "As indented JSON"),
    ("mustToPrettyJson", "any", _to_pretty_json, "The same as toPrettyJson"),
    ("fromJson", "string", _from_json, "The value of a JSON text, nil where it is none"),
    ("mustFromJson", "string", _must_from_json, "The value of a JSON text"),
    ("toYaml", "any", lambda budget, value: yaml_text.written(value, budget), "As YAML"),
    ("fromYaml", "string", lambda budget, s: yaml_text.parsed(s, budget), "The mapping that a YAML text holds"),
    ("sha1sum", "string", lambda _, s: _digest("sha1", s), "SHA-1, in hexadecimal"),
    ("sha256sum", "string", lambda _, s: _digest("sha256", s), "SHA-256, in hexadecimal"),
    ("sha512sum", "string", lambda _, s: _digest("sha512", s), "SHA-512, in hexadecimal"),
))  # fmt: skip
