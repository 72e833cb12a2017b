"""Runs in a process of its own: kills a writer between any two of its I/O calls, or writes until it is killed.

`python -m tests.infra.stores.directory_crashes every ROOT OPERATION` prints how many deaths were survived;
`… loop ROOT` writes without end.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from events.references import SecretRef
from functions._ports import SecretContent
from functions._values import SecretValue
from infra.stores.directory import DirectorySecrets
from tests.infra.stores import directory_producers as producers

REF = SecretRef(namespace="temporal", name="db")
CALLS = (
    "open", "close", "mkdir", "write", "fchmod", "fdatasync", "symlink", "rename", "unlink", "rmdir",
    "listdir", "scandir", "readlink", "stat", "fstat",
)  # fmt: skip


def content(generation: int) -> SecretContent:
    """Every key holds the generation, and one key's name does."""
    raw = SecretValue(f"{generation:08d}".encode())
    data = {"username": raw, "password": raw, f"only-{generation % 2}": raw}
    return SecretContent(data=data, stamp={}, owner="ExternalSecret temporal/db", managed=frozenset(data))


def loop(root: Path) -> None:
    secrets, generation = DirectorySecrets(root), 0
    head = secrets.head(REF)
    state = head.state if head else secrets.create(REF, content(0))
    while True:
        generation += 1
        state = secrets.update(REF, content(generation), state)


def die_at(nth: int) -> None:
    """Have this process killed instead of its nth call from now on."""
    left = [nth]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def survives(work: Callable[[], object], nth: int) -> bool:
    """Whether `work` came to its end before its nth call."""
    child = os.fork()
    if child == 0:
        die_at(nth)
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def names_left(root: Path) -> set[str]:
    directory = producers.place(root, REF)
    kept = {"..data", "..lockstep.json", os.readlink(directory / "..data")}
    return {entry.name for entry in directory.iterdir() if entry.name.startswith("..")} - kept


def seen(root: Path) -> dict[str, bytes] | None:
    """What a consumer sees; None when the Secret is not there. Links that lead to nothing are what they seem."""
    if not (producers.place(root, REF) / "..data").is_symlink():
        return None
    return {e.name: e.read_bytes() for e in producers.place(root, REF).iterdir() if e.name[:2] != ".." and e.exists()}


def expected(generation: int) -> dict[str, bytes]:
    return {key: value.reveal() for key, value in content(generation).data.items()}


def every(root: Path, operation: str) -> int:
    """How many points of an operation a writer can die at; each leaves the old or the new, and heals."""
    secrets, nth = DirectorySecrets(root), 0
    while True:
        nth += 1
        head = secrets.head(REF)
        if head:
            secrets.delete(REF, head.state)
        allowed: list[dict[str, bytes] | None] = [None, expected(1)]
        work: Callable[[], object] = lambda: secrets.create(REF, content(1))  # noqa: E731 - one of three
        if operation != "create":
            state = secrets.create(REF, content(0))
            allowed[0] = expected(0)
            work = lambda state=state: secrets.update(REF, content(1), state)  # type: ignore[misc]  # noqa: E731
        if operation == "delete":
            allowed = [expected(0), None]
            work = lambda state=state: secrets.delete(REF, state)  # type: ignore[misc]  # noqa: E731
        ended = survives(work, nth)
        assert seen(root) in allowed, (nth, seen(root))
        found = secrets.read(REF)
        read = {key: value.reveal() for key, value in found.data.items()} if found else None
        assert read in allowed, (nth, read)
        assert not (found and found.drifted), nth
        state = secrets.update(REF, content(2), found.state) if found else secrets.create(REF, content(2))
        assert seen(root) == expected(2)
        assert names_left(root) == set(), nth
        secrets.clean()
        assert [entry.name for entry in producers.place(root, REF).parent.iterdir()] == [REF.name]
        if ended:
            return nth - 1


if __name__ == "__main__":
    if sys.argv[1] == "loop":
        loop(Path(sys.argv[2]))
    print(every(Path(sys.argv[2]), sys.argv[3]))
