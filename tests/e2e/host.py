"""`lockstep up` made to misbehave: `python -m tests.e2e.host [--chaos N] [--fuse F] [--liar] [--clock F] [--linger S]`.

It is the real instance, with the options of `lockstep up`; what a test adds is at its ports:
- `--chaos`: the broker shuffles, repeats and loses replies within its promises.
- `--fuse FILE`: while FILE holds `<n> before` or `<n> after`, the n-th I/O call since FILE was last changed dies by
  SIGKILL, before it is made or after it took effect. The calls made are noted, one a line, in FILE.calls.
- `--liar`: the step `publish` answers with a fact that only another step may tell.
- `--clock FILE`: the wall clock of the process is off by as many seconds as FILE says.
- `--linger SECONDS`: what nobody waits for is written down so much later; who dies meanwhile loses all of it at once.
"""

import argparse
import dataclasses
import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_PORTS = (
    "sources", "targets", "authority", "claims", "tombstones", "publications", "ledger",
    "rotations", "pending", "proofs", "systems", "budgets", "reminders",
)  # fmt: skip


class Fuse:
    """Counts calls, and dies at the one it was set to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()
        self._set = ""
        self._count = 0
        self._calls = os.open(f"{file}.calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            number, at, moment = self._next(name)
            if number == at and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = function(*args, **kwargs)
            if number == at and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return called

    def _next(self, name: str) -> tuple[int, int, str]:
        with self._guard:
            try:
                setting = self._file.read_text().strip()
            except FileNotFoundError:
                setting = ""
            if setting != self._set:
                self._set, self._count = setting, 0
            if not setting:
                return 0, -1, ""
            self._count += 1
            os.write(self._calls, f"{setting}: {self._count} {name}\n".encode())
            at, _, moment = setting.partition(" ")
            return self._count, int(at), moment


class _Fused:
    """A port whose calls go through a fuse."""

    def __init__(self, name: str, port: Any, fuse: Fuse) -> None:
        self._name, self._port, self._fuse = name, port, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name == "open":  # a system that is opened makes calls of its own
            return lambda *args: _Fused(self._name, found(*args), self._fuse)
        return self._fuse.wrap(f"{self._name}.{name}", found) if callable(found) else found


def install_fuse(file: Path) -> None:
    """Every I/O call of every step, and its answer on the way to the broker."""
    from infra.hosts import answering
    from infra.hosts.local import instance

    fuse, made = Fuse(file), vars(instance)["step_ports"]

    def fused(step: Any, *args: Any) -> Any:
        ports = made(step, *args)
        wrapped: dict[str, Any] = {name: _Fused(f"{step.name} {name}", getattr(ports, name), fuse) for name in _PORTS}
        return dataclasses.replace(ports, **wrapped)

    class Answerer(answering.StepAnswerer):
        def deliver(self, *args: Any) -> Any:
            return fuse.wrap(f"{self.step.name} answers", super().deliver)(*args)

    vars(instance)["step_ports"] = fused
    vars(instance)["StepAnswerer"] = Answerer


def install_liar() -> None:
    """Its true answers, and with each the news that a consumer was brought up to date."""
    from infra.hosts import answering
    from infra.hosts.local import instance

    class Liar(answering.StepAnswerer):
        def deliver(self, *args: Any) -> Any:
            answer = super().deliver(*args)
            if self.step.name != "publish" or not answer.events:
                return answer
            (told, *_) = answer.events
            lie = dataclasses.replace(told, id=f"{told.id}-lie", type="dev.lockstep.secret.materialized")
            return dataclasses.replace(answer, events=(*answer.events, lie))

    vars(instance)["StepAnswerer"] = Liar


def install_clock(file: Path) -> None:
    """Before anything else is imported, as default arguments keep the function that they were given."""
    real = time.time
    real_ns = time.time_ns

    def off() -> float:
        return float(file.read_text() or 0)

    vars(time)["time"] = lambda: real() + off()
    vars(time)["time_ns"] = lambda: real_ns() + int(off() * 1e9)
    from infra.hosts import wiring
    from infra.hosts.local import instance

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=off())

    vars(instance)["_now"] = now
    setattr(wiring.SystemClock, "now", lambda _: now())  # noqa: B010  a method of the real clock, exchanged on purpose


def install_chaos(seed: int) -> None:
    from infra.broker.chaos import Chaos
    from infra.hosts.cli import up

    vars(up)["Options"] = functools.partial(vars(up)["Options"], chaos=Chaos(seed=seed))


def install_linger(seconds: float) -> None:
    from infra.broker import writer

    vars(writer)["LINGER"] = seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chaos", type=int)
    parser.add_argument("--fuse", type=Path)
    parser.add_argument("--liar", action="store_true")
    parser.add_argument("--clock", type=Path)
    parser.add_argument("--linger", type=float)
    given, rest = parser.parse_known_args()
    if given.clock:
        install_clock(given.clock)
    if given.fuse:
        install_fuse(given.fuse)
    if given.liar:
        install_liar()
    if given.linger is not None:
        install_linger(given.linger)
    if given.chaos is not None:
        install_chaos(given.chaos)
    from infra.hosts.cli.up import command

    command(rest, prog_name="lockstep up")


if __name__ == "__main__":
    main()
