"""Kubernetes auth at the authority: one role per step, bound to exactly that step's ServiceAccount.

A deviation from seed 001, 5a.7.2, which has a single role: docs/authority.md says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions._step import Step
from infra.deploy.triggers import NAMESPACE
from infra.deploy.vault_policies import policy_name

MOUNT = "kubernetes"
AUDIENCE = "openbao"
TOKEN_TTL = 600  # seconds that a token lives; renewed at two thirds of it
TOKEN_MAX_TTL = 3600  # seconds after which the ServiceAccount has to prove itself anew


@dataclass(frozen=True, slots=True)
class Role:
    """A role of Kubernetes auth, as it is written to `auth/<mount>/role/<name>`."""

    name: str
    parameters: Mapping[str, Any]


def role(step: Step, *, account: str = "", namespace: str = NAMESPACE, audience: str = AUDIENCE) -> Role:
    """The role of one step. `account` is the ServiceAccount that runs it; its own name where none is given."""
    return Role(
        policy_name(step.name),
        {
            "bound_service_account_names": [account or step.name],
            "bound_service_account_namespaces": [namespace],
            "audience": audience,
            # An account that is deleted and made again under its name is somebody else.
            "alias_name_source": "serviceaccount_uid",
            "token_policies": [policy_name(step.name)],
            "token_no_default_policy": True,
            "token_type": "service",
            "token_ttl": TOKEN_TTL,
            "token_max_ttl": TOKEN_MAX_TTL,
        },
    )
