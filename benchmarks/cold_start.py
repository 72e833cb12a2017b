"""One step as a process: from its start to the first event answered, and how much memory it holds."""

import http.client
import json
import random
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.manifests import write_wiring
from benchmarks.percentiles import median
from benchmarks.result import Line, Pair, at_most
from benchmarks.running import environment, resident
from benchmarks.sizes import Sizes

_SLOWEST = 1.3  # times the floor
_MEMORY = 90.0  # MB
_Event = tuple[str, Mapping[str, object]]  # the end of its type, and its data
_SECRET = {"secret": {"namespace": "bench-data", "name": "nobody-wired-this"}, "seen": "..2026"}
_TICK = {"schedule": {"name": "of-nobody"}, "at": "2026-01-01T00:00:00Z", "shard": 0, "shards": 1}
# Every step that can be served alone, with an event that it takes and that is none of its business.
_STEPS: dict[str, _Event] = {
    "publish": ("secret.changed", _SECRET),
    "materialize": ("secret.drifted", _SECRET),
    "retract": ("secret.removed", _SECRET),
    "restart": ("schedule.ticked", _TICK),
    "adopted": ("schedule.ticked", _TICK),
    "sweep": ("schedule.ticked", _TICK),
}


@dataclass(frozen=True, slots=True)
class _Start:
    """Seconds to the first answer, processor seconds of the process's whole life, MB."""

    wall: float
    cpu: float
    memory: float


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """Starts in turn. Each step has one secret wired; its event is about nothing wired, so no side does work."""
    root = directory / "cold-start"
    write_wiring(root, ["wired"], ("consumer-a",))
    floor: list[_Start] = []
    ours: dict[str, list[_Start]] = {name: [] for name in _STEPS}
    order = random.Random(1)
    for number in range(sizes.cold_starts + 1):
        for name in order.sample(("", *_STEPS), len(_STEPS) + 1):
            started = _step(root, name) if name else _function()
            if number:  # the first compiles what is cached from then on
                (ours[name] if name else floor).append(started)
    return _lines(floor, ours)


def _lines(floor: list[_Start], ours: Mapping[str, list[_Start]]) -> list[Line]:
    def pair(name: str, of: Callable[[_Start], float]) -> Pair:
        return Pair(median([of(start) for start in floor]), median([of(start) for start in ours[name]]))

    walls = {name: pair(name, lambda start: 1000 * start.wall) for name in ours}
    cpus = {name: pair(name, lambda start: 1000 * start.cpu) for name in ours}
    memories = {name: pair(name, lambda start: start.memory) for name in ours}
    dearest = max(cpus, key=lambda name: cpus[name].ours)
    largest = max(memories, key=lambda name: memories[name].ours)
    memory = memories[largest]
    return [
        *(
            at_most(f"cold start to first event answered, {name}, p50", walls[name], _SLOWEST, "ms") for name in ours
        ),
        at_most(f"the same, processor time, the dearest of them ({dearest})", cpus[dearest], _SLOWEST, "ms"),
        Line(
            f"resident memory of one step's process, the largest ({largest})", f"{memory.floor:.0f} MB",
            f"{memory.ours:.0f} MB", f"{memory.ratio:.2f}", f"<= {_MEMORY:.0f} MB", memory.ours <= _MEMORY,
        ),
    ]  # fmt: skip


def _function() -> _Start:
    port = _free_port()
    return _answered("benchmarks.function_floor", {"LISTEN_ADDRESS": f"127.0.0.1:{port}"}, port, _STEPS["publish"])


def _step(root: Path, name: str) -> _Start:
    port = _free_port()
    environ = {
        "LOCKSTEP_STEP": name, "LOCKSTEP_ROOT": str(root), "LISTEN_ADDRESS": f"127.0.0.1:{port}",
        "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "unused",
    }  # fmt: skip
    return _answered("infra.hosts.step", environ, port, _STEPS[name])


def _answered(module: str, environ: Mapping[str, str], port: int, event: _Event) -> _Start:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", module], env={**environment(), **environ}, cwd=Path(__file__).parent.parent,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            status = _first_answer(process, port, event)
            wall = time.perf_counter() - began
            memory = resident(process.pid)
        finally:
            process.kill()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status != 204:
        raise RuntimeError(f"{module} answered {status}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _Start(wall, cpu, memory)


def _first_answer(process: subprocess.Popen[bytes], port: int, event: _Event) -> int:
    kind, data = event
    headers = {
        "content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/bench",
        "ce-type": f"dev.lockstep.{kind}",
    }  # fmt: skip
    body = json.dumps(data)
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/", body, headers)
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
