"""Scanners' reports: values and places out of them, whatever else they hold; what is none is refused unquoted."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.hosts.cli.failures import CommandError
from infra.hosts.cli.scanner_reports import gitleaks, trufflehog

SECRET = "Zq81-hunter-Kx9"


def written(folder: Path, text: str) -> Path:
    file = folder / "report.json"
    file.write_text(text)
    return file


def test_gitleaks(tmp_path: Path) -> None:
    entry = {"RuleID": "aws-key", "File": "a b.py", "StartLine": 3, "Commit": "c" * 40, "Secret": SECRET, "Match": "x"}
    (found,) = gitleaks(written(tmp_path, json.dumps([entry, {"RuleID": "empty", "Secret": ""}, 7])))
    assert base64.b64decode(found["value"]).decode() == SECRET
    assert (found["detector"], found["place"]) == ("aws-key", f"{'c' * 12}:a b.py:3")


def test_trufflehog(tmp_path: Path) -> None:
    entry = {
        "DetectorName": "Redis", "Raw": SECRET, "Verified": True,
        "SourceMetadata": {"Data": {"Git": {"commit": "abc", "file": "x", "line": 2}}},
    }  # fmt: skip
    found = trufflehog(written(tmp_path, json.dumps(entry) + "\n\n" + json.dumps({"level": "info"}) + "\n"))
    assert [(one["detector"], one["place"]) for one in found] == [("Redis", "abc:x:2")]


@pytest.mark.parametrize("text", ["{", "[" * 100_000, f'"{SECRET}', '{"a": 1}', f"[{SECRET}]"])
def test_what_is_no_report_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(CommandError) as refused:
        gitleaks(written(tmp_path, text))
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_report_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        gitleaks(tmp_path / "none")


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["RuleID", "File", "StartLine", "Commit", "Secret", "Raw", "SourceMetadata"]),
            st.text(max_size=30)
            | st.integers()
            | st.none()
            | st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
        ),
        max_size=4,
    )
)
def test_whatever_a_scanner_writes_is_text_that_can_be_shown(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("reports")
    found = gitleaks(written(folder, json.dumps(entries)))
    found += trufflehog(written(folder, "\n".join(map(json.dumps, entries))))
    for one in found:
        assert all(each.isprintable() for each in (one["detector"], one["place"]))
