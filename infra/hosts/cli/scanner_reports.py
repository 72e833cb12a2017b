"""What gitleaks and trufflehog write about their findings (JSON), as findings of ours: the values, and where.

The values are held until they are fingerprinted, and never shown. Their shape is others' to change: what is not there
is left out, and a report without a single value is told of.
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.hosts.cli.failures import CommandError, Exit

LARGEST = 256 * 1024 * 1024  # bytes of a report
_UNFIT = re.compile(r"[^A-Za-z0-9_./:@#+=, -]+")


def gitleaks(file: Path) -> list[dict[str, Any]]:
    """The findings of `gitleaks ... --report-format json`: an array."""
    document = _parsed(file, _read(file))
    if not isinstance(document, list):
        raise CommandError(f"{file} is no report of gitleaks: not a JSON array", Exit.USAGE)
    return _some(_gitleaks(one) for one in document if isinstance(one, dict))


def trufflehog(file: Path) -> list[dict[str, Any]]:
    """The findings of `trufflehog ... --json`: an object on each line."""
    lines = [line for line in _read(file).splitlines() if line.strip()]
    documents = [_parsed(file, line) for line in lines]
    return _some(_trufflehog(one) for one in documents if isinstance(one, dict))


def _gitleaks(one: dict[str, Any]) -> dict[str, Any] | None:
    commit = str(one.get("Commit") or "")[:12]
    place = f"{one.get('File', '')}:{one.get('StartLine', '')}"
    return _finding(one.get("Secret"), one.get("RuleID"), f"{commit}:{place}" if commit else place)


def _trufflehog(one: dict[str, Any]) -> dict[str, Any] | None:
    metadata = one.get("SourceMetadata")
    data = metadata.get("Data") if isinstance(metadata, dict) else None
    (kind, where) = next(iter(data.items()), ("", {})) if isinstance(data, dict) else ("", {})
    found = where if isinstance(where, dict) else {}
    place = ":".join(str(found[name])[:120] for name in ("commit", "file", "line") if found.get(name))
    return _finding(one.get("Raw") or one.get("RawV2"), one.get("DetectorName"), place or str(kind))


def _finding(value: object, detector: object, place: str) -> dict[str, Any] | None:
    if not isinstance(value, str) or not value.strip():
        return None
    name = _UNFIT.sub("-", str(detector or "scanner"))[:100].strip(" -.=,:/@#+") or "scanner"
    return {
        "value": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode(),
        "detector": re.sub(r"[^A-Za-z0-9_.:/ -]", "-", name),
        "place": _UNFIT.sub("?", place)[:300],
    }


def _some(found: Iterator[dict[str, Any] | None]) -> list[dict[str, Any]]:
    return [one for one in found if one is not None]


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", Exit.USAGE) from None
    if len(raw) > LARGEST:
        raise CommandError(f"{file} is larger than {LARGEST // 2**20} MiB", Exit.USAGE)
    return raw


def _parsed(file: Path, raw: bytes) -> Any:
    try:
        return json.loads(raw or b"[]")
    except (ValueError, RecursionError):  # its text quotes the report
        raise CommandError(f"{file} is no JSON of a scanner", Exit.USAGE) from None
