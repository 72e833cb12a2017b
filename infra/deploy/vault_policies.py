"""One policy per step, rendered from its capabilities and bound to the wired paths (DESIGN, principle 4)."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from events.references import PathRef
from functions._capability import Capability
from functions._step import Step

EXACT_PATHS = 200  # more wired paths than this are granted by directory, so that a policy stays small to evaluate

Rules = dict[str, set[str]]

# Whoever declares one of these acts on rotations alone, and is let at no other values.
ROTATING = frozenset(
    {
        Capability.PENDING_READ,
        Capability.PENDING_WRITE,
        Capability.PENDING_REMOVE,
        Capability.PROOF_WRITE,
        Capability.ROTATED_WRITE,
        Capability.SYSTEM_LOGIN,
        Capability.SYSTEM_APPLY,
        Capability.SYSTEM_REVOKE,
    }
)

# The keys of fingerprints, one for each purpose: none tells anything to who may only use another.
LEAK_KEY, REVOKED_KEY = "leak", "revoked"
FINGERPRINT_KEY = {"type": "aes256-gcm96", "exportable": False}  # its HMAC is what is used of it

SELF_SERVICE: tuple[tuple[str, str], ...] = (
    ("auth/token/lookup-self", "read"),
    ("auth/token/renew-self", "update"),
    ("auth/token/revoke-self", "update"),
    ("sys/capabilities-self", "update"),  # what `lockstep check` compares with this rendering
)


@dataclass(frozen=True, slots=True)
class WiredPaths:
    """What manifests name. `retiring` are targets of tombstones: no longer wired, but still to be retracted."""

    produced: frozenset[PathRef] = frozenset()
    consumed: frozenset[PathRef] = frozenset()
    retiring: frozenset[PathRef] = frozenset()
    searched: frozenset[tuple[str, str]] = frozenset()  # (mount, prefix) that `dataFrom.find` looks below
    rotated: frozenset[PathRef] = frozenset()
    admin: frozenset[PathRef] = frozenset()  # credentials of declared systems' administrators
    engines: frozenset[tuple[Capability, str, str]] = frozenset()  # what declared engines take: pattern and verb


@dataclass(frozen=True, slots=True)
class Mounts:
    """Where Lockstep keeps its own documents and key, and the name of the cluster whose documents they are."""

    documents: str = "lockstep"
    transit: str = "lockstep-transit"
    key: str = "ledger"
    cluster: str = "local"

    @property
    def anchor(self) -> str:
        """The path of the ledger's anchor."""
        return f"{self.documents}/data/anchors/{self.cluster}_{self.key}"

    @property
    def former_anchor(self) -> str:
        """Where the release before kept the anchors of all clusters; read until the cluster has its own."""
        return f"{self.documents}/data/anchors/{self.key}"


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as it is applied; `notices` say where it grants more than what is wired."""

    name: str
    text: str = field(repr=False)
    notices: tuple[str, ...] = ()


def policy_name(step: str) -> str:
    """What a step's policy and role are called."""
    return f"lockstep-{step}"


def render(step: Step, wired: WiredPaths, mounts: Mounts | None = None) -> Policy:
    """The policy of one step: what its capabilities need at the authority, and nothing else."""
    rules, notices = _rules(step, wired, mounts)
    return Policy(policy_name(step.name), policy_text(step.does, rules), notices)


def grants(step: Step, wired: WiredPaths, mounts: Mounts | None = None) -> dict[str, frozenset[str]]:
    """What that policy grants, by path pattern: for whoever compares it with what the authority allows."""
    rules, _ = _rules(step, wired, mounts)
    return {path: frozenset(_with_broader(path, rules)) for path in rules}


def _rules(step: Step, wired: WiredPaths, mounts: Mounts | None) -> tuple[Rules, tuple[str, ...]]:
    rules: Rules = defaultdict(set)
    for path, capability in SELF_SERVICE:
        rules[path].add(capability)
    notices = _grant_values(step, wired, rules)
    _grant_documents(step.needs, mounts or Mounts(), rules)
    return rules, notices


def policy_text(comment: str, rules: Rules) -> str:
    """Rules as policy text, ordered, so that equal grants are equal texts."""
    blocks = [f"# {' '.join(comment.split())}"]
    for path in sorted(rules):
        capabilities = json.dumps(sorted(_with_broader(path, rules)))
        blocks.append(f'path "{path}" {{\n  capabilities = {capabilities}\n}}')
    return "\n".join(blocks) + "\n"


