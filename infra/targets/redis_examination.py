"""What would stand in the way of a rotation at a Redis or Valkey node, looked at without changing anything."""

from collections.abc import Iterator

from redis import exceptions

from functions._systems import AdminRefused, Finding
from infra.targets.redis_admin import Admin, User
from infra.targets.redis_link import is_local

# Each does nothing, and is refused before it could where the admin may not: no user's name has a space.
_HARMLESS = (("ACL", "SETUSER", "no such user"), ("CLIENT", "KILL", "USER", "no such user"), ("CLIENT", "LIST"))


def findings(admin: Admin, accounts: tuple[str, ...], persist: str) -> Iterator[Finding]:
    """One look at one node, for these accounts; two of them take turns. Raises AdminRefused, Unavailable."""
    node = admin.node
    if not node.tls and not is_local(node.host):
        yield _worth(f"{node.place} is spoken to without TLS, and passwords travel in clear text; set parameter tls")
    yield from _permissions(admin)
    yield from _persistence(admin, persist)
    found: list[User] = []
    for account in accounts:
        user = admin.described(account)
        if user is None:
            yield _blocks(f"there is no user {account!r} at {node.place}; create it")
            continue
        found.append(user)
        if user.no_password:
            yield _worth(f"{account!r} needs no password now (nopass); its first rotation ends that")
    if len(found) == 2 and found[0].rules != found[1].rules:
        yield _worth(f"{found[0].name!r} and {found[1].name!r} may not do the same; give both the same rules")


def _permissions(admin: Admin) -> Iterator[Finding]:
    for words in _HARMLESS:
        try:
            admin.command(*words)
        except exceptions.ResponseError:
            continue  # it may, and there is nothing to do
        except AdminRefused as refused:
            yield _blocks(refused.reason)


def _persistence(admin: Admin, persist: str) -> Iterator[Finding]:
    place = admin.node.place
    if persist == "none":
        yield _worth(f"a restart of {place} forgets every rotation (parameter persist is none)")
    elif persist == "aclfile" and not admin.setting("aclfile"):
        yield _worth(
            f"{place} has no aclfile, or does not tell: a restart would bring back the passwords of its configuration, "
            "revoked ones too; configure aclfile, or set parameter persist to config-rewrite"
        )


def _blocks(text: str) -> Finding:
    return Finding(True, text)


def _worth(text: str) -> Finding:
    return Finding(False, text)
