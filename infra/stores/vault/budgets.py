"""`Budgets` as documents `lockstep/budgets/<cluster>_<pool>`: slots under compare-and-set."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from functions._failures import Conflict, Reject
from functions._workloads import Budget
from infra.stores.vault.documents import MOUNT, SCHEMA, parsed, text, texts
from infra.stores.vault.kv import KvEngine

_DIRECTORY = "budgets"
_POOL = re.compile(r"[a-z0-9][-a-z0-9.]{0,127}")


class VaultBudgets:
    """A revision is the document's version. A pool is never removed: it is empty when nobody holds a slot."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT, cluster: str = "local") -> None:
        self._engine = engine
        self._mount = mount
        self._prefix = f"{cluster}_"  # no cluster's name holds "_"

    def read(self, pool: str) -> Budget:
        found = self._engine.read(self._mount, self._name(pool))
        if found is None:
            return Budget(pool)
        if found.data is None:  # somebody deleted it: nobody holds a slot, and the next version goes on from there
            return Budget(pool, revision=found.number)
        where = f"the budget {pool}"
        budget = parsed(where, found.data, lambda data: _budget(data, found.number))
        if budget.pool != pool:
            raise Reject(f"{where} is about {budget.pool}: somebody moved it; delete it")
        return budget

    def write(self, budget: Budget) -> Budget:
        try:
            written = self._engine.write(self._mount, self._name(budget.pool), _document(budget), budget.revision)
        except Conflict:
            raise Conflict(f"the budget {budget.pool} changed since it was read; read it again") from None
        return replace(budget, revision=written.number)

    def _name(self, pool: str) -> str:
        if not _POOL.fullmatch(pool):
            raise Reject("not the name of a pool; names are lower-case letters, digits, '-' and '.'")
        return f"{_DIRECTORY}/{self._prefix}{pool}"


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
