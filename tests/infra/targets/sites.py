"""Accounts at real servers whose credential a path holds, as somebody sees them who is not Lockstep."""

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends

from functions._capability import Capability
from functions._leases import Leases
from functions._manifests.rotation_target import RotationTarget
from functions._systems import Credential, System
from functions._values import SecretValue
from infra.stores.vault.leases import VaultLeases
from infra.targets.opening import Calls
from tests.aws import ACCOUNT, Aws
from tests.contracts.minting import EngineBench, IamBench, opened
from tests.contracts.systems import PostgresBench, RealBench, RedisBench, manifest
from tests.database_engine import DatabaseEngine
from tests.infra.targets.test_openbao_engine import RootBench

_numbers = itertools.count(1)
Data = Mapping[str, bytes]


class Site(ABC):
    """One account, or the two that take turns."""

    strategy = "minted"
    begins = True  # whether there is a credential before the first rotation
    once = False  # whether only its first rotation is worth a look
    system: System
    leases: Leases | None = None  # what it knows of leases that it gave
    declared: RotationTarget
    target: dict[str, object]  # spec.target of its Rotation

    @abstractmethod
    def first(self) -> Data:
        """What the path holds before its first rotation; {}: it does not exist."""

    @abstractmethod
    def lets_in(self, data: Data) -> bool:
        """Whether somebody gets in with what a path or a Secret holds."""

    @abstractmethod
    def check_clean(self, data: Data, named: str) -> None:
        """That nothing is left at the target but the credential that consumers have; `named` is its id."""

    def refuses(self, data: Data) -> bool:
        """Whether a credential that was replaced opens nothing any more."""
        return not self.lets_in(data)

    def close(self) -> None:  # noqa: B027  most leave nothing
        """Remove what others would be slowed down by."""

    def serves(self, datas: list[Data]) -> bool:
        """Whether a credential that can be found works: the consumers', the live one or the staged one."""
        return any(self.lets_in(data) for data in datas)


class PasswordSite(Site):
    """Accounts of a server that takes passwords of ours."""

    def __init__(self, bench: RealBench, strategy: str) -> None:
        self.bench, self.strategy, self.system, self.declared = bench, strategy, bench.system, bench.target
        self.accounts = [bench.account("the-first-of-all")]
        if strategy == "alternating":
            self.accounts.append(bench.account())
        names = {"accounts": self.accounts} if strategy == "alternating" else {"account": self.accounts[0]}
        self.target = {"name": "orders", **names}

    def first(self) -> Data:
        return {"host": b"here", "username": self.accounts[0].encode(), "password": b"the-first-of-all"}

    def lets_in(self, data: Data) -> bool:
        return self.bench.lets_in(data["username"].decode(), data["password"].decode())


class PostgresSite(PasswordSite):
    def __init__(self, bench: PostgresBench, strategy: str) -> None:
        super().__init__(bench, strategy)
        self.server = bench.server

    def check_clean(self, data: Data, named: str) -> None:
        query = "SELECT rolname FROM pg_authid WHERE rolname = ANY(%s) AND rolcanlogin AND rolpassword IS NOT NULL"
        assert self.server.run(query, self.accounts) == [(data["username"].decode(),)]


class RedisSite(PasswordSite):
    def __init__(self, bench: RedisBench, strategy: str) -> None:
        super().__init__(bench, strategy)
        self.server = bench.server

    def check_clean(self, data: Data, named: str) -> None:
        kept = {}
        for account in self.accounts:
            words = self.server.run("ACL", "GETUSER", account)
            told = dict(zip(words[::2], words[1::2], strict=True))
            kept[account] = len(told["passwords"]) if "on" in told["flags"] else 0
        assert kept == {account: int(account.encode() == data["username"]) for account in self.accounts}


class IamSite(Site):
    def __init__(self, bench: IamBench) -> None:
        self.aws, self.system, self.user, self.declared = bench.aws, bench.system, bench.account(), bench.target
        self.target = {"name": "orders", "account": self.user}

    def first(self) -> Data:
        return {name: value.reveal() for name, value in self.aws.key(self.user).fields.items()}

    def lets_in(self, data: Data) -> bool:
        """As the gate before moto decides; asking it over HTTP takes ten times as long."""
        keys = {key.access_key_id: key for key in self.aws.iam.list_access_keys(self.user)}
        key = keys.get(data["access_key_id"].decode())
        return (
            key is not None and key.status == "Active" and key.secret_access_key.encode() == data["secret_access_key"]
        )

    def check_clean(self, data: Data, named: str) -> None:
        assert self.aws.keys(self.user) == {data["access_key_id"].decode(): "Active"}
        assert not self.aws.iam.list_user_tags(self.user)


