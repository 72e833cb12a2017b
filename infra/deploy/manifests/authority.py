"""What the authority's owner applies, in order: mounts, key, Kubernetes auth, one policy and one role per step.

Files for people and for programs, and no script: each entry of `apply-order.json` is one request.
"""

import json
from typing import Any

from functions import STEPS
from infra.deploy.manifests.installation import Installation
from infra.deploy.manifests.workloads import account_of
from infra.deploy.vault_policies import FINGERPRINT_KEY, LEAK_KEY, REVOKED_KEY, Mounts, WiredPaths, render
from infra.deploy.vault_roles import role

ORDER = "apply-order.json"


def files(paths: WiredPaths, mounts: Mounts, installation: Installation) -> dict[str, str]:
    """Name -> text: policies as HCL, roles as JSON, and the order that names both."""
    policies = [render(step, paths, mounts) for step in STEPS]
    roles = [role(step, account=account_of(step, installation), audience=installation.audience) for step in STEPS]
    found = {f"policies/{policy.name}.hcl": policy.text for policy in policies}
    found |= {f"roles/{one.name}.json": _json(dict(one.parameters)) for one in roles}
    order = [
        *_set_up(mounts, installation),
        *(_request(f"sys/policies/acl/{one.name}", policy=f"policies/{one.name}.hcl") for one in policies),
        *(_request(f"auth/{installation.auth_mount}/role/{one.name}", file=f"roles/{one.name}.json") for one in roles),
    ]
    return found | {ORDER: _json(order)}


def _set_up(mounts: Mounts, installation: Installation) -> list[dict[str, Any]]:
    """Requests that are made once; where a mount is there already, the authority says so and that is well."""
    return [
        _request(f"sys/mounts/{mounts.documents}", body={"type": "kv", "options": {"version": "2"}}, once=True),
        _request(f"sys/mounts/{mounts.transit}", body={"type": "transit"}, once=True),
        _request(f"{mounts.transit}/keys/{mounts.key}", body={"type": "ed25519", "exportable": False}),
        _request(f"{mounts.transit}/keys/{LEAK_KEY}", body=dict(FINGERPRINT_KEY)),
        _request(f"{mounts.transit}/keys/{REVOKED_KEY}", body=dict(FINGERPRINT_KEY)),
        _request(f"sys/auth/{installation.auth_mount}", body={"type": "kubernetes"}, once=True),
        _request(
            f"auth/{installation.auth_mount}/config",
            # For one that runs in the cluster, with system:auth-delegator; one outside also needs the API server's
            # kubernetes_ca_cert and a token_reviewer_jwt, with disable_local_ca_jwt (docs/authority.md).
            body={"kubernetes_host": "https://kubernetes.default.svc"},
        ),
    ]


def _request(path: str, **members: Any) -> dict[str, Any]:
    return {"method": "POST", "path": path, **members}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
