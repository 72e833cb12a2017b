"""Lockstep's own program, as a user starts and asks it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCKSTEP = Path(sys.executable).parent / "lockstep"


@contextmanager
def running(root: Path, seal_key: Path, *options: str) -> Iterator[str]:
    """`lockstep up` on ROOT: its address (http://host:port); stopped, and checked for status 0, at the end."""
    line = [str(LOCKSTEP), "up", "--root", str(root), "--listen", "127.0.0.1:0", "--seal-key", str(seal_key), *options]
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("VAULT_", "BAO_"))}
    # In process groups of their own: an interrupt at the terminal is for the demo, which stops what it started.
    process = subprocess.Popen(  # noqa: S603  our own program
        line, stdout=subprocess.PIPE, text=True, env=environ, process_group=0
    )
    try:
        ready = process.stdout.readline() if process.stdout else ""
        found = re.search(r"ingress (http://[^/]+)/", ready)
        if found is None:
            raise RuntimeError("lockstep did not start; its own message is above")
        print(ready.rstrip(), flush=True)
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    if process.returncode != 0:
        raise RuntimeError(f"lockstep ended with status {process.returncode}")


def command(root: Path, *arguments: str) -> None:
    """Show a command as a user would type it, and what it prints. Raises CalledProcessError."""
    print(f"\n$ lockstep {' '.join(arguments)}", flush=True)
    subprocess.run([LOCKSTEP, *arguments, "--root", root], check=True, process_group=0)  # noqa: S603  our own program


def fingerprint(root: Path, value: str) -> str:
    """Show how a value is fingerprinted: it goes in by standard input, and nowhere else."""
    print("\n$ lockstep fingerprint < found-in-a-log", flush=True)
    line = [str(LOCKSTEP), "fingerprint", "--root", str(root)]
    done = subprocess.run(  # noqa: S603  as above
        line, check=True, input=value, stdout=subprocess.PIPE, text=True, process_group=0
    )
    print(done.stdout.rstrip(), flush=True)
    return done.stdout.strip()
