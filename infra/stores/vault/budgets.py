"""`Budgets` as documents `lockstep/budgets/<cluster>_<pool>`: slots under compare-and-set."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from functions._failures import Conflict, Reject
from functions._workloads import Budget
from infra.stores.vault.documents import MOUNT, SCHEMA, parsed, text, texts
from infra.stores.vault.kv import KvEngine, KvVersion
from infra.stores.vault.turns import Turns

_DIRECTORY = "budgets"
_TRIES = 16  # at one pool, of those whom other processes are always faster than
_POOL = re.compile(r"[a-z0-9][-a-z0-9.]{0,127}")


class VaultBudgets:
    """A revision is the document's version. A pool is never removed: it is empty when nobody holds a slot.

    In one process, whoever changes a pool goes on from what the one before wrote. Should somebody else have written
    since, its compare-and-set tells.
    """

    def __init__(
        self, engine: KvEngine, mount: str = MOUNT, cluster: str = "local", turns: Turns | None = None
    ) -> None:  # fmt: skip
        self._engine = engine
        self._mount = mount
        self._turns = turns or Turns()
        self._prefix = f"{cluster}_"  # no cluster's name holds "_"

    def read(self, pool: str) -> Budget:
        return _found(pool, self._engine.read(self._mount, self._name(pool)))

    @contextmanager
    def reading(self, pool: str) -> Iterator[Callable[[], Budget]]:
        with self._engine.reading(self._mount, self._name(pool)) as answer:
            yield lambda: _found(pool, answer())

    def write(self, budget: Budget) -> Budget:
        try:
            written = self._engine.write(self._mount, self._name(budget.pool), _document(budget), budget.revision)
        except Conflict:
            raise Conflict(f"the budget {budget.pool} changed since it was read; read it again") from None
        return replace(budget, revision=written.number)

    def change(self, pool: str, make: Callable[[Budget], Budget]) -> Budget:
        with self._turns.of(self._name(pool)) as turn:
            known, turn.left = turn.left, None  # whatever fails below, nobody goes on from what may be old
            for left in reversed(range(_TRIES)):
                budget: Budget = known or self.read(pool)
                wanted = make(budget)
                if wanted != budget:
                    try:
                        turn.left = written = self.write(wanted)
                    except Conflict:
                        if not left:
                            raise
                    else:
                        return written
                elif known is None:
                    turn.left = budget
                    return budget
                known = None  # that there is nothing to do is believed only of what was read just now
        raise Conflict(f"the budget {pool} changes faster than it can be compared and set")

    def _name(self, pool: str) -> str:
        if not _POOL.fullmatch(pool):
            raise Reject("not the name of a pool; names are lower-case letters, digits, '-' and '.'")
        return f"{_DIRECTORY}/{self._prefix}{pool}"


def _found(pool: str, found: KvVersion | None) -> Budget:
    if found is None:
        return Budget(pool)
    data, revision = found.data, found.number
    if data is None:  # somebody deleted it: nobody holds a slot, and the next version goes on from there
        return Budget(pool, revision=revision)
    where = f"the budget {pool}"
    budget = parsed(where, data, lambda data: _budget(data, revision))
    if budget.pool != pool:
        raise Reject(f"{where} is about {budget.pool}: somebody moved it; delete it")
    return budget


def _document(budget: Budget) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "pool": budget.pool,
        "holders": {holder: until.isoformat() for holder, until in budget.holders.items()},
        "waiting": list(budget.waiting),
    }


def _budget(data: Mapping[str, Any], revision: int) -> Budget:
    holders = {str(holder): datetime.fromisoformat(until) for holder, until in data["holders"].items()}
    if any(until.tzinfo is None for until in holders.values()):
        raise ValueError("holders")
    return Budget(text(data, "pool"), holders, texts(data, "waiting"), revision)
