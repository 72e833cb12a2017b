"""What a rotation says of itself in the way of a secret: for what it waits, and what mends that."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from events.references import ManifestRef, Version
from functions._rotation_facts import advice
from functions._rotations import Holder, Record, Terms, Trouble
from infra.hosts.views.rotating import rotation_hop
from infra.hosts.views.rotations import RotationState
from tests.infra.hosts.views.scene import PATH

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MANIFEST = ManifestRef(kind="Rotation", namespace="shop", name="orders-db")
RESUME = "lockstep rotation resume shop/orders-db"
OLD = Holder("a", "", Version(number=1, created=NOW))


def waiting(trouble: Trouble | None, old: Holder | None = OLD) -> RotationState:
    record = Record(
        path=PATH, id="0" * 32, manifest=MANIFEST, attempt=1, policy="planned", phase="staged", base=None, began=NOW,
        entered=NOW, by="schedule", terms=Terms(target="db", strategy="alternating", accounts=("a", "b")), old=old,
        new=Holder("b"), trouble=trouble,
    )  # fmt: skip
    return RotationState(PATH, MANIFEST, record=record)


def test_what_the_step_met_is_the_cause() -> None:
    hop = rotation_hop(waiting(Trouble("target-unavailable", NOW, detail="no answer from db:5432")))
    assert hop.state == "broken"
    assert hop.says == "is staged and waits: target-unavailable: no answer from db:5432; works now: old"
    assert hop.mend == ("lockstep rotate shop/orders-db --dry-run", RESUME)


def test_of_a_first_rotation_nothing_is_said_to_work() -> None:
    hop = rotation_hop(waiting(Trouble("target-unavailable", NOW), old=None))
    assert hop.says == "is staged and waits: target-unavailable; works now: unknown"


@pytest.mark.parametrize("reason", ["no-evidence", "conflict", "still-accepted"])
def test_what_is_not_about_a_target_is_mended_as_its_fact_advises(reason: str) -> None:
    assert advice(reason)
    assert rotation_hop(waiting(Trouble(reason, NOW))).mend == (advice(reason), RESUME)


def test_what_passes_by_itself_is_looked_at() -> None:
    assert rotation_hop(waiting(Trouble("window", NOW))).mend == ("lockstep rotation show shop/orders-db", RESUME)


def test_a_problem_of_the_manifest_is_not_explained_by_an_older_trouble() -> None:
    state = replace(waiting(Trouble("target-unavailable", NOW, detail="no answer")), unknown="sealed")
    assert state.trouble_in_full == "sealed"
