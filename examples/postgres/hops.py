"""The timeline of an instance, printed as it grows."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError


@contextmanager
def hops(client: ControlClient, types: Collection[str], steps: Collection[str] = ()) -> Iterator[None]:
    """Print each event of `types` during the block, and how long the deliveries of them to `steps` took."""
    stopping = threading.Event()
    begin = client.ask("events", limit=1)["position"]

    def show() -> None:
        position = begin
        while True:
            last = stopping.is_set()  # what happened until then is still shown
            answer = client.ask("events", since=position, seconds=0.0 if last else 0.3)
            position = answer["position"]
            for line in answer["events"]:
                if line["type"] in types and (line["outcome"] == "accepted" or line["step"] in steps):
                    print(_hop(line), flush=True)
            if last:
                return

    def run() -> None:
        with suppress(CommandError):  # stopped meanwhile (Ctrl-C reaches it too): whoever is in the block is told
            show()

    thread = threading.Thread(target=run, name="hops")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _hop(line: dict[str, Any]) -> str:
    versions = ",".join(str(number) for number in line["versions"].values())
    what = f"{line['type']:<20} {line['about']}" + (f"  version {versions}" if versions else "")
    if line["outcome"] == "accepted":
        return f"  {line['at'][11:23]}  {what}"
    return f"  {line['at'][11:23]}    {line['step']} {line['outcome']} in {line['tookMs']} ms"
