"""From a fired alert to a refused login: the real Alertmanager with the receiver that we ship, a real PostgreSQL."""

import hashlib
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.hosts.alerts import LABELS
from infra.testbed import packages
from tests.alertmanager import Alertmanager
from tests.e2e.conftest import QUICK
from tests.e2e.rotation.shop import PATIENCE, Shop, established
from tests.instance import Running

pytestmark = pytest.mark.e2e

TOKEN = "the-reporters-token"
SHIPPED = Path(__file__).parents[3] / "infra" / "deploy" / "alertmanager"


def configured(shop: Shop, may: str = "rotate") -> None:
    reporter = {"name": "alertmanager", "tokenSHA256": hashlib.sha256(TOKEN.encode()).hexdigest(), "may": may}
    shop.at.configure(**QUICK, rotation={"intervalSeconds": 0.5}, reporters=[reporter])


def receiver(up: Running, folder: Path) -> str:
    """The shipped configuration, for this Lockstep."""
    token = folder / "lockstep-token"
    token.write_text(TOKEN)
    text = (SHIPPED / "alertmanager.yml").read_text()
    url = up.url.removesuffix("/lockstep/default")
    for theirs, ours in (("http://127.0.0.1:8080", url), ("/etc/alertmanager/lockstep-token", str(token))):
        assert text.count(theirs) == 1
        text = text.replace(theirs, ours)
    return text


def fired(name: str = "SecretInLog", **labels: str) -> dict[str, Any]:
    began = datetime.now(UTC).isoformat()
    said = {"alertname": name, "lockstep": "leak", "severity": "critical", **labels}
    return {"labels": said, "annotations": {"summary": "templates put anything here"}, "startsAt": began}


def leaks(up: Running) -> list[Any]:
    found: list[Any] = up.control.ask("leaks")["leaks"]
    return found


def fingerprint(up: Running, value: str) -> str:
    answer = up.control.tell("fingerprint", purpose="fingerprint", values=[b64encode(value.encode()).decode()])
    return str(answer["fingerprints"][0])


def contained(up: Running) -> Any:
    up.wait_for(lambda: [one["state"] for one in leaks(up)] == ["contained"], f"containment of {leaks(up)}", PATIENCE)
    (one,) = leaks(up)
    return up.control.ask("leaks/show", leak=one["id"])


@pytest.mark.parametrize("by", ["path", "fingerprint"])
def test_a_fired_alert_ends_in_a_refused_login(
    shop: Shop, tmp_path: Path, start_alertmanager: Callable[[str], Alertmanager], by: str
) -> None:
    shop.lay_out(shop.server.role(), shop.server.role())
    configured(shop)
    with shop.at.running() as up:
        leaked = established(shop, up)
        assert shop.lets_in(leaked)
        labels = {"lockstep_path": shop.full_path, "lockstep_key": "password"}
        if by == "fingerprint":
            labels = {"lockstep_fingerprint": fingerprint(up, leaked[1])}
        start_alertmanager(receiver(up, tmp_path)).fire(fired(**labels))
        up.wait_for(lambda: not shop.lets_in(leaked), "a refused login", PATIENCE)
        up.wait_for(lambda: shop.credential() not in (None, leaked), "another credential at the consumer")
        shown = contained(up)
        assert shown["match"] == by
        assert shown["reporters"] == ["reporter:alertmanager"]
        assert [one["standing"] for one in shown["exposures"]] == ["revoked"]
        assert shown["secondsToContain"] >= 0
        assert [one["what"] for one in shown["timeline"]][-1] == "contained"
        current = shop.credential()
        assert current is not None
        assert shop.lets_in(current)
        assert up.at.dead_letters() == []


def test_revoke_first_waits_for_an_operator_where_only_a_path_was_told(
    shop: Shop, tmp_path: Path, start_alertmanager: Callable[[str], Alertmanager]
) -> None:
    shop.lay_out(shop.server.role(), leak={"response": "revoke-first"})
    configured(shop, may="revoke-first")
    with shop.at.running() as up:
        leaked = established(shop, up)
        start_alertmanager(receiver(up, tmp_path)).fire(fired(lockstep_path=shop.full_path))
        up.wait_for(lambda: [one["held"] for one in leaks(up)] == ["needs-confirmation"], "that it is held")
        assert shop.lets_in(leaked)
        up.control.tell("leak/decide", leak=leaks(up)[0]["id"], decision="confirm", reason="seen")
        up.wait_for(lambda: not shop.lets_in(leaked), "a refused login", PATIENCE)
        contained(up)
        assert shop.credential() not in (None, leaked)


def test_alertmanager_comes_again_after_a_503(
    shop: Shop, tmp_path: Path, start_alertmanager: Callable[[str], Alertmanager]
) -> None:
    """While Lockstep is down, the alert is not lost: it is told again when it is back."""
    shop.lay_out(shop.server.role(), shop.server.role())
    configured(shop)
    with shop.at.running() as up:
        leaked = established(shop, up)
        port = up.url.split(":")[2].split("/")[0]
        server = start_alertmanager(receiver(up, tmp_path))
        up.stop()
        server.fire(fired(lockstep_path=shop.full_path))
        time.sleep(0.5)
        up.at.options = ("--listen", f"127.0.0.1:{port}")
        up.restart()
        up.wait_for(lambda: not shop.lets_in(leaked), "a refused login", PATIENCE)
        contained(up)


def test_the_shipped_receiver_is_valid(tmp_path: Path, alertmanager_program: packages.Found) -> None:
    token = tmp_path / "lockstep-token"
    token.write_text(TOKEN)
    text = (SHIPPED / "alertmanager.yml").read_text().replace("/etc/alertmanager/lockstep-token", str(token))
    file = tmp_path / "alertmanager.yml"
    file.write_text(text)
    amtool = alertmanager_program.path.with_name("amtool")
    if not amtool.exists():
        pytest.skip("the package at hand has no amtool")
    done = subprocess.run(
        [str(amtool), "check-config", str(file)], capture_output=True, check=False, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_the_example_rules_carry_labels_that_are_read() -> None:
    groups = yaml.safe_load((SHIPPED / "rules.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    routed = [rule for rule in rules if rule["labels"].get("lockstep") == "leak"]
    assert len(routed) >= 3
    for rule in routed:
        ours = {name for name in rule["labels"] if name.startswith("lockstep_")} | {
            name.strip()
            for name in rule["expr"].split("by (")[1].split(")")[0].split(",")
            if name.startswith("lockstep")
        }
        assert ours, rule["alert"]
        assert {name.strip() for name in ours} <= set(LABELS)
