"""A running `lockstep up` for tests: real processes on a ROOT of the test's own, always stopped at the end.

with Installation(tmp_path / "root").running() as up:
    up.wire("temporal", push_secret(...), external_secret(...))
    up.put("platform-data", "postgres", {"password": b"one"})
    up.wait_for(lambda: up.values("temporal", "postgres") == {"password": b"one"}, "the first value")
"""

import contextlib
import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from events.references import SecretRef
from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from tests import chaos
from tests.infra.stores import directory_producers as producers
from tests.unix_http import Response, UnixConnection, exchange

PATIENCE = 30.0  # seconds that anything may take on a loaded machine; usual are fractions of one
_POLL = 0.02
_READY = re.compile(r"^lockstep ready: ingress (http://\S+), (embedded OpenBao|authority) (\S+),", re.MULTILINE)
_LOCKSTEP = (str(Path(sys.executable).with_name("lockstep")), "up")

Document = Mapping[str, Any]


class NotReadyError(AssertionError):
    """It ended, or said nothing, instead of becoming ready."""


def wait_for(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Poll until it holds. Raises AssertionError naming what did not come."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:g} s in vain for {what}")
        time.sleep(_POLL)


@dataclass
class Installation:
    """One ROOT, and how `lockstep up` is started on it. `environment` is added to a clean one.

    `program` replaces the command `lockstep up`, for a host that a test makes misbehave.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    program: Sequence[str] = _LOCKSTEP
    options: Sequence[str] = ()

    def __post_init__(self) -> None:
        for folder in ("wiring", "namespaces"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    # --- what people and operators lay out ----------------------------------------------------------------------

    def configure(self, **sections: Any) -> None:
        """Write lockstep.yaml."""
        head = {"apiVersion": "lockstep.dev/v1alpha1", "kind": "Configuration"}
        (self.root / "lockstep.yaml").write_text(yaml.safe_dump({**head, **sections}))

    def allow(self, **namespaces: Document) -> None:
        """Write access.yaml; `_` in names stands for `-`."""
        spec = {"namespaces": {name.replace("_", "-"): dict(rules) for name, rules in namespaces.items()}}
        document = {"apiVersion": "lockstep.dev/v1alpha1", "kind": "AccessPolicy", "spec": spec}
        self.lay(self.root / "access.yaml", yaml.safe_dump(document))

    def wire(self, name: str, *documents: Document | str) -> None:
        """Write wiring/<name>.yaml as editors do: whole, by a rename."""
        texts = [each if isinstance(each, str) else yaml.safe_dump(each, sort_keys=False) for each in documents]
        self.lay(self.root / "wiring" / f"{name}.yaml", "---\n".join(texts))

    def unwire(self, name: str) -> None:
        (self.root / "wiring" / f"{name}.yaml").unlink()

    def put(
        self, namespace: str, name: str, data: Mapping[str, bytes], labels: Mapping[str, str] | None = None
    ) -> None:
        """Lay out a Secret as a kubelet does: one swap of `..data`."""
        producers.swap(self.root, SecretRef(namespace=namespace, name=name), data, labels)

    def remove(self, namespace: str, name: str) -> None:
        producers.remove(self.root, SecretRef(namespace=namespace, name=name))

    def values(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """What a workload that mounts the Secret sees; None where there is none, or it is just being swapped."""
        try:
            return producers.values(self.root, SecretRef(namespace=namespace, name=name)) or None
        except FileNotFoundError:
            return None

    @staticmethod
    def lay(path: Path, text: str) -> None:
        """Write a file whole, by a rename."""
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(text)
        temporary.replace(path)

    # --- what the broker's database says, whether or not it runs --------------------------------------------------

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the broker's database beside the running broker."""
        path = self.root / "state" / "broker.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def dead_letters(self, about: str = "") -> list[tuple[str, str, int, str]]:
        """(step, subject, code, reason) of every open dead letter whose subject or reason holds `about`."""
        rows = self.query(
            "SELECT d.route, e.subject, d.code, d.reason FROM dead_letter d JOIN event e ON e.seq = d.event "
            "WHERE d.closed IS NULL ORDER BY d.n"
        )
        return [row for row in rows if about in str(row[1]) or about in str(row[3])]

    def events(self, type_: str, about: str = "") -> int:
        """How many events of a type about this subject were accepted."""
        ending = f"%{about}"
        return int(self.query("SELECT count(*) FROM event WHERE type = ? AND subject LIKE ?", type_, ending)[0][0])

    def newest(self) -> int:
        """The number of the newest event that was accepted."""
        return int(self.query("SELECT coalesce(max(seq), 0) FROM event")[0][0])

    def unfinished(self, until: int = 2**62) -> int:
        """Deliveries of events up to this number that are neither done nor given up."""
        sql = "SELECT count(*) FROM delivery WHERE finished IS NULL AND event <= ?"
        return int(self.query(sql, until)[0][0])

    def under_way(self) -> list[str]:
        """What was delivered to no avail so far, or not yet."""
        sql = (
            "SELECT d.route, e.type, e.subject, d.attempts, coalesce(d.reason, '') FROM delivery d "
            "JOIN event e ON e.seq = d.event WHERE d.finished IS NULL ORDER BY d.event LIMIT 20"
        )
        return [" ".join(map(str, row)) for row in self.query(sql)]

    def latest(self) -> list[str]:
        """The events that were accepted last, the newest at the end, with what each began by saying."""
        rows = self.query(
            "SELECT time, type, subject, data FROM event WHERE type NOT LIKE '%.ticked' ORDER BY seq DESC LIMIT 40"
        )
        return [
            f"{time} {type_} {subject} {bytes(data or b'')[:400].decode()}" for time, type_, subject, data in rows[::-1]
        ]

    # --- running it ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self, patience: float = PATIENCE) -> Iterator["Running"]:
        """Start it, wait until it is ready, and stop it whatever happens."""
        instance = Running(self)
        try:
            instance.start(patience)
            yield instance
        finally:
            instance.end()


