"""What the admin of a Redis or Valkey node does to an ACL user (commands ACL and CLIENT)."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis import exceptions

from functions._failures import Reject
from functions._systems import AdminRefused
from infra.targets.redis_link import Connection, Node, authenticated, opened

_NO_ACL_FILE = "ACL file"  # in the error of ACL SAVE, of Redis as of Valkey


def hash_of(password: bytes) -> str:
    """What an ACL rule names a password by."""
    return hashlib.sha256(password).hexdigest()


@dataclass(frozen=True)
class User:
    """An ACL user: whether it is on, lets everybody in, and the hashes of its passwords."""

    name: str
    on: bool
    no_password: bool
    hashes: frozenset[str]
    rules: tuple[str, ...] = ()  # what it may do: commands, keys, channels, selectors


class Admin:
    """A node, logged in as admin."""

    def __init__(self, node: Node, connection: Connection, username: str) -> None:
        self.node = node
        self._connection = connection
        self._username = username

    @classmethod
    @contextmanager
    def connected(cls, node: Node, username: str, password: str) -> Iterator["Admin"]:
        """Raises AdminRefused, Unavailable, Reject."""
        with opened(node) as connection:
            if not authenticated(node, connection, username, password.encode()):
                raise AdminRefused(
                    f"Redis of target {node.target!r} refuses its admin credential; write the right one to the path "
                    "that spec.admin of the RotationTarget names"
                )
            yield cls(node, connection, username)

    def command(self, *words: str) -> Any:
        """One command's answer. Raises AdminRefused, Unavailable, Reject; `exceptions.ResponseError` for its own."""
        self._connection.send_command(*(word.encode() for word in words), check_health=False)
        try:
            return self._connection.read_response()
        except exceptions.NoPermissionError:
            raise AdminRefused(
                f"the admin of target {self.node.target!r} may not do {' '.join(words[:2])}; docs/targets/redis.md has "
                "the rules that it needs"
            ) from None
        except (exceptions.BusyLoadingError, exceptions.OutOfMemoryError):
            raise self.node.unavailable("is loading, or out of memory") from None

    def user(self, account: str) -> User:
        """The user, if it is one that rotation may touch. Raises Reject."""
        if account == self._username:
            raise Reject(f"{account!r} is the admin of target {self.node.target!r} itself, which is not rotated by it")
        found = self.described(account)
        if found is None:
            raise Reject(
                f"Redis of target {self.node.target!r} at {self.node.place} has no user {account!r}; create it"
            )
        return found

    def described(self, account: str) -> User | None:
        if any(one.isspace() or one == "\0" for one in account):
            return None  # what no user is called, and what would be read as further rules
        told = self.command("ACL", "GETUSER", account)
        if told is None:
            return None
        pairs = {_text(name): value for name, value in zip(told[::2], told[1::2], strict=True)}
        flags = {_text(flag) for flag in pairs["flags"]}
        rules = tuple(
            f"{name}: {_text(pairs[name])}" for name in ("commands", "keys", "channels", "selectors") if name in pairs
        )
        hashes = frozenset(_text(one) for one in pairs["passwords"])
        return User(account, "on" in flags, "nopass" in flags, hashes, rules)

    def set_user(self, account: str, *rules: str) -> None:
        """Apply rules, all or none. The user exists: `user` was asked before."""
        try:
            self.command("ACL", "SETUSER", account, *rules)
        except exceptions.ResponseError:
            raise Reject(f"Redis of target {self.node.target!r} does not take the rules for {account!r}") from None

    def close_connections(self, account: str) -> None:
        """Close every connection of the user. Commands run one by one, so none of them is being logged in meanwhile."""
        self.command("CLIENT", "KILL", "USER", account)

    def ages(self, account: str) -> list[int]:
        """For how many seconds each of the user's connections has been open."""
        lines = _text(self.command("CLIENT", "LIST")).splitlines()
        clients = (dict(part.partition("=")[::2] for part in line.split(" ")) for line in lines)
        return [int(client["age"]) for client in clients if client.get("user") == account]

    def persist(self, how: str) -> None:
        """Have the node remember its users over a restart, where it can. Raises Unavailable."""
        try:
            if how == "aclfile":
                self.command("ACL", "SAVE")
            elif how == "config-rewrite":
                self.command("CONFIG", "REWRITE")
        except exceptions.ResponseError as refused:
            if how == "aclfile" and _NO_ACL_FILE in str(refused):
                return  # `examine` tells that a restart forgets
            raise self.node.unavailable("cannot write its users down; look at its log and its disk") from None

    def setting(self, name: str) -> str | None:
        """A setting of the node's; None where it does not say."""
        try:
            told = self.command("CONFIG", "GET", name)
        except (AdminRefused, exceptions.ResponseError):
            return None
        return _text(told[1]) if told else None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
