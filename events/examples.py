"""One instance of every event type, for the documentation and for tests: the story of one changed password."""

from datetime import UTC, datetime, timedelta

from events.claim import ClaimRequested, ClaimTaken
from events.consumer import (
    AdoptionRequested,
    ConsumerAdopted,
    ConsumerRestarted,
    ConsumerStuck,
    RestartRequested,
    WorkloadChanged,
    WorkloadRef,
)
from events.event import Event
from events.leak import (
    Exposure,
    FingerprintsMade,
    IndexRequested,
    LeakConfirmed,
    LeakContained,
    LeakDismissed,
    LeakHeld,
    LeakReported,
    TriageRequested,
)
from events.lease import LeaseExpired, LeaseExpiring, LeaseRenewed, LeaseRevoked
from events.operation import ScopeRef, SuspensionChanged
from events.orders import MaterializeRequested, PublishRequested, RetractRequested
from events.references import ManifestRef, PathRef, SecretRef, Version
from events.rotated import (
    RotationApplied,
    RotationCompleted,
    RotationFailed,
    RotationPromoted,
    RotationRevoked,
    RotationStaged,
    RotationVerified,
)
from events.rotation import AbortRequested, PhaseRequested, RotationRequested
from events.schedule import ScheduleRef, ScheduleTicked
from events.secret import (
    SecretChanged,
    SecretConflicted,
    SecretDrifted,
    SecretMaterialized,
    SecretPublished,
    SecretRemoved,
    SecretRetracted,
    SecretWritten,
)
from events.wiring import WiringChanged

NOW = datetime(2026, 1, 31, 12, 0, 0, 250000, tzinfo=UTC)

_SOURCE = SecretRef(namespace="databases", name="temporal.platform.credentials.postgresql.acid.zalan.do")
_TARGET = SecretRef(namespace="temporal", name="temporal-database")
_PATH = PathRef(mount="secret", path="runtime/temporal/database")
_PUSH = ManifestRef(kind="PushSecret", namespace="databases", name="temporal-database")
_EXTERNAL = ManifestRef(kind="ExternalSecret", namespace="temporal", name="temporal-database")
_SEEN = "..2026_01_31_12_00_00.1735"
_BEFORE = Version(number=6, created=NOW - timedelta(days=30))
_VERSION = Version(number=7, created=NOW)
_TOMBSTONE = "5f2b0c0e6c1b4a7f9d3e8a1b2c4d6e8f"
_WORKLOAD = WorkloadRef(kind="Deployment", namespace="temporal", name="temporal-frontend")
_UID = "0f5c1f0e-8f0b-4a35-9c39-4f3a2f1f7c11"
_DIGEST = "9d3e8a1b2c4d6e8f5f2b0c0e6c1b4a7f"
_RUNS = {"temporal-database": {str(_PATH): _VERSION}}
_ROTATION = ManifestRef(kind="Rotation", namespace="temporal", name="temporal-database")
_TURN = "7f9d3e8a1b2c4d6e8f5f2b0c0e6c1b4a"
_LEASE = "database/creds/temporal/le0bBFX6FJdKkz8HdAyyhmiT"
_EXPIRES = NOW + timedelta(minutes=15)
_LEAK = "0b4a7f9d3e8a1b2c4d6e8f5f2b0c0e6c"
_PRINT = f"v1.{'0c6e' * 16}"

