"""Arbitrary valid CloudEvents and typed events."""

import string
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from events.claim import ClaimRequested, ClaimTaken
from events.cloudevent import CloudEvent
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
from events.strict_json import compact
from events.wiring import WiringChanged

_CORE = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"}
_NONCHARACTERS = [*range(0xFDD0, 0xFDF0), *(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF))]

texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=[chr(code) for code in _NONCHARACTERS])
)
_words = texts.filter(lambda text: bool(text.strip()))
_uri_parts = st.lists(
    st.sampled_from([*string.ascii_letters, *string.digits, *"-._~!$&'()*+,;=@/", "%20", "%c3%a9"]), max_size=12
).map("".join)
sources = st.one_of(
    _uri_parts.map(lambda path: f"/{path.lstrip('/')}"),
    _uri_parts.map(lambda path: f"https://example.com:8080/{path}?q=1#f"),
    _uri_parts.map(lambda path: f"urn:example:{path}"),
    st.sampled_from(["#fragment", "?query", "relative/path", "//[::1]:8080/x", "mailto:a@example.com", "."]),
)
_schemas = _uri_parts.map(lambda path: f"urn:example:{path}")
_offsets = st.sampled_from(["Z", "+00:00", "-00:00", "+14:00", "-09:30", "+23:59"])
_fractions = st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=12).map(lambda digits: f".{digits}"))
times = st.builds(
    lambda moment, fraction, offset: f"{moment.replace(microsecond=0).isoformat()}{fraction}{offset}",
    st.datetimes(), _fractions, _offsets,
)  # fmt: skip
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab\u00fc%", max_size=3), inner, max_size=4),
    max_leaves=8,
)
_pretty = st.sampled_from([b'{ "a" : 1.50 }', b'["\\u00e9"]\n', b"1E2", b"null", b" [] "])
_contents = st.one_of(
    st.tuples(
        st.sampled_from(["application/json", "application/json; charset=utf-8", "Text/JSON", "image/x+json"]),
        json_values.map(compact) | _pretty,
    ),
    st.tuples(
        st.sampled_from(["text/plain", 'text/plain; charset="latin1"', "application/xml", "text/csv;charset=UTF-8"]),
        st.binary() | texts.map(str.encode),
    ),
    st.tuples(st.sampled_from([None, "application/octet-stream", "application/x; a=b"]), st.binary()),
    st.tuples(st.sampled_from([None, "application/json", "text/plain"]), st.none()),
)
_extension_names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
    lambda name: name not in _CORE
)


@st.composite
def cloud_events(draw: st.DrawFn) -> CloudEvent:
    """Any event that CloudEvents 1.0 allows and that fits the size limit."""
    content, data = draw(_contents)
    return CloudEvent(
        id=draw(_words), source=draw(sources), type=draw(_words),
        subject=draw(st.none() | texts.filter(bool)), time=draw(st.none() | times),
        datacontenttype=content, dataschema=draw(st.none() | _schemas),
        extensions=MappingProxyType(draw(st.dictionaries(_extension_names, texts, max_size=4))),
        data=data or None,
    )  # fmt: skip


def _matching(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True)


