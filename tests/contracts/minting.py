"""Benches of the suite of systems whose provider makes the credentials: the fake, and each with its real server."""

import itertools
from abc import ABC, abstractmethod

from functions._capability import Capability
from functions._manifests.rotation_target import RotationTarget
from functions._systems import Credential, System
from functions._values import SecretData, SecretValue
from infra.deploy.vault_policies import policy_text
from infra.targets.declared import DeclaredSystems, no_admin
from infra.targets.opening import Calls, Parameters, ReadAdmin
from infra.targets.registry import module_of, parameters_model
from tests.aws import ADMIN, Aws
from tests.contracts.systems import manifest
from tests.database_engine import DatabaseEngine
from tests.fakes.systems import FakeSystem

_numbers = itertools.count(1)


class MintingBench(ABC):
    """`system` may do everything that it needs; `overlaps`: whether the former credential outlives the new one."""

    system: System
    overlaps = True
    finds_lost = True  # whether what a try made and lost is found, rather than left to end by itself

    @abstractmethod
    def account(self) -> str:
        """A new account that credentials are made for."""

    @abstractmethod
    def works(self, credential: Credential) -> bool:
        """Whether somebody who is not us can log in with it."""

    @abstractmethod
    def unknown(self) -> str:
        """The name of an account that there is not."""

    def current(self, account: str) -> Credential | None:
        """What consumers of a new account have; None where it has no credential yet."""
        return self.system.mint(account, "0" * 32)


class FakeMinting(MintingBench):
    def __init__(self) -> None:
        self.fake = FakeSystem()
        self.fake.mints = True
        self.fake.secret_fields = ("key", "secret")
        self.system = self.fake

    def account(self) -> str:
        return f"account-{next(_numbers)}"

    def works(self, credential: Credential) -> bool:
        return self.fake.works(credential)

    def unknown(self) -> str:
        return ""


def opened(target: RotationTarget, read_admin: ReadAdmin = no_admin, calls: Calls | None = None) -> System:
    return DeclaredSystems(lambda name: target, read_admin, calls).open("orders")


class EngineBench(MintingBench):
    """The database engine. Each operation runs in a step's own identity, with the rules that its type asks for."""

    kind = ""

    def __init__(self, engine: DatabaseEngine, *, login: bool = True, **parameters: object) -> None:
        self.engine = engine
        where = {"host": "127.0.0.1", "port": engine.postgres.port, "timeout": "20s"}
        at = {"login": {"type": "postgres", "parameters": where}} if login else {}
        self.target = manifest(self.kind, mount=engine.mount, **at, **parameters)
        self.system = self.in_steps(Capability.SYSTEM_APPLY, Capability.SYSTEM_REVOKE, Capability.SYSTEM_LOGIN)

    def in_steps(self, *capabilities: Capability) -> System:
        """The system as a step with these capabilities has it."""
        return opened(self.target, calls=self.calls(*capabilities))

    def calls(self, *capabilities: Capability, accounts: tuple[str, ...] = ("*",), without: str = "") -> Calls:
        """What a step with these capabilities may call, but for one path where that is left out."""
        name = f"test-{self.kind}-{'-'.join(one.name.lower() for one in capabilities)}-{self.engine.mount}"
        rules = {"sys/capabilities-self": {"update"}, **self.rules(*capabilities, accounts=accounts)}
        rules.pop(without, None)
        self.engine.openbao.admit(name, policy_text(self.kind, rules))
        return self.engine.openbao.client(name)

    def rules(self, *capabilities: Capability, accounts: tuple[str, ...]) -> dict[str, set[str]]:
        """What is rendered into the policy of such a step for these accounts."""
        model: type[Parameters] = parameters_model(self.kind)
        parameters = model.model_validate(self.target.spec.parameters)
        rules: dict[str, set[str]] = {}
        for capability in capabilities:
            for path, verbs in module_of(self.kind).authority_rules(parameters, accounts, capability).items():
                rules.setdefault(path, set()).update(verbs)
        return rules

    def works(self, credential: Credential) -> bool:
        import psycopg

        username, password = (credential.fields[name].reveal().decode() for name in ("username", "password"))
        try:
            self.engine.postgres.session(username, password).close()
        except psycopg.OperationalError:
            return False
        return True

    def unknown(self) -> str:
        return "nowhere"


class DynamicBench(EngineBench):
    kind = "openbao-dynamic"
    finds_lost = False

    def __init__(self, engine: DatabaseEngine, *, login: bool = True) -> None:
        engine.allow_minting("*")
        super().__init__(engine, login=login, tokenRole=engine.token_role)

    def account(self) -> str:
        return self.engine.dynamic_role()


class StaticBench(EngineBench):
    kind = "openbao-static"
    overlaps = False

    def account(self) -> str:
        return self.engine.static_role()


class IamBench(MintingBench):
    """IAM users at moto; nothing waits for what AWS needs time for."""

    def __init__(self, aws: Aws, **parameters: object) -> None:
        self.aws = aws
        if not aws.keys(ADMIN):
            aws.key(ADMIN)
        defaults = {"endpoint": aws.endpoint, "settle": "0s", "timeout": "20s"}
        self.target = manifest("aws-iam", **{**defaults, **parameters})
        self.system = opened(self.target, self.admin)

    def admin(self, target: RotationTarget) -> SecretData:
        key = self.aws.iam.list_access_keys(ADMIN)[0]
        return {
            "access_key_id": SecretValue.of(key.access_key_id),
            "secret_access_key": SecretValue.of(key.secret_access_key),
        }

    def account(self) -> str:
        return self.aws.user()

    def current(self, account: str) -> Credential | None:
        return self.aws.key(account)

    def works(self, credential: Credential) -> bool:
        return self.aws.works(credential)

    def unknown(self) -> str:
        return "nobody-of-this-name"


def admin_fields(**fields: str) -> ReadAdmin:
    """A reader of an admin credential with these fields."""
    data: SecretData = {name: SecretValue.of(text) for name, text in fields.items()}
    return lambda target: data