def _with_broader(path: str, rules: Rules) -> set[str]:
    """The authority applies only the most specific rule, so that each must repeat what broader ones grant."""
    granted = set(rules[path])
    for broader in rules:
        if broader.endswith("*") and broader != path and path.startswith(broader[:-1]):
            granted |= rules[broader]
    return granted


def _grant_values(step: Step, wired: WiredPaths, rules: Rules) -> tuple[str, ...]:
    readable = _Scope("read", _readable(step.needs, wired))
    writable = _Scope("written", _writable(step.needs, wired))
    used = []
    for capability, scope, area, verbs in (
        (Capability.AUTHORITY_READ, readable, "data", ("read",)),
        (Capability.AUTHORITY_METADATA, readable, "metadata", ("read",)),
        (Capability.AUTHORITY_WRITE, writable, "data", ("create", "update")),
        (Capability.ROTATED_WRITE, _Scope("rotated", wired.rotated), "data", ("create", "update")),
        (Capability.SYSTEM_APPLY, _Scope("used as admin", wired.admin), "data", ("read",)),
        (Capability.SYSTEM_REVOKE, _Scope("used as admin", wired.admin), "data", ("read",)),
        (Capability.AUTHORITY_DELETE, writable, "delete", ("update",)),
        # The mirror for people: PATCH where metadata exists, create where it does not; never a replacement.
        (Capability.CLAIM_WRITE, writable, "metadata", ("create", "patch")),
    ):
        if capability in step.needs:
            used.append(scope)
            for mount, pattern in scope.patterns():
                rules[f"{mount}/{area}/{pattern}"].update(verbs)
    if not step.needs & ROTATING:
        _grant_searches(step.needs, wired.searched, rules)
    for capability, pattern, verb in wired.engines:
        if capability in step.needs:
            rules[pattern].add(verb)
    notices = {notice for scope in used if (notice := scope.notice(step.name))}
    return tuple(sorted(notices))


def _writable(needs: frozenset[Capability], wired: WiredPaths) -> frozenset[PathRef]:
    if needs & ROTATING:
        return wired.rotated
    # What was revoked is remembered in the claims of all of them (functions/contain.py).
    remembered = wired.rotated if Capability.INDEX_WRITE in needs else frozenset()
    return wired.produced | wired.retiring | remembered


def _readable(needs: frozenset[Capability], wired: WiredPaths) -> frozenset[PathRef]:
    if needs & ROTATING:
        return wired.rotated
    watched = wired.rotated if needs & {Capability.ROTATION_READ, Capability.INDEX_WRITE} else frozenset()
    return wired.produced | wired.consumed | wired.retiring | watched


def _grant_searches(needs: frozenset[Capability], searched: Iterable[tuple[str, str]], rules: Rules) -> None:
    for mount, prefix in searched:
        below = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        if Capability.AUTHORITY_LIST in needs:
            rules[f"{mount}/metadata/{below}"].add("list")
            rules[f"{mount}/metadata/{below}*"].add("list")
        if Capability.AUTHORITY_METADATA in needs:
            rules[f"{mount}/metadata/{below}*"].add("read")
        if Capability.AUTHORITY_READ in needs:
            rules[f"{mount}/data/{below}*"].add("read")


def _grant_documents(needs: frozenset[Capability], mounts: Mounts, rules: Rules) -> None:
    own = mounts.documents
    if Capability.CLAIM_READ in needs:
        rules[f"{own}/data/claims/*"].add("read")
    if Capability.CLAIM_WRITE in needs:
        rules[f"{own}/data/claims/*"].update(("create", "update"))
    if Capability.TOMBSTONE_READ in needs:
        rules[f"{own}/data/tombstones/*"].add("read")
        rules[f"{own}/metadata/tombstones/"].add("list")
    if Capability.TOMBSTONE_WRITE in needs:
        rules[f"{own}/data/tombstones/*"].update(("create", "update"))
        rules[f"{own}/delete/tombstones/*"].add("update")
        rules[f"{own}/metadata/tombstones/*"].update(("read", "delete"))
    if Capability.ROLLOUT_READ in needs:
        rules[f"{own}/data/rollouts/*"].add("read")
        rules[f"{own}/metadata/rollouts/"].add("list")
    if Capability.ROLLOUT_WRITE in needs:
        rules[f"{own}/data/rollouts/*"].update(("create", "update"))
        rules[f"{own}/delete/rollouts/*"].add("update")
        rules[f"{own}/metadata/rollouts/*"].update(("read", "delete"))
    if Capability.BUDGET_WRITE in needs:
        rules[f"{own}/data/budgets/*"].update(("create", "read", "update"))
    if Capability.REMINDER_WRITE in needs:
        rules[f"{own}/data/due/*"].update(("create", "update"))
        rules[f"{own}/metadata/due/*"].update(("list", "delete"))
    _grant_rotations(needs, own, rules)
    _grant_leaks(needs, mounts, rules)
    if Capability.LEDGER_WRITE in needs:
        rules[mounts.anchor].update(("create", "read", "update"))
        rules[mounts.former_anchor].add("read")
        rules[f"{mounts.transit}/sign/{mounts.key}"].add("update")
        rules[f"{mounts.transit}/verify/{mounts.key}"].add("update")