names = _matching(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?(\.[a-z0-9]{1,5})?")
namespaces = _matching(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?")
segments = st.lists(_matching(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,8}"), min_size=1, max_size=3).map("/".join)
keys = _matching(r"\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,8}")
instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis wants naive bounds
explanations = _matching(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{0,20}")
principals = _matching(r"[\x21-\x7e]{1,20}")
states = _matching(r"[\x21-\x7e]{0,20}")
tombstones = _matching(r"[0-9a-f]{32}")

secrets = st.builds(SecretRef, namespace=namespaces, name=names)
paths = st.builds(PathRef, mount=segments, path=segments)
manifests = st.builds(
    ManifestRef, kind=_matching("[A-Z][A-Za-z0-9]{0,8}"), namespace=st.just("-") | namespaces, name=names
)
versions = st.builds(
    Version, number=st.integers(1, 2**53), created=instants, id=_matching(r"[-A-Za-z0-9._]{0,12}")
)  # fmt: skip
_bases = st.none() | versions
_stamps = st.dictionaries(paths.map(str), versions, max_size=3)
_keys = st.lists(keys, max_size=3).map(tuple)
workloads = st.builds(
    WorkloadRef, kind=st.sampled_from(["Deployment", "StatefulSet", "DaemonSet"]), namespace=namespaces, name=names
)
_consumer = {
    "workload": workloads, "seen": states, "digest": tombstones,
    "secrets": st.dictionaries(names, _stamps, max_size=2),
}  # fmt: skip
_order = {"expires": instants, "reason": explanations}
_fingerprints = _matching(r"v[0-9]{1,6}\.[0-9a-f]{64}")
_properties = st.none() | _matching(r"[A-Za-z0-9_.][-A-Za-z0-9_.]{0,8}")
_exposures = st.lists(
    st.builds(
        Exposure, path=paths, key=_properties, version=versions,
        standing=st.sampled_from(["held", "rotating", "revoked", "owner", "ignored"]),
    ),
    max_size=3,
).map(tuple)  # fmt: skip
_leak = {"leak": tombstones, "reporter": principals}
_lease = {"path": paths, "lease": _matching(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,8}(/[A-Za-z0-9_][-A-Za-z0-9_.]{0,8}){1,3}")}
_policies = st.sampled_from(["planned", "leak"])
_rotating = st.sampled_from(["create", "apply", "verify", "promote", "revoke"])
_rotation: dict[str, Any] = {
    "path": paths, "rotation": tombstones, "manifest": manifests, "policy": _policies, "base": st.none() | versions,
}  # fmt: skip

TYPED: dict[type[Event], st.SearchStrategy[Event]] = {
    WiringChanged: st.builds(
        WiringChanged, manifest=manifests, change=st.sampled_from(["added", "changed", "removed"]),
        secrets=st.lists(secrets, max_size=2).map(tuple), paths=st.lists(paths, max_size=2).map(tuple),
        generation=_matching(r"[-A-Za-z0-9._]{0,12}"),
    ),
    SecretChanged: st.builds(SecretChanged, secret=secrets, seen=states),
    SecretRemoved: st.builds(SecretRemoved, secret=secrets, seen=states),
    SecretDrifted: st.builds(SecretDrifted, secret=secrets, seen=states),
    SecretWritten: st.builds(SecretWritten, path=paths, seen=states),
    SecretPublished: st.builds(
        SecretPublished, path=paths, version=versions, keys=_keys, origin=st.none() | manifests,
        outcome=st.sampled_from(["written", "unchanged"]),
    ),
    SecretMaterialized: st.builds(
        SecretMaterialized, secret=secrets, consumer=manifests, stamp=_stamps, keys=_keys, seen=states,
        outcome=st.sampled_from(["created", "updated", "unchanged"]),
    ),
    SecretRetracted: st.builds(
        SecretRetracted, target=secrets | paths, manifest=manifests, tombstone=tombstones, explanation=explanations,
        outcome=st.sampled_from(["noticed", "withdrawn", "held", "retracted", "kept"]),
    ),
    SecretConflicted: st.builds(
        SecretConflicted, path=paths, claimant=manifests, owner=explanations, version=_bases,
        outcome=st.sampled_from(["foreign-write", "owned-by-other"]), explanation=explanations,
    ),
    PublishRequested: st.builds(PublishRequested, path=paths, base=_bases, **_order),
    MaterializeRequested: st.builds(MaterializeRequested, consumer=manifests, secret=secrets, base=_stamps, **_order),
    RetractRequested: st.builds(
        RetractRequested, target=secrets | paths, tombstone=tombstones, base=_bases, **_order
    ),
    ClaimRequested: st.builds(
        ClaimRequested, path=paths, claimant=manifests, epoch=st.integers(0, 99), base=_bases, by=principals, **_order
    ),
    ClaimTaken: st.builds(ClaimTaken, path=paths, owner=manifests, epoch=st.integers(1, 99), by=principals),
    SuspensionChanged: st.builds(
        SuspensionChanged, scope=st.builds(ScopeRef, scope=st.just("*") | namespaces), suspended=st.booleans(),
        by=principals, explanation=explanations, serial=st.integers(0, 99),
    ),
    WorkloadChanged: st.builds(WorkloadChanged, workload=workloads, seen=states),
    RestartRequested: st.builds(RestartRequested, workload=workloads, **_order),
    AdoptionRequested: st.builds(AdoptionRequested, workload=workloads, **_order),
    ConsumerRestarted: st.builds(ConsumerRestarted, **_consumer),
    ConsumerAdopted: st.builds(
        ConsumerAdopted, evidence=st.sampled_from(["materialized", "rolled-out", "seen"]), **_consumer
    ),
    ConsumerStuck: st.builds(
        ConsumerStuck, reason=st.sampled_from(["reverted", "paused"]), explanation=explanations, **_consumer
    ),
    LeaseExpiring: st.builds(LeaseExpiring, **_lease, expires=instants),
    LeaseRenewed: st.builds(LeaseRenewed, **_lease, expires=instants, capped=st.booleans()),
    LeaseExpired: st.builds(
        LeaseExpired, **_lease, reason=st.sampled_from(["gone", "irrevocable", "fixed"]), explanation=explanations
    ),
    LeaseRevoked: st.builds(LeaseRevoked, **_lease, explanation=explanations),
    LeakReported: st.builds(
        LeakReported, **_leak, **_order, via=st.sampled_from(["alertmanager", "scanner", "operator", "event"]),
        status=st.sampled_from(["firing", "resolved"]), noticed=instants, place=explanations,
        detector=_matching(r"([A-Za-z0-9_][-A-Za-z0-9_.:/ ]{0,8})?"), path=st.none() | paths, key=_properties,
        version=st.none() | st.integers(1, 2**53), fingerprint=st.none() | _fingerprints,
    ),
    TriageRequested: st.builds(
        TriageRequested, leak=tombstones, by=principals, path=st.none() | paths, key=_properties,
        decision=st.sampled_from(["look", "confirm", "dismiss", "attest"]), **_order,
    ),
    IndexRequested: st.builds(IndexRequested, leak=st.none() | tombstones, since=instants, **_order),
    LeakConfirmed: st.builds(
        LeakConfirmed, **_leak, match=st.sampled_from(["path", "fingerprint", "operator"]), exposures=_exposures,
        by=principals, explanation=explanations,
    ),
    LeakHeld: st.builds(
        LeakHeld, **_leak, reason=st.sampled_from(["needs-confirmation", "budget", "suspended"]),
        exposures=_exposures, explanation=explanations,
    ),
    LeakDismissed: st.builds(
        LeakDismissed, **_leak, by=principals, explanation=explanations,
        reason=st.sampled_from(["unknown", "configuration", "policy", "operator"]),
    ),
    LeakContained: st.builds(
        LeakContained, **_leak, paths=st.lists(paths, max_size=3).map(tuple), noticed=instants, contained=instants,
        proof=st.sampled_from(["refused", "attested"]),
    ),
    FingerprintsMade: st.builds(
        FingerprintsMade, session=tombstones, by=principals, count=st.integers(1, 2**53),
        purpose=st.sampled_from(["fingerprint", "report", "scan"]),
    ),
    RotationRequested: st.builds(
        RotationRequested, path=paths, policy=_policies, base=st.none() | versions, by=principals,
        attempt=st.integers(1, 1_000_000), **_order,
    ),
    PhaseRequested: st.builds(
        PhaseRequested, path=paths, rotation=tombstones, step=st.none() | _rotating, **_order,
    ),
    AbortRequested: st.builds(AbortRequested, path=paths, rotation=tombstones, by=principals, **_order),
    RotationStaged: st.builds(RotationStaged, **_rotation),
    RotationApplied: st.builds(RotationApplied, **_rotation),
    RotationVerified: st.builds(RotationVerified, **_rotation),
    RotationPromoted: st.builds(RotationPromoted, version=versions, **_rotation),
    RotationRevoked: st.builds(
        RotationRevoked, evidence=st.sampled_from(["none", "materialized", "rolled-out", "seen"]),
        proof=st.sampled_from(["refused", "replaced"]), **_rotation,
    ),
    RotationCompleted: st.builds(RotationCompleted, version=versions, **_rotation),
    RotationFailed: st.builds(
        RotationFailed, step=_rotating, reason=st.sampled_from(["target-unavailable", "no-evidence", "aborted"]),
        holds=st.sampled_from(["old", "new", "both", "unknown"]), ended=st.booleans(), explanation=explanations,
        **_rotation,
    ),
    ScheduleTicked: st.builds(
        ScheduleTicked, schedule=st.builds(ScheduleRef, name=_matching(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?")),
        at=instants, shard=st.integers(0, 9), shards=st.integers(1, 4096),
    ),
}  # fmt: skip

typed_events = st.one_of(*TYPED.values())