class Running:
    """The process of an installation; `start`, `stop`, `kill` and `restart` as often as a test likes."""

    def __init__(self, installation: Installation, output: str = "output") -> None:
        """What it prints goes to the file `<ROOT>.<output>`."""
        self.at = installation
        self.root = installation.root
        self.url = ""
        self.authority = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._output = installation.root.with_name(f"{installation.root.name}.{output}")
        self._offset = 0

    # --- its life -----------------------------------------------------------------------------------------------

    def start(self, patience: float = PATIENCE) -> None:
        """Start and wait for the ready line. Raises NotReadyError with what it said instead."""
        self.spawn()
        self.wait_ready(patience)

    def spawn(self) -> None:
        """Start without waiting."""
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_START")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        environment |= {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONWARNINGS": "error"}
        program = chaos.disturbed(self.at.program, self.at.options)
        command = [*program, "--root", str(self.root), "--listen", "127.0.0.1:0", *self.at.options]
        with self._output.open("ab") as output:
            self._offset = output.tell()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**environment, **self.at.environment},
            )  # fmt: skip

    def wait_ready(self, patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while (found := _READY.search(self.output())) is None:
            if self.returncode() is not None or time.monotonic() > end:
                status = self.returncode()
                self.end()
                raise NotReadyError(f"not ready (status {status}): {self.output()[-3000:]}")
            time.sleep(_POLL)
        self.url, self.authority = found[1], found[3]

    def stop(self, patience: float = PATIENCE) -> int:
        """SIGTERM; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(patience)

    def kill(self) -> None:
        """kill -9, and wait until it and its OpenBao are gone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def restart(self) -> None:
        self.start()

    def signal(self, number: int) -> None:
        self._running().send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        return self._running().wait(patience)

    def end(self) -> None:
        """Make sure that nothing runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def returncode(self) -> int | None:
        return self._running().poll()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._running().pid

    def output(self) -> str:
        """What it printed since its last start, both streams."""
        with self._output.open("rb") as file:
            file.seek(self._offset)
            return file.read().decode(errors="replace")

    @property
    def output_file(self) -> Path:
        """Everything it ever printed."""
        return self._output

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise AssertionError("it was not started")
        return self._process

    # --- waiting ------------------------------------------------------------------------------------------------

    def wait_for(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """As `wait_for`, telling what the instance knows where it waits in vain."""
        try:
            wait_for(condition, what, patience)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.diagnosis()}") from None

    def wait_idle(self, patience: float = PATIENCE) -> None:
        """Until the broker has delivered or given up everything that it has taken by now, and what that led to."""
        for _ in range(3):  # change, publication, materialization
            newest = self.at.newest()
            self.wait_for(lambda n=newest: self.at.unfinished(n) == 0, "an idle broker", patience)  # type: ignore[misc]

    def diagnosis(self) -> str:
        states = ["nothing runs"]
        if self.alive():
            with contextlib.suppress(CommandError):
                states = [f"{one['path']}: {_wrong(one)}" for one in self.status()["secrets"] if not one["inStep"]]
        dead = [str(letter) for letter in self.at.dead_letters()]
        under_way, latest = self.at.under_way(), self.at.latest()
        parts = ["not in step:", *states, "dead letters:", *dead, "under way:", *under_way, "latest events:", *latest]
        return "\n".join([*parts, "output:", self.output()[-3000:]])

    # --- what it says of itself ---------------------------------------------------------------------------------

    def status(self) -> Any:
        """The document of `lockstep status -o json`."""
        return self.control.ask("status")

    def secret(self, path: str) -> Any:
        """What `status` says of one path (mount/path); None where nothing wires it."""
        try:
            (found,) = self.control.ask("status", names=[path])["secrets"]
        except CommandError as error:
            if error.exit_code != Exit.NOT_FOUND:
                raise
            return None
        return found

    def in_step(self, path: str) -> bool:
        found = self.secret(path)
        return bool(found and found["inStep"])

    def version(self, path: str) -> int:
        """The confirmed version's number; 0 where there is none."""
        found = self.secret(path)
        return int(found["version"]["number"]) if found and found["version"] else 0

    def wrong(self, path: str) -> str:
        """Everything that `status` says is wrong with a path and its consumers."""
        return _wrong(self.secret(path) or {})

    def problem(self, manifest: str) -> str:
        """Why a manifest (`Kind namespace/name`) may not act, with file and line; "" where it may."""
        problems = self.status()["wiring"]["problems"]
        return "".join(f"{p['file']}:{p['line']}: {p['message']}" for p in problems if p["manifest"] == manifest)

    # --- speaking with it ---------------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """One HTTP request over TCP."""
        host = self.url.removeprefix("http://").split("/")[0]
        connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        return _exchange(connection, method, path, body, headers or {})

    def send(self, type_: str, data: Any = None, *, subject: str = "", token: str = "", **attributes: str) -> Response:
        """POST a CloudEvent in binary mode to the ingress over TCP."""
        headers = event_headers(type_, subject, attributes)
        if token:
            headers["authorization"] = f"Bearer {token}"
        return self.request("POST", "/lockstep/default", body=json.dumps(data or {}).encode(), headers=headers)

    def operate(self, type_: str, data: Any = None, *, subject: str = "", **attributes: str) -> Response:
        """POST a CloudEvent over the Unix socket: as the operator."""
        headers = event_headers(type_, subject, attributes)
        body = json.dumps(data or {}).encode()
        return self.ask("POST", "/lockstep/default", body=body, headers=headers)

    def ask(self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Response:
        """One HTTP request over the Unix socket."""
        return _exchange(UnixConnection(self.socket, PATIENCE), method, path, body, headers or {})

    @property
    def socket(self) -> Path:
        return self.root / "state" / "lockstep.sock"

    @property
    def control(self) -> ControlClient:
        """What the command line uses."""
        return ControlClient(self.root)

    def metrics(self) -> dict[str, float]:
        """Samples by name with their labels, as the page has them."""
        answer = self.request("GET", "/metrics")
        assert answer.status == 200, answer
        lines = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def metric(self, name: str) -> float:
        return self.metrics()[f"lockstep_{name}"]

    def ready(self) -> bool:
        return self.request("GET", "/health/readiness").status == 200


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> Response:
    with contextlib.closing(connection):
        return exchange(connection, method, path, body or None, headers)


def event_headers(type_: str, subject: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """Binary mode: a fresh id unless `attributes` has one; without subject where it is ""."""
    given = {"id": os.urandom(8).hex(), "source": "/tests", "specversion": "1.0", **attributes}
    if subject:
        given["subject"] = subject
    headers = {f"ce-{name}": value for name, value in given.items()}
    return {**headers, "ce-type": type_, "content-type": "application/json"}


def _wrong(secret: Any) -> str:
    wrong = [secret.get("wrong", ""), *(one["wrong"] for one in secret.get("consumers", ()))]
    return "; ".join(one for one in wrong if one)


# --- manifests ----------------------------------------------------------------------------------------------------


def store(name: str = "vault-backend", mount: str = "secret", server: str = "https://vault.vault.svc:8200") -> Document:
    """A ClusterSecretStore. At an existing authority `server` must be its address; the embedded one ignores it."""
    vault = {"server": server, "path": mount, "version": "v2"}
    return {
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": name},
        "spec": {"provider": {"vault": vault}},
    }  # fmt: skip


def push_secret(
    name: str, source: str, path: str, keys: Sequence[str] | Mapping[str, str] = ("password",), **spec: Any
) -> Document:
    """A PushSecret: `source` is namespace/secret; `keys` go to properties of the same, or of the given, names."""
    namespace, _, secret = source.partition("/")
    pairs = keys if isinstance(keys, Mapping) else {key: key for key in keys}
    data = [
        {"match": {"secretKey": key, "remoteRef": {"remoteKey": path, "property": property_}}}
        for key, property_ in pairs.items()
    ]
    return {
        "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "secretStoreRefs": [{"name": "vault-backend", "kind": "ClusterSecretStore"}],
            "selector": {"secret": {"name": secret}}, "data": data, **spec,
        },
    }  # fmt: skip


def external_secret(target: str, path: str, /, **spec: Any) -> Document:
    """An ExternalSecret that extracts a path into namespace/secret; `spec` replaces parts of it."""
    namespace, _, name = target.partition("/")
    return {
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "secretStoreRef": {"name": "vault-backend", "kind": "ClusterSecretStore"},
            "dataFrom": [{"extract": {"key": path}}], **spec,
        },
    }  # fmt: skip
