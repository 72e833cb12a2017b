"""One step as a process: from its start to the first event answered, and how much memory it holds."""

import http.client
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.manifests import write_wiring
from benchmarks.percentiles import median
from benchmarks.result import Line, Pair, at_most
from benchmarks.running import environment, resident
from benchmarks.sizes import Sizes

_SLOWEST = 1.3  # times the floor
_MEMORY = 90.0  # MB
_STEP = "publish"
_BODY = b'{"secret":{"namespace":"bench-data","name":"nobody-wired-this"},"seen":"..2026"}'
_HEADERS = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/bench",
    "ce-type": "dev.lockstep.secret.changed",
    "ce-subject": "namespaces/bench-data/secrets/nobody-wired-this",
}


@dataclass(frozen=True, slots=True)
class _Start:
    """Seconds to the first answer, processor seconds of the process's whole life, MB."""

    wall: float
    cpu: float
    memory: float


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """Alternating starts. Lockstep's process has one secret wired; the event is about another, so neither does work."""
    root = directory / "cold-start"
    write_wiring(root, ["wired"], ("consumer-a",))
    ours: list[_Start] = []
    floor: list[_Start] = []
    for number in range(sizes.cold_starts + 1):
        pair = (_function(), _step(root))
        if number:  # the first compiles what is cached from then on
            floor.append(pair[0])
            ours.append(pair[1])
    wall = Pair(1000 * median([start.wall for start in floor]), 1000 * median([start.wall for start in ours]))
    cpu = Pair(1000 * median([start.cpu for start in floor]), 1000 * median([start.cpu for start in ours]))
    memory = Pair(median([start.memory for start in floor]), median([start.memory for start in ours]))
    return [
        at_most("cold start to first event answered, one step, p50", wall, _SLOWEST, "ms"),
        at_most("the same, processor time", cpu, _SLOWEST, "ms"),
        Line(
            "resident memory of one step's process", f"{memory.floor:.0f} MB", f"{memory.ours:.0f} MB",
            f"{memory.ratio:.2f}", f"<= {_MEMORY:.0f} MB", memory.ours <= _MEMORY,
        ),
    ]  # fmt: skip


def _function() -> _Start:
    port = _free_port()
    return _answered("benchmarks.function_floor", {"LISTEN_ADDRESS": f"127.0.0.1:{port}"}, port)


def _step(root: Path) -> _Start:
    port = _free_port()
    environ = {
        "LOCKSTEP_STEP": _STEP, "LOCKSTEP_ROOT": str(root), "LISTEN_ADDRESS": f"127.0.0.1:{port}",
        "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "unused",
    }  # fmt: skip
    return _answered("infra.hosts.step", environ, port)


def _answered(module: str, environ: Mapping[str, str], port: int) -> _Start:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", module], env={**environment(), **environ}, cwd=Path(__file__).parent.parent,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            status = _first_answer(process, port)
            wall = time.perf_counter() - began
            memory = resident(process.pid)
        finally:
            process.kill()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status != 204:
        raise RuntimeError(f"{module} answered {status}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _Start(wall, cpu, memory)


def _first_answer(process: subprocess.Popen[bytes], port: int) -> int:
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/", _BODY, _HEADERS)
            answer = connection.getresponse()
            answer.read()
        except ConnectionError:
            if process.poll() is not None:
                raise RuntimeError(f"the process ended with status {process.returncode}") from None
            time.sleep(0.002)  # nobody listens yet; the kernel does not tell when somebody will
        else:
            return answer.status
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
