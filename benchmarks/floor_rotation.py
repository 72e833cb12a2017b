"""The floor of rotations: the least that replaces a PostgreSQL password everywhere, as a bare script.

It reads, alters, logs in, writes, swaps, revokes and is refused, with one connection as admin for each order. No claim,
record, event, audit line, evidence or retry: `python -m benchmarks.floor_rotation`, configuration and orders on stdin.
"""

import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.floor_authority import FloorAuthority
from benchmarks.floor_swap import swap

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Rotated:
    """One credential: where it stands, the accounts that take turns (or the one), its consumers' directories."""

    path: str
    accounts: list[str]
    targets: list[Path]


class Floor:
    """An order is a JSON list of the numbers of credentials to replace, one after another."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._authority = FloorAuthority(given["host"], given["port"], given["token"])
        self._server: dict[str, Any] = given["server"]
        self._admin: str = given["admin"]
        self._credentials = [
            Rotated(one["path"], one["accounts"], [Path(target) for target in one["targets"]])
            for one in given["credentials"]
        ]

    def run(self) -> None:
        print("ready", flush=True)
        for line in sys.stdin:
            self._authority.calls = 0
            _, admin = self._authority.read(self._admin)
            with self._connected(admin) as connection:
                for number in json.loads(line):
                    self._rotate(self._credentials[number], connection)
            print(self._authority.calls, flush=True)

    def _rotate(self, one: Rotated, admin: Connection) -> None:
        newest, old = self._authority.read(one.path)
        account = next((name for name in one.accounts if name != old.get("username")), one.accounts[0])
        new = {"username": account, "password": secrets.token_urlsafe(30)}
        _set(admin, account, new["password"])
        self._connected(new).close()
        self._authority.write(one.path, new, newest)
        _, read = self._authority.read(one.path)
        for target in one.targets:
            swap(target, read)
        if old:
            self._revoke(old, account, admin)

    def _revoke(self, old: dict[str, str], account: str, admin: Connection) -> None:
        if old["username"] != account:
            admin.execute(sql.SQL("ALTER ROLE {} WITH NOLOGIN PASSWORD NULL").format(sql.Identifier(old["username"])))
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (old["username"],))
        try:
            self._connected(old).close()
        except psycopg.OperationalError:
            return
        raise SystemExit("the old credential works still")

    def _connected(self, credential: dict[str, str]) -> Connection:
        return psycopg.connect(
            **self._server, user=credential["username"], password=credential["password"], autocommit=True
        )


def _set(admin: Connection, account: str, password: str) -> None:
    """A verifier made here: the server never hears the password."""
    verifier = admin.pgconn.encrypt_password(password.encode(), account.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} WITH LOGIN PASSWORD {}")
    admin.execute(statement.format(sql.Identifier(account), sql.Literal(verifier)))


if __name__ == "__main__":
    Floor(json.loads(sys.stdin.readline())).run()
