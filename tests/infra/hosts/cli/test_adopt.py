import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from events.references import PathRef
from infra.hosts.cli.failures import Exit
from infra.stores.vault.kv import KvEngine
from tests.infra.hosts.cli.commands import CANARY, lockstep
from tests.infra.hosts.cli.documents import check
from tests.infra.hosts.cli.test_explain import at_authority
from tests.instance import Running, external_secret, push_secret
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e
_numbers = itertools.count(1)


@dataclass
class Existing:
    """A path that somebody wrote before it was wired, and the PushSecret that wants it."""

    up: Running
    path: PathRef
    engine: KvEngine
    name: str

    @property
    def claimant(self) -> str:
        return f"platform-data/{self.name}"

    def adopt(self, *arguments: str) -> tuple[int, Any]:
        result = lockstep("adopt", str(self.path), "--by", self.claimant, *arguments, "-o", "json", root=self.up.root)
        found = json.loads(result.stdout) if result.stdout else None
        if found is not None:
            check("adopt", found)
        return result.exit_code, found

    def theirs(self, **values: str) -> None:
        found = self.engine.read(self.path.mount, self.path.path)
        self.engine.write(self.path.mount, self.path.path, values, found.number if found else 0)


@pytest.fixture
def existing(openbao: OpenBao, tmp_path: Path) -> Iterator[Existing]:
    at = at_authority(openbao, tmp_path / "root")
    path, name = openbao.path("adopted"), f"push-{next(_numbers)}"
    engine = openbao.engine()
    engine.write(path.mount, path.path, {"password": f"{CANARY}-theirs", "username": "temporal"}, 0)
    at.wire(
        "one", push_secret(name, "platform-data/source", path.path, ("username", "password")),
        external_secret("temporal/pg", path.path),
    )  # fmt: skip
    at.put("platform-data", "source", {"password": f"{CANARY}-ours".encode(), "username": b"temporal"})
    with at.running() as up:
        up.wait_idle()
        yield Existing(up, path, engine, name)


def test_seen_first_then_taken_over_and_distributed(existing: Existing) -> None:
    up = existing.up
    assert up.at.values("temporal", "pg") is None, "nothing foreign is distributed"
    code, found = existing.adopt("--dry-run")
    assert (code, found["outcome"]) == (0, None)
    plan = found["plan"]
    assert (plan["owner"], plan["epoch"], plan["base"]["number"], plan["held"]) == (None, 0, 1, False)
    assert plan["keys"] == {"added": [], "differ": ["password"], "same": ["username"], "dropped": []}
    assert existing.engine.read(existing.path.mount, existing.path.path).number == 1  # type: ignore[union-attr]  # it is there
    text = lockstep("adopt", str(existing.path), "--by", existing.claimant, "--dry-run", root=up.root).stdout
    assert "nothing was changed" in text
    assert "owner:    nobody" in text

    code, found = existing.adopt()
    assert code == 0, found
    assert found["outcome"]["claimed"]["epoch"] == 1
    assert found["outcome"]["claimed"]["by"].startswith("operator:")
    assert found["outcome"]["published"]["number"] == 2
    assert lockstep("wait", "--all", root=up.root).exit_code == 0
    assert up.at.values("temporal", "pg") == {"password": f"{CANARY}-ours".encode(), "username": b"temporal"}
    entries = [row[0] for row in up.at.query("SELECT type FROM ledger")]
    assert "dev.lockstep.claim.requested" in entries
    assert "dev.lockstep.claim.taken" in entries
    assert existing.adopt("--dry-run")[1]["plan"]["held"] is True


def test_keys_that_would_be_dropped_refuse_it(existing: Existing) -> None:
    existing.theirs(password="p", extra="x")
    code, found = existing.adopt("--dry-run")
    assert (code, found["plan"]["keys"]["dropped"]) == (Exit.FINDINGS, ["extra"])
    assert "also holds extra" in found["plan"]["refused"]
    result = lockstep("adopt", str(existing.path), "--by", existing.claimant, root=existing.up.root)
    assert (result.exit_code, "also holds extra" in result.stderr) == (Exit.REFUSED, True)
    assert existing.up.at.query("SELECT count(*) FROM event WHERE type LIKE '%claim.requested'") == [(0,)]


def test_an_order_against_what_moved_meanwhile_is_refused(existing: Existing) -> None:
    plan = existing.adopt("--dry-run")[1]["plan"]
    existing.theirs(password=f"{CANARY}-moved", username="temporal")
    up = existing.up
    sequence = up.control.tell(
        "adopt", path=str(existing.path), by=existing.claimant, epoch=plan["epoch"], base=plan["base"]
    )["sequence"]
    up.wait_idle()
    outcome = up.control.ask("outcome", sequence=sequence)
    assert outcome["state"] == "dead-lettered"
    assert "changed since the order was given" in outcome["reason"]


@pytest.mark.parametrize(
    ("path", "claimant", "code", "says"),
    [
        ("secret/not/published", None, Exit.NOT_FOUND, "it publishes secret/"),
        (None, "platform-data/nobody", Exit.NOT_FOUND, "is not wired"),
        (None, "no-namespace", Exit.USAGE, "NAMESPACE/NAME"),
    ],
)
def test_what_cannot_be_adopted(
    existing: Existing, path: str | None, claimant: str | None, code: int, says: str
) -> None:
    result = lockstep("adopt", path or str(existing.path), "--by", claimant or existing.claimant, root=existing.up.root)
    assert (result.exit_code, says in result.stderr) == (code, True), result.output
