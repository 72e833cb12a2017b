"""No value of a rotation is anywhere but in the Secret that was made and, encrypted, at the authority."""

from pathlib import Path

import pytest

from tests.e2e.rotation.shop import NAME, Shop, completed, established, rotate
from tests.e2e.test_canary import forms, lockstep
from tests.instance import Running

pytestmark = pytest.mark.e2e
COMMANDS = (
    ("status", "-o", "json"), ("events", "--since", "0", "--limit", "1000", "-o", "json"),
    ("audit", "show", "--all", "-o", "jsonl"), ("rotation", "list", "-o", "json"), ("rotation", "list", "-o", "wide"),
    ("rotation", "show", NAME), ("rotation", "show", NAME, "-o", "json"), ("rotate", NAME, "--dry-run"),
    ("explain", NAME), ("check", "-o", "json"), ("dead-letters", "list", "-o", "json"),
)  # fmt: skip


def test_no_value_is_anywhere_but_in_the_secret(shop: Shop) -> None:
    users = (shop.server.role(), shop.server.role())
    shop.lay_out(*users)
    passwords = [shop.server.admin_password]
    with shop.at.running() as up:
        passwords.append(established(shop, up)[1])
        for _ in range(2):
            before = shop.credential()
            assert completed(up, rotate(up))["phase"] == "completed"
            passwords.append(moved(shop, up, before)[1])
        assert len(set(passwords)) == len(passwords)
        said = {" ".join(command): lockstep(up, *command) for command in COMMANDS}
        said["metrics"] = up.request("GET", "/metrics").body
        assert b"lockstep_rotations{" in said["metrics"]
        wrong = {name: found for name, text in said.items() if (found := leaks(passwords, text))}
        assert not wrong
    files = [path for path in shop.at.root.rglob("*") if path.is_file() and "namespaces" not in path.parts]
    files += [up.output_file, shop.server.log]
    wrong = {str(path): found for path in files if (found := leaks(passwords, content(path)))}
    assert not wrong


def moved(shop: Shop, up: Running, before: tuple[str, str] | None) -> tuple[str, str]:
    """The credential at the consumer, once it is another one."""
    up.wait_for(lambda: shop.credential() not in (None, before), "the new credential")
    now = shop.credential()
    assert now is not None
    return now


def leaks(passwords: list[str], raw: bytes) -> list[int]:
    """Which of them are in it, in any form that an encoder or a log gives a value."""
    return [n for n, each in enumerate(passwords) if any(form in raw for form in forms(each.encode()))]


def content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
