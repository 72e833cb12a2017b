"""Credentials that providers make or keep, rotated by a running Lockstep: AWS as moto has it, OpenBao's engine.

The instance uses the worker's OpenBao as its authority, whose database engine is over a real PostgreSQL. There it has
the policies that `lockstep manifests` renders for its ROOT, and at AWS what the target's page has people grant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import yaml

from infra.deploy.manifests.installation import Installation as Rendered
from infra.hosts.configuration import load
from infra.hosts.installing import rendered, wiring_of
from tests.aws import Aws
from tests.aws_permissions import documented, fields_of, granted
from tests.contracts.minting import DynamicBench, IamBench, StaticBench
from tests.database_engine import DatabaseEngine
from tests.e2e.rotation.shop import NAMESPACE, PLATFORM, ROTATION
from tests.infra.targets.sites import DynamicSite, IamSite, RootSite, SecretsManagerSite, Site, StaticSite
from tests.instance import Installation, Running, external_secret, push_secret
from tests.openbao import OpenBao

KINDS = ("aws-iam", "aws-secrets-manager", "openbao-static", "openbao-dynamic", "openbao-root")
TARGET = "provider"


@dataclass
class Provider:
    """One ROOT, and an account at a provider; `admin` is the key that the provider is administered with."""

    at: Installation
    site: Site
    admin: Mapping[str, str] = field(default_factory=dict, repr=False)
    mark: str = field(default_factory=lambda: uuid4().hex[:8])  # the authority is shared: paths of one's own

    @property
    def path(self) -> str:
        return f"platform-data/provider/{self.mark}"

    @property
    def full_path(self) -> str:
        return f"secret/{self.path}"

    @property
    def admin_path(self) -> str:
        return f"platform-data/provider/admin-{self.mark}"

    @property
    def kind(self) -> str:
        return self.site.declared.spec.type

    @property
    def mount(self) -> str:
        """The engine's; of others, one that there is not."""
        return str(self.site.declared.spec.parameters.get("mount", "database"))

    def lay_out(self) -> None:
        """Target, its admin credential where it has one, a Rotation, and a consumer."""
        documents: list[Mapping[str, Any]] = [self._rotation(), external_secret(f"{NAMESPACE}/orders", self.path)]
        spec: dict[str, Any] = {
            "type": self.kind, "parameters": dict(self.site.declared.spec.parameters),
            "allow": [{"namespaces": [NAMESPACE], "accounts": [self.site.target["account"]]}],
        }  # fmt: skip
        if self.admin:
            spec["admin"] = {"secretStoreRef": {"name": "vault-backend"}, "remoteKey": self.admin_path}
            self.at.put(PLATFORM, "provider-admin", {name: text.encode() for name, text in self.admin.items()})
            source = f"{PLATFORM}/provider-admin"
            documents.append(push_secret("provider-admin", source, self.admin_path, tuple(self.admin)))
        target = {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "RotationTarget", "metadata": {"name": TARGET}, "spec": spec,
        }  # fmt: skip
        (self.at.root / "targets").mkdir(exist_ok=True)
        self.at.lay(self.at.root / "targets" / "provider.yaml", yaml.safe_dump(target))
        self.at.wire("shop", *documents)

    def _rotation(self) -> dict[str, Any]:
        return {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "Rotation",
            "metadata": {"namespace": NAMESPACE, "name": ROTATION},
            "spec": {
                "secretStoreRef": {"name": "vault-backend"}, "remoteKey": self.path, "strategy": self.site.strategy,
                "target": {"name": TARGET, "account": self.site.target["account"]},
            },
        }  # fmt: skip

    def held(self) -> dict[str, bytes]:
        """What a workload reads from its mount now."""
        return self.at.values(NAMESPACE, "orders") or {}

    def ready(self, up: Running, asked: Callable[[], object]) -> None:
        """Wait until everything is known: the Rotation, and the admin's key at the authority."""
        up.wait_for(asked, "the wired Rotation")
        if self.admin:
            up.wait_for(lambda: up.version(f"secret/{self.admin_path}") == 1, "the admin credential at the authority")


def provider(kind: str, at: Installation, request: pytest.FixtureRequest, **parameters: object) -> Provider:
    """Of a kind, with a path that already holds what the provider accepts, where somebody can have put it there."""
    if kind.startswith("aws-"):
        aws: Aws = request.getfixturevalue("aws_enforced")
        iam = IamBench(aws, deleteAfter="0s", **parameters)
        made: Site = IamSite(iam) if kind == "aws-iam" else SecretsManagerSite(aws)
        return _written(Provider(at, made, fields_of(granted(aws, documented(kind)))), request)
    engine: DatabaseEngine = request.getfixturevalue("database_engine")
    if kind == "openbao-root":
        return _written(Provider(at, RootSite(engine, lambda calls: calls)), request)
    if kind == "openbao-static":
        return _written(Provider(at, StaticSite(StaticBench(engine), lambda calls: calls)), request)
    return Provider(at, DynamicSite(DynamicBench(engine), lambda calls: calls))


def restrict(made: Provider, openbao: OpenBao) -> None:
    """Give the instance the steps' policies, as they are rendered for what is laid out, and nothing else."""
    root = made.at.root
    configuration = load(root / "lockstep.yaml")
    known = wiring_of(root / "wiring", configuration)
    assert (known.unread, known.left_out) == ((), ())
    files = rendered(known.wired, Rendered(cluster=configuration.cluster), configuration)
    token = openbao.token(*(text for name, text in files.items() if name.endswith(".hcl")))
    made.at.environment["VAULT_TOKEN"] = token.reveal().decode()


def _written(made: Provider, request: pytest.FixtureRequest) -> Provider:
    """The path as somebody filled it who had the credential before Lockstep did."""
    openbao: OpenBao = request.getfixturevalue("openbao")
    data = {name: value.decode() for name, value in made.site.first().items()}
    openbao.engine().write("secret", made.path, data, 0)
    return made
