"""Whether each step may do what its declaration asks at the authority, and nothing else (DESIGN, principle 4).

What is expected is rendered from the steps and the wiring; what is so is asked with each step's own token.
"""

from collections.abc import Iterable, Iterator, Mapping

from functions import STEPS
from functions._failures import StepFailure
from functions._manifests.rotation import Rotation
from infra.deploy.vault_policies import Mounts, grants, policy_name
from infra.deploy.wired import wired_paths
from infra.hosts.checks.result import Check, fail, ok, some, warn
from infra.hosts.local.instance import Parts
from infra.stores.vault.client import VaultClient

PROBE = "lockstep-check"  # a name that nobody uses, to ask what a pattern allows below it
_CHUNK = 200  # paths per request
_EVERYTHING = frozenset({"root"})

Allowed = Mapping[str, frozenset[str]]


def permission_checks(parts: Parts, *, serves: bool) -> Iterator[Check]:
    """One check per step; one for all where an existing authority gave them one identity."""
    if not serves:
        yield warn("permissions", "not checked: the authority does not serve", "run this again when it does")
        return
    authority = parts.configuration.authority
    mounts = Mounts(
        documents=authority.claims_mount, transit=authority.transit_mount, cluster=parts.configuration.cluster
    )
    confirmed = [one.path for one in parts.publications.all() if one.manifest.kind != Rotation.KIND]
    wired = wired_paths(parts.wiring.snapshot(), confirmed, declared=parts.platform.declared.all())
    expected = {step.name: grants(step, wired, mounts) for step in STEPS}
    values = {path.mount for path in wired.produced | wired.consumed} or {"secret"}
    probes = sorted(
        {probe(pattern) for allowed in expected.values() for pattern in allowed} | forbidden(mounts, values)
    )
    if parts.authority.embedded:
        for step in STEPS:
            yield _judged(f"step {step.name}", parts.clients[step.name], expected[step.name], probes, own=True)
    else:
        yield _judged("permissions", parts.clients["publish"], _merged(expected.values()), probes, own=False)


def forbidden(mounts: Mounts, values: Iterable[str]) -> set[str]:
    """What no step may touch unless it is granted: administration, keys, others' documents, paths not wired."""
    paths = {
        "sys/mounts/secret", "sys/auth/approle", "sys/audit/file", "sys/seal", "sys/raw/core", "sys/policies/acl/root",
        "sys/generate-root/attempt", "auth/token/create", f"{mounts.transit}/keys/{mounts.key}",
        f"{mounts.transit}/export/signing-key/{mounts.key}", f"{mounts.documents}/data/{PROBE}",
        mounts.anchor, f"{mounts.documents}/data/claims/{PROBE}",
        f"{mounts.documents}/data/tombstones/{PROBE}", f"{mounts.documents}/destroy/claims/{PROBE}",
    }  # fmt: skip
    for step in STEPS:
        name = policy_name(step.name)
        paths |= {f"sys/policies/acl/{name}", f"auth/approle/role/{name}", f"auth/approle/role/{name}/secret-id"}
    for mount in values:
        paths |= {f"{mount}/{area}/{PROBE}/not-wired" for area in ("data", "metadata", "delete", "destroy")}
    return paths


def probe(pattern: str) -> str:
    """A path that shows what a pattern allows."""
    return f"{pattern[:-1]}{PROBE}" if pattern.endswith("*") else pattern


def expected_at(path: str, allowed: Allowed) -> frozenset[str]:
    """What the rules give a path: the exact one, else that of the longest pattern, as the authority decides it."""
    if path in allowed:
        return allowed[path]
    patterns = [one for one in allowed if one.endswith("*") and path.startswith(one[:-1])]
    return allowed[max(patterns, key=len)] if patterns else frozenset()


def _merged(all_allowed: Iterable[Allowed]) -> dict[str, frozenset[str]]:
    merged: dict[str, frozenset[str]] = {}
    for allowed in all_allowed:
        for pattern, capabilities in allowed.items():
            merged[pattern] = merged.get(pattern, frozenset()) | capabilities
    return merged


def _judged(name: str, client: VaultClient, allowed: Allowed, probes: list[str], *, own: bool) -> Check:
    try:
        lifetime = client.call("GET", "auth/token/lookup-self", kind="lookup").body.get("data", {}).get("ttl")
        found = _capabilities(client, probes)
    except StepFailure as failure:
        return fail(name, f"its token cannot be asked: {failure.reason}", "restart Lockstep; it logs in anew")
    if any(capabilities == _EVERYTHING for capabilities in found.values()):
        return fail(
            name, "it holds a root token", "give Lockstep an identity of its own (VAULT_ROLE_ID, VAULT_K8S_ROLE)"
        )
    missing = [
        f"{'/'.join(sorted(gap))} on {path}" for path in probes if (gap := expected_at(path, allowed) - found[path])
    ]
    extra = [
        f"{'/'.join(sorted(gap))} on {path}" for path in probes if (gap := found[path] - expected_at(path, allowed))
    ]
    if missing:
        action = "restart Lockstep, which applies its policies" if own else "grant that to the identity that it uses"
        return fail(name, f"it may not {some(missing)}", action)
    if extra and own:
        action = f"look who changed the policy {client.identity}, then restart Lockstep, which applies its own"
        return fail(name, f"it may do what it does not declare: {some(extra)}", action)
    if extra:
        return warn(name, f"its one identity may do more than all steps need: {some(extra)}", "narrow its policies")
    return ok(name, f"allowed what it declares and nothing else ({len(probes)} paths asked, token lives {lifetime} s)")


def _capabilities(client: VaultClient, paths: list[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for start in range(0, len(paths), _CHUNK):
        chunk = paths[start : start + _CHUNK]
        answer = client.call("POST", "sys/capabilities-self", body={"paths": chunk}, kind="capabilities")
        data = answer.body.get("data") or answer.body
        for path in chunk:
            found[path] = frozenset(str(one) for one in data.get(path) or ()) - {"deny"}
    return found
