"""A broker under load in a process of its own, for test_crash to kill: `python -m … <directory> <first id>`.

Prints the id of every event once its acceptance is durable. Steps append what they are given to a file, before they
answer: a two-step chain, in which `one` answers with an event for `two`, and sometimes fails.
"""

import os
import sys
from concurrent.futures import Future
from functools import partial
from itertools import count
from pathlib import Path

from events.cloudevent import CloudEvent
from infra.broker.broker import Broker
from infra.broker.subscriber import Answer
from tests.infra.broker.kit import ANYTHING, DONE, SOURCE, event, trigger

# More attempts than the failures that may meet: nothing ends as a dead letter.
PATIENT = {"retry": 100, "backoffPolicy": "linear", "backoffDelay": "PT0.001S"}
TRIGGERS = [trigger("a", "one", "t.one", delivery=PATIENT), trigger("b", "two", "t.two", delivery=PATIENT)]


class Appending:
    """A step that notes what it was given where a kill cannot undo it."""

    def __init__(self, file: Path, reply: str | None = None) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._reply = reply
        self._count = count()

    def deliver(self, given: CloudEvent, timeout: float) -> Answer:
        os.write(self._file, f"{given.id} {given.subject}\n".encode())
        if next(self._count) % 7 == 3:
            return Answer(503)
        if self._reply is None:
            return DONE
        return Answer(200, (event(f"r{given.id}", self._reply, given.subject),))

    def ready(self) -> bool:
        return True

    def close(self) -> None:
        os.close(self._file)


def acknowledge(number: int, _: Future[int]) -> None:
    os.write(1, f"{number}\n".encode())


def main() -> None:
    directory, first = Path(sys.argv[1]), int(sys.argv[2])
    subscribers = {"one": Appending(directory / "one", "t.two"), "two": Appending(directory / "two")}
    broker = Broker(directory / "broker.db", TRIGGERS, subscribers, ANYTHING, backoff_cap=0.005)
    broker.start()
    for number in count(first):
        # Subjects differ, or newer events would supersede those that retry.
        future = broker.accept(event(number, subject=f"s/{number}"), SOURCE, here=number % 3 == 0)
        if number % 5 == 0:
            future.result()
        future.add_done_callback(partial(acknowledge, number))


if __name__ == "__main__":
    main()