class SecretsManagerSite(Site):
    """Who reads AWSCURRENT or AWSPREVIOUS has it."""

    strategy = "dual"

    def __init__(self, aws: Aws) -> None:
        self.backend: SecretsManagerBackend = secretsmanager_backends[ACCOUNT]["us-east-1"]
        self.name = f"orders/site-{next(_numbers)}"  # as docs/targets/aws-secrets-manager.md calls them
        self.backend.create_secret(self.name, '{"password": "the-first-of-all"}', None, None, [], None, None, [], False)
        self.declared = manifest("aws-secrets-manager", endpoint=aws.endpoint, timeout="20s")
        self.system = opened(self.declared, IamBench(aws).admin)
        self.target = {"name": "orders", "account": self.name}

    def first(self) -> Data:
        return {"password": b"the-first-of-all"}

    def lets_in(self, data: Data) -> bool:
        labelled = self._labelled()
        return data["password"] in (labelled.get("AWSCURRENT"), labelled.get("AWSPREVIOUS"))

    def check_clean(self, data: Data, named: str) -> None:
        assert self._labelled() == {"AWSCURRENT": data["password"]}

    def _labelled(self) -> dict[str, bytes]:
        versions = self.backend.secrets[self.name].versions.values()
        return {
            label: json.loads(version["secret_string"])["password"].encode()
            for version in versions
            for label in version["version_stages"]
        }


class EngineSite(Site):
    """A role of OpenBao's database engine, over PostgreSQL."""

    def __init__(self, bench: EngineBench, tap: Callable[[Calls], Calls]) -> None:
        self.bench, self.engine, self.account, self.declared = bench, bench.engine, bench.account(), bench.target
        may = (Capability.SYSTEM_APPLY, Capability.SYSTEM_REVOKE, Capability.SYSTEM_LOGIN)
        self.system = opened(bench.target, calls=tap(bench.calls(*may)))
        self.target = {"name": "orders", "account": self.account}

    def lets_in(self, data: Data) -> bool:
        return self.bench.works(Credential("", {name: SecretValue(value) for name, value in data.items()}))


class StaticSite(EngineSite):
    def first(self) -> Data:
        return {"username": self.account.encode(), "password": self.engine.static_password(self.account).reveal()}

    def serves(self, datas: list[Data]) -> bool:
        """OpenBao gives out what it made, as often as it is asked."""
        return super().serves([*datas, self.first()])

    def check_clean(self, data: Data, named: str) -> None:
        assert data["password"] == self.engine.static_password(self.account).reveal()


class DynamicSite(EngineSite):
    """What a try made and lost ends with its first lease: nobody knows of it, or renews it."""

    begins = False

    def __init__(self, bench: EngineBench, tap: Callable[[Calls], Calls]) -> None:
        super().__init__(bench, tap)
        self.lost: set[str] = set()
        self.leases = VaultLeases(self.engine.openbao.admin())

    def first(self) -> Data:
        return {}

    def check_clean(self, data: Data, named: str) -> None:
        """One lease beside the lost ones, of which each kill makes one at most, and which are not renewed."""
        found = self._leases()
        assert named.rpartition("/")[2] in found
        new = found - self.lost - {named.rpartition("/")[2]}
        assert len(new) <= 1
        self.lost |= new

    def _leases(self) -> set[str]:
        where = f"sys/leases/lookup/{self.engine.mount}/creds/{self.account}"
        return set(
            self.engine.admin.call("LIST", where, kind="test", absent_ok=True).body.get("data", {}).get("keys", ())
        )


class RootSite(EngineSite):
    """The account of an engine itself: nobody has what is made, and the engine goes on with it."""

    once = True

    def __init__(self, engine: DatabaseEngine, tap: Callable[[Calls], Calls]) -> None:
        super().__init__(RootBench(engine, usernames={engine.connection: engine.root}), tap)
        self.role = engine.dynamic_role()

    def first(self) -> Data:
        return {"username": self.engine.root.encode(), "password": self.engine.root_password.encode()}

    def serves(self, datas: list[Data]) -> bool:
        return bool(self.engine.lease(self.role))

    def check_clean(self, data: Data, named: str) -> None:
        assert data["password"] == b"known to OpenBao alone since rotation " + named.encode()

    def close(self) -> None:
        self.engine.admin.call("DELETE", f"sys/mounts/{self.engine.mount}", kind="test")


class GeneratedSite(Site):
    """Nothing accepts it, so nothing could refuse it."""

    strategy = "single"

    def __init__(self) -> None:
        self.declared = manifest("generated")
        self.system = opened(self.declared)
        self.target = {"name": "orders", "account": "signing"}

    def first(self) -> Data:
        return {"value": b"the-first-of-all"}

    def lets_in(self, data: Data) -> bool:
        return "value" in data

    def refuses(self, data: Data) -> bool:
        return True

    def check_clean(self, data: Data, named: str) -> None:
        """There is nowhere to leave anything."""