def _grant_rotations(needs: frozenset[Capability], own: str, rules: Rules) -> None:
    if Capability.ROTATION_READ in needs:
        rules[f"{own}/data/rotations/*"].add("read")
        rules[f"{own}/metadata/rotations/"].add("list")
    if Capability.ROTATION_WRITE in needs:
        rules[f"{own}/data/rotations/*"].update(("create", "update"))
    if Capability.PENDING_READ in needs:
        rules[f"{own}/data/pending/*"].add("read")
    if Capability.PENDING_WRITE in needs:
        rules[f"{own}/data/pending/*"].update(("create", "update"))
    if Capability.PENDING_REMOVE in needs:
        rules[f"{own}/metadata/pending/*"].update(("read", "delete"))
    if Capability.PROOF_READ in needs:
        rules[f"{own}/data/proofs/*"].add("read")
    if Capability.PROOF_WRITE in needs:
        rules[f"{own}/data/proofs/*"].update(("create", "read", "update"))


def _grant_leaks(needs: frozenset[Capability], mounts: Mounts, rules: Rules) -> None:
    own = mounts.documents
    if Capability.LEAK_READ in needs:
        rules[f"{own}/data/leaks/*"].add("read")
        rules[f"{own}/metadata/leaks/"].add("list")
        rules[f"{own}/data/leaking/*"].add("read")
    if Capability.LEAK_WRITE in needs:
        for directory in ("leaks", "leaking"):
            rules[f"{own}/data/{directory}/*"].update(("create", "read", "update"))
    if Capability.LEAK_REMOVE in needs:
        rules[f"{own}/delete/leaks/*"].add("update")
        rules[f"{own}/metadata/leaks/*"].update(("read", "delete"))
    if Capability.INDEX_READ in needs:
        rules[f"{own}/data/fingerprints/*"].add("read")
    if Capability.INDEX_WRITE in needs:
        rules[f"{own}/data/fingerprints/*"].update(("create", "read", "update"))
        rules[f"{own}/metadata/fingerprints/values/"].add("list")
    if Capability.FINGERPRINT_LEAK in needs:
        rules[f"{mounts.transit}/hmac/{LEAK_KEY}"].add("update")
    if Capability.FINGERPRINT_REVOKED in needs:
        rules[f"{mounts.transit}/hmac/{REVOKED_KEY}"].add("update")


class _Scope:
    """A set of paths as a policy names it: each by itself, or, when there are too many, by directory."""

    def __init__(self, verb: str, paths: frozenset[PathRef]) -> None:
        self._verb = verb
        self._paths = paths

    def patterns(self) -> frozenset[tuple[str, str]]:
        """(mount, pattern) pairs."""
        if len(self._paths) <= EXACT_PATHS:
            return frozenset((path.mount, path.path) for path in self._paths)
        depth = max(path.path.count("/") for path in self._paths)
        patterns = self._directories(depth)
        while len(patterns) > EXACT_PATHS and depth > 1:
            depth -= 1
            patterns = self._directories(depth)
        return patterns

    def notice(self, step: str) -> str:
        if len(self._paths) <= EXACT_PATHS:
            return ""
        return (
            f"{policy_name(step)}: {len(self._paths)} paths to be {self._verb} are granted by {len(self.patterns())} "
            "directories, which may hold paths that are not wired"
        )

    def _directories(self, depth: int) -> frozenset[tuple[str, str]]:
        return frozenset((path.mount, _directory(path.path, depth)) for path in self._paths)


def _directory(path: str, depth: int) -> str:
    """The directory that a path is in, at most `depth` segments deep; a path without one stays exact."""
    segments = path.split("/")
    return "/".join([*segments[: min(depth, len(segments) - 1)], "*"]) if len(segments) > 1 else path
