"""lockstep.yaml: defaults, and refusals that name the setting and quote nothing."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.catalogue import EVENTS
from events.event import Category
from infra.hosts.configuration import Configuration, ConfigurationError, load, unsayable

DIGEST = hashlib.sha256(b"token").hexdigest()


def loaded(folder: Path, **sections: Any) -> Configuration:
    file = folder / "lockstep.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Configuration", **sections}))
    return load(file)


def test_without_a_file_and_with_an_empty_one(tmp_path: Path) -> None:
    assert load(tmp_path / "lockstep.yaml") == Configuration()
    (tmp_path / "lockstep.yaml").write_text("# nothing yet\n")
    assert load(tmp_path / "lockstep.yaml") == Configuration()
    assert loaded(tmp_path) == Configuration()


def test_everything_can_be_said(tmp_path: Path) -> None:
    found = loaded(
        tmp_path, cluster="eu-1", retraction={"graceSeconds": 60, "limit": 0},
        sweep={"intervalSeconds": 5, "shards": 3}, anchor={"intervalSeconds": 1.5},
        delivery={"workers": 2, "retry": 0, "backoffSeconds": 0.5, "timeoutSeconds": 5, "pendingLimit": 10},
        conventions={"mode": "enforce", "namespaces": {"legacy": "warn"}},
        audit={"file": "/var/log/openbao/audit.log", "socket": "unix:/run/lockstep/audit.sock", "embedded": False},
        authority={"claimsMount": "own", "transitMount": "own-transit", "allowedServers": ["https://v:8200"]},
        ownership={"orders": {"uid": 0, "gid": 70000}},
        principals=[{"name": "alerts", "tokenSHA256": DIGEST, "types": ["com.example.*"], "eventsPerSecond": 0.5}],
    )  # fmt: skip
    assert (found.cluster, found.retraction.limit, found.sweep.shards) == ("eu-1", 0, 3)
    assert found.ownership["orders"].gid == 70000
    assert found.principals[0].subject_prefixes == ("",)


@pytest.mark.parametrize(
    ("sections", "setting"),
    [
        ({"clutser": "x"}, "clutser"),
        ({"cluster": "Not A Name"}, "cluster"),
        ({"retraction": {"grace": 1}}, "retraction.grace"),
        ({"restart": {"window": "at night"}}, "restart.window"),
        ({"retraction": {"graceSeconds": -1}}, "retraction.graceSeconds"),
        ({"retraction": {"graceSeconds": float("inf")}}, "retraction.graceSeconds"),
        ({"sweep": {"intervalSeconds": 0}}, "sweep.intervalSeconds"),
        ({"sweep": {"intervalSeconds": 1e12}}, "sweep.intervalSeconds"),
        ({"sweep": {"intervalSeconds": float("nan")}}, "sweep.intervalSeconds"),
        ({"sweep": {"shards": 5000}}, "sweep.shards"),
        ({"anchor": {"intervalSeconds": float("inf")}}, "anchor.intervalSeconds"),
        ({"audit": {"file": "audit.log"}}, "audit.file"),
        ({"audit": {"socket": "9700"}}, "audit.socket"),
        ({"audit": {"embedded": "perhaps"}}, "audit.embedded"),
        ({"delivery": {"backoffSeconds": 0.00001}}, "delivery.backoffSeconds"),
        ({"delivery": {"timeoutSeconds": 1e20}}, "delivery.timeoutSeconds"),
        ({"delivery": {"workers": "many"}}, "delivery.workers"),
        ({"conventions": {"mode": "off"}}, "conventions.mode"),
        ({"ownership": {"orders": {"uid": -1}}}, "ownership.orders.uid"),
        ({"ownership": {"orders": {"gid": 2**32 - 1}}}, "ownership.orders.gid"),
        ({"kind": "Other"}, "kind"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, sections: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"lockstep\.yaml: {setting}: "):
        loaded(tmp_path, **sections)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [1\n", "line 2: not YAML"),
        ("a: b: c\n", "not YAML"),
        ("- 1\n", "the document"),
        ("text", "the document"),
        ("\x00", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("a: 2026-13-45\n", "not YAML"),
    ],
)
def test_a_document_that_is_none(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "lockstep.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=part):
        load(tmp_path / "lockstep.yaml")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "lockstep.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "lockstep.yaml")


# --- principals -----------------------------------------------------------------------------------------------------


def principal(**changes: Any) -> dict[str, Any]:
    return {"name": "alerts", "tokenSHA256": DIGEST, "types": ["com.example.alert"], **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"tokenSHA256": "canary-4711"},
        {"tokenSHA256": DIGEST.upper()},
        {"name": "Alerts 1"},
        {"token": "canary-4711"},
        {"eventsPerSecond": 0},
        {"eventsPerSecond": float("inf")},
    ],
)
def test_a_bad_principal_is_refused_and_not_quoted(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"principals\.0\.") as failure:
        loaded(tmp_path, principals=[principal(**changes)])
    assert "canary" not in str(failure.value)


def test_the_digest_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="digest of nothing"):
        loaded(tmp_path, principals=[principal(tokenSHA256=hashlib.sha256(b"").hexdigest())])


@pytest.mark.parametrize(
    "pattern",
    ["*", "dev.lockstep.*", "dev.lockstep.secret.*", "*.published", "dev.lockstep.secret.published", "dev.*.changed"],
)
def test_nobody_may_be_allowed_to_say_a_steps_facts(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=r"covers dev\.lockstep\..* which only Lockstep itself says"):
        loaded(tmp_path, principals=[principal(types=[pattern])])


@pytest.mark.parametrize(
    "pattern", ["com.example.*", "dev.lockstep.*.requested", "dev.lockstep.secret.changed", "dev.lockstep.schedule.*"]
)
def test_orders_hints_and_others_words_may_be_said(tmp_path: Path, pattern: str) -> None:
    assert loaded(tmp_path, principals=[principal(types=[pattern])]).principals[0].types == (pattern,)


def test_every_fact_is_unsayable() -> None:
    assert {event.TYPE for event in EVENTS if event.CATEGORY is Category.FACT} < unsayable()
    assert not {event.TYPE for event in EVENTS if event.CATEGORY is Category.ORDER} & unsayable()


@pytest.mark.parametrize(
    ("second", "what"),
    [({"tokenSHA256": "0" * 64}, "names"), ({"name": "other"}, "tokens")],
)
def test_two_principals_are_two(tmp_path: Path, second: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"two of them have the same {what}"):
        loaded(tmp_path, principals=[principal(), principal(**second)])
