"""Which manifests an outcome is shown on."""

from datetime import UTC, datetime
from typing import Any

import pytest

from events.event import Event
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef, PathRef, SecretRef, Version
from events.secret import SecretChanged, SecretConflicted, SecretMaterialized, SecretPublished, SecretRetracted
from events.wiring import WiringChanged
from infra.hosts.cluster.conditions import failed, overwritten, overwritten_in
from infra.hosts.cluster.outcomes import Outcomes
from tests.fakes.wiring import FakeWiring
from tests.functions.manifests.samples import external_secret, push_secret

PUSH = ManifestRef(kind="PushSecret", namespace="platform-data", name="temporal")
PULL = ManifestRef(kind="ExternalSecret", namespace="temporal", name="temporal")
PATH = PathRef(mount="secret", path="platform-data/postgres/temporal")
TARGET = SecretRef(namespace="temporal", name="temporal")
SOURCE = SecretRef(namespace="platform-data", name="temporal.credentials")
AT = datetime(2026, 1, 1, tzinfo=UTC)
VERSION = Version(number=1, created=AT)


class Noted:
    """In the place of the status writer."""

    def __init__(self) -> None:
        self.told: list[tuple[ManifestRef, str, str]] = []

    def tell(self, ref: ManifestRef, condition: Any, target: str = "") -> None:
        self.told.append((ref, condition.reason, target))


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def outcomes(noted: Noted) -> Outcomes:
    wiring: Any = FakeWiring()
    wiring.put(push_secret())
    remote = {"key": PATH.path, "property": "password"}
    wiring.put(external_secret(data=[{"secretKey": "password", "remoteRef": remote}]))
    status: Any = noted
    return Outcomes(wiring, status)


def test_what_steps_said(outcomes: Outcomes, noted: Noted) -> None:
    outcomes.observe(SecretMaterialized(secret=TARGET, consumer=PULL, stamp={}, keys=(), seen="u/1", outcome="created"))
    outcomes.observe(SecretConflicted(path=PATH, claimant=PUSH, outcome="owned-by-other", explanation="theirs"))
    outcomes.observe(SecretRetracted(target=TARGET, manifest=PULL, tombstone="0" * 32, outcome="retracted"))
    outcomes.observe(SecretRetracted(target=TARGET, manifest=PULL, tombstone="0" * 32, outcome="noticed"))
    outcomes.observe(SecretPublished(path=PATH, version=VERSION, keys=(), outcome="written"))
    assert noted.told == [
        (PULL, "SecretSynced", "temporal"), (PUSH, "Errored", ""), (PULL, "SecretDeleted", ""),
    ]  # fmt: skip


def test_what_publish_is_about_to_undo_is_no_condition(outcomes: Outcomes, noted: Noted) -> None:
    outcomes.observe(
        SecretConflicted(path=PATH, claimant=PUSH, version=VERSION, outcome="foreign-write", explanation="theirs")
    )
    assert noted.told == []


def test_what_somebody_wrote_over_a_rotated_path_is_a_condition_of_its_own(outcomes: Outcomes, noted: Noted) -> None:
    rotation = ManifestRef(kind="Rotation", namespace="shop", name="orders")
    for outcome in ("foreign-write", "revoked-value"):
        outcomes.observe(
            SecretConflicted(path=PATH, claimant=rotation, version=VERSION, outcome=outcome, explanation="theirs")
        )
    assert noted.told == [(rotation, "Overwritten", ""), (rotation, "Refused", "")]
    status = {"conditions": overwritten("theirs").document({}, AT)}
    assert overwritten_in(status) == "theirs"
    assert overwritten_in({"conditions": failed("Rotation", "theirs").document(status, AT)}) == ""


@pytest.mark.parametrize(
    ("step", "event", "shown"),
    [
        ("materialize", MaterializeRequested(consumer=PULL, secret=TARGET, expires=AT, reason=""), [PULL]),
        ("materialize", SecretPublished(path=PATH, version=VERSION, keys=(), outcome="written"), [PULL]),
        ("publish", SecretChanged(secret=SOURCE), [PUSH]),
        ("publish", PublishRequested(path=PATH, expires=AT, reason=""), [PUSH]),
        ("publish", WiringChanged(manifest=PUSH, change="added", generation="1"), [PUSH]),
        ("retract", WiringChanged(manifest=PUSH, change="added", generation="1"), []),
        ("materialize", WiringChanged(manifest=PUSH, change="added", generation="1"), []),
    ],
)
def test_what_steps_rejected(
    outcomes: Outcomes, noted: Noted, step: str, event: Event, shown: list[ManifestRef]
) -> None:
    outcomes.refused(step, event, "a key is missing")
    assert [ref for ref, _, _ in noted.told] == shown
    assert {reason for _, reason, _ in noted.told} <= {"Errored", "SecretSyncedError"}