EXAMPLES: tuple[Event, ...] = (
    WiringChanged(manifest=_PUSH, change="changed", generation="3", paths=(_PATH,)),
    SecretChanged(secret=_SOURCE, seen=_SEEN),
    SecretRemoved(secret=_SOURCE, seen=f"after-{_SEEN}"),
    SecretDrifted(secret=_TARGET, seen=_SEEN),
    SecretWritten(path=_PATH, seen="736de905-02f0-801a-edd5-530bdd9b6969"),
    SecretPublished(path=_PATH, version=_VERSION, keys=("username", "password"), origin=_PUSH, outcome="written"),
    SecretMaterialized(
        secret=_TARGET, consumer=_EXTERNAL, stamp={str(_PATH): _VERSION}, keys=("username", "password"),
        seen=_SEEN, outcome="updated",
    ),
    SecretRetracted(
        target=_TARGET, manifest=_EXTERNAL, tombstone=_TOMBSTONE, outcome="noticed",
        explanation="ExternalSecret temporal/temporal-database is gone",
    ),
    SecretConflicted(
        path=_PATH, claimant=_PUSH, owner="PushSecret legacy/temporal-database", version=_VERSION,
        outcome="foreign-write", explanation="version 7 was not written by the path's owner",
    ),
    PublishRequested(path=_PATH, base=_BEFORE, expires=_EXPIRES, reason="the source is newer than the authority"),
    MaterializeRequested(
        consumer=_EXTERNAL, secret=_TARGET, base={str(_PATH): _VERSION}, expires=_EXPIRES,
        reason="the consumer carries version 6",
    ),
    RetractRequested(
        target=_PATH, tombstone=_TOMBSTONE, base=_VERSION, expires=_EXPIRES, reason="grace is over since 11:00",
    ),
    ClaimRequested(
        path=_PATH, claimant=_PUSH, epoch=2, base=_VERSION, by="uid:1000", expires=_EXPIRES, reason="team moved",
    ),
    ClaimTaken(path=_PATH, owner=_PUSH, epoch=3, by="uid:1000"),
    SuspensionChanged(
        scope=ScopeRef(scope="temporal"), suspended=True, by="uid:1000", explanation="migration", serial=4
    ),
    WorkloadChanged(workload=_WORKLOAD, seen="481516"),
    RestartRequested(workload=_WORKLOAD, expires=_EXPIRES, reason="the sweep found that its pods are older"),
    ConsumerRestarted(workload=_WORKLOAD, seen=_UID, digest=_DIGEST, secrets=_RUNS),
    AdoptionRequested(workload=_WORKLOAD, expires=_EXPIRES, reason="its pods are newer than its Secrets"),
    ConsumerAdopted(workload=_WORKLOAD, seen=_UID, digest=_DIGEST, secrets=_RUNS, evidence="rolled-out"),
    ConsumerStuck(
        workload=_WORKLOAD, seen=_UID, digest=_DIGEST, secrets=_RUNS, reason="reverted",
        explanation="somebody took back the restart; let them leave lockstep.dev/restarted-for alone",
    ),
    RotationRequested(
        path=_PATH, policy="leak", base=_BEFORE, attempt=1, by="triage", expires=_EXPIRES, reason="found in a log",
    ),
    PhaseRequested(path=_PATH, rotation=_TURN, expires=_EXPIRES, reason="its policy is stricter now"),
    AbortRequested(path=_PATH, rotation=_TURN, by="uid:1000", expires=_EXPIRES, reason="wrong account"),
    RotationStaged(path=_PATH, rotation=_TURN, manifest=_ROTATION, policy="leak", base=_BEFORE),
    RotationApplied(path=_PATH, rotation=_TURN, manifest=_ROTATION, policy="leak", base=_BEFORE),
    RotationVerified(path=_PATH, rotation=_TURN, manifest=_ROTATION, policy="leak", base=_BEFORE),
    RotationPromoted(
        path=_PATH, rotation=_TURN, manifest=_ROTATION, policy="leak", base=_BEFORE, version=_VERSION,
    ),
    RotationRevoked(
        path=_PATH, rotation=_TURN, manifest=_ROTATION, policy="leak", base=_BEFORE, evidence="materialized",
        proof="refused",
    ),
    RotationCompleted(
        path=_PATH, rotation=_TURN, manifest=_ROTATION, policy="leak", base=_BEFORE, version=_VERSION,
    ),
    RotationFailed(
        path=_PATH, rotation=_TURN, manifest=_ROTATION, policy="leak", base=_BEFORE, step="apply",
        reason="target-unavailable", holds="old", ended=False,
        explanation="orders-postgres does not answer; the old credential works; tried again in a minute",
    ),
    LeaseExpiring(path=_PATH, lease=_LEASE, expires=_EXPIRES),
    LeaseRenewed(path=_PATH, lease=_LEASE, expires=_EXPIRES),
    LeaseExpired(
        path=_PATH, lease=_LEASE, reason="gone", explanation="the authority knows the lease no more; a new one is made",
    ),
    LeaseRevoked(path=_PATH, lease=_LEASE, explanation="no manifest asks for the credential any more"),
    LeakReported(
        leak=_LEAK, reporter="reporter:prometheus", via="alertmanager", noticed=NOW, detector="SecretInLog",
        place="loki: temporal/frontend", path=_PATH, key="password", fingerprint=_PRINT, expires=_EXPIRES,
        reason="alert SecretInLog is firing",
    ),
    TriageRequested(leak=_LEAK, decision="confirm", by="operator:1000", expires=_EXPIRES, reason="seen in the log"),
    IndexRequested(leak=_LEAK, since=NOW, expires=_EXPIRES, reason="no secret has this fingerprint yet"),
    LeakConfirmed(
        leak=_LEAK, reporter="reporter:prometheus", match="fingerprint", by="triage",
        exposures=(Exposure(path=_PATH, key="password", version=_BEFORE, standing="rotating"),),
        explanation="its value has this fingerprint; its rotation was asked for",
    ),
    LeakHeld(
        leak=_LEAK, reporter="reporter:prometheus", reason="needs-confirmation",
        exposures=(Exposure(path=_PATH, key="password", version=_BEFORE, standing="held"),),
        explanation="its owner wants it revoked first; `lockstep leak confirm` does so",
    ),
    LeakDismissed(
        leak=_LEAK, reporter="reporter:prometheus", reason="unknown", by="triage",
        explanation="no secret has this fingerprint",
    ),
    LeakContained(
        leak=_LEAK, reporter="reporter:prometheus", paths=(_PATH,), noticed=NOW,
        contained=NOW + timedelta(seconds=9), proof="refused",
    ),
    FingerprintsMade(session=_LEAK, by="operator:1000", purpose="scan", count=1200),
    ScheduleTicked(schedule=ScheduleRef(name="sweep"), at=NOW, shard=0, shards=4),
)  # fmt: skip
