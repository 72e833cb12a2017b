"""kill -9 at any moment: consumers have the old or the new content, whole, and nothing is left behind for long."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.stores.directory import DirectorySecrets
from tests.infra.stores import directory_producers as producers
from tests.infra.stores.directory_crashes import REF, names_left

REPOSITORY = Path(__file__).parents[3]
DEADLINE = 60.0


@pytest.mark.parametrize(("operation", "at_least"), [("create", 40), ("update", 40), ("delete", 15)])
def test_a_writer_may_die_between_any_two_calls(tmp_path: Path, operation: str, at_least: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.infra.stores.directory_crashes", "every", str(tmp_path), operation],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= at_least


@contextmanager
def writer(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes without end, killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.infra.stores.directory_crashes", "loop", str(root)], cwd=REPOSITORY
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def look(root: Path) -> tuple[str, dict[str, bytes]] | None:
    """One content as a careful consumer reads it: it opens `..data` once. None when it was replaced meanwhile."""
    try:
        handle = os.open(producers.place(root, REF) / "..data", os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    found = {}
    try:
        for name in os.listdir(handle):
            if not name.startswith(".."):
                with open(os.open(name, os.O_RDONLY, dir_fd=handle), "rb") as file:
                    found[name] = file.read()
        return os.readlink(producers.place(root, REF) / "..data"), found
    except FileNotFoundError:
        return None
    finally:
        os.close(handle)


def test_readers_never_see_a_mix_while_writers_are_killed(tmp_path: Path) -> None:
    secrets, generations = DirectorySecrets(tmp_path), set[bytes]()
    for _ in range(3):
        contents: set[str] = set()
        deadline = time.monotonic() + DEADLINE
        with writer(tmp_path) as process:
            while len(contents) < 15:
                assert process.poll() is None
                assert time.monotonic() < deadline, "the writer does not write"
                seen = look(tmp_path)
                # A listing taken while the replaced content was removed is not whole; the name tells.
                if seen and seen[0] == os.readlink(producers.place(tmp_path, REF) / "..data"):
                    contents.add(seen[0])
                    assert len(set(seen[1].values())) <= 1
                    generations.update(seen[1].values())
        found = secrets.read(REF)
        assert found
        values = {value.reveal() for value in found.data.values()}
        assert (len(values), len(found.data), found.drifted) == (1, 3, False)
        assert f"only-{int(values.pop()) % 2}" in found.data
        secrets.clean()
        assert names_left(tmp_path) == set()
    assert len(generations) >= 15
