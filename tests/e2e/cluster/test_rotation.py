"""Rotations as objects of a cluster: ordered by annotation, shown in the status, kept to who may say so."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from infra.testbed.failures import ApiError
from tests.e2e.cluster.estate import Body, Estate, Team
from tests.postgres import Postgres

pytestmark = pytest.mark.e2e


def rotation(team: Team, target: str, accounts: tuple[str, ...], **spec: Any) -> Body:
    return {
        "apiVersion": "lockstep.dev/v1alpha1",
        "kind": "Rotation",
        "metadata": {"name": "orders", "namespace": team.consumer},
        "spec": {
            "secretStoreRef": {"name": team.name}, "remoteKey": f"{team.path}-orders", "strategy": "alternating",
            "target": {"name": target, "accounts": list(accounts)}, **spec,
        },
    }  # fmt: skip


def declared(team: Team, server: Postgres, name: str) -> Body:
    return {
        "apiVersion": "lockstep.dev/v1alpha1",
        "kind": "RotationTarget",
        "metadata": {"name": name},
        "spec": {
            "type": "postgres", "parameters": {"host": server.host, "port": server.port},
            "admin": {"secretStoreRef": {"name": team.name}, "remoteKey": team.path},
            "allow": [{"namespaces": [team.consumer], "accounts": ["*"]}],
        },
    }  # fmt: skip


@pytest.fixture
def applied(estate: Estate) -> Iterator[Callable[..., None]]:
    """Apply bodies of ours; they are removed afterwards."""
    made: list[Body] = []

    def apply(*bodies: Body) -> None:
        for body in bodies:
            estate.apply(body)
            made.append(body)

    yield apply
    for body in reversed(made):
        if estate.found(body) is not None:
            estate.delete(body)


def lets_in(server: Postgres, credential: dict[str, bytes]) -> bool:
    try:
        server.session(credential["username"].decode(), credential["password"].decode()).close()
    except psycopg.OperationalError:
        return False
    return True


def test_ordered_by_annotation_and_shown_in_the_status(
    estate: Estate, team: Team, postgres: Postgres, applied: Callable[..., None]
) -> None:
    users, name = (postgres.role(), postgres.role()), f"orders-{team.name}"
    order = rotation(team, name, users)
    push = {**team.push, "spec": {**team.push["spec"], "data": [
        {"match": {"secretKey": key, "remoteRef": {"remoteKey": team.path, "property": key}}}
        for key in ("username", "password")
    ]}}  # fmt: skip
    pull = {**team.pull, "spec": {**team.pull["spec"], "data": [
        {"secretKey": key, "remoteRef": {"key": f"{team.path}-orders", "property": key}}
        for key in ("username", "password")
    ]}}  # fmt: skip
    admin = {"username": postgres.admin.encode(), "password": postgres.admin_password.encode()}
    estate.put(team.source, admin)
    estate.apply(team.store, push, pull)
    estate.wait_for(lambda: estate.up.in_step(team.full_path), "the admin credential at the authority")
    target = declared(team, postgres, name)
    applied(target, order)
    estate.says(target, "True", "postgres: carries out")
    estate.wait_for(lambda: estate.asked("rotation", "list", "-n", team.consumer)["rotations"], "the wired Rotation")
    estate.annotate(order, rotate="planned@0")
    estate.wait_for(lambda: phase(estate, order) == "completed", "the first rotation")
    estate.wait_for(lambda: "password" in (estate.values(team.target) or {}), "the credential at the target")
    begun = estate.values(team.target)
    assert begun is not None
    assert lets_in(postgres, begun)
    estate.annotate(order, rotate="leak@1")
    estate.wait_for(lambda: phase(estate, order) == "completed" and version(estate, order) == 2, "the second rotation")
    estate.wait_for(lambda: estate.values(team.target) != begun, "the new credential at the target")
    made = estate.values(team.target)
    assert made is not None
    assert lets_in(postgres, made)
    assert not lets_in(postgres, begun)
    estate.says(order, "True", "version 2")
    status = (estate.found(order) or {})["status"]
    ((path, published),) = status["publications"].items()
    assert path == f"secret/{team.path}-orders"
    assert published["version"] == 2
    assert made["password"].decode() not in str(estate.found(order))


def test_a_rotation_that_may_not_act_says_so(estate: Estate, team: Team, applied: Callable[..., None]) -> None:
    estate.apply(team.store, team.push)
    ours = rotation(team, "nowhere", ("a", "b"))
    produced = {**ours, "spec": {**ours["spec"], "remoteKey": team.path}}
    applied(produced)
    estate.says(produced, "False", "is published by PushSecret")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategy": "single"}, "strategy alternating takes target.accounts"),
        ({"strategy": "sometimes"}, "Unsupported value"),
        ({"schedule": {"interval": "1h", "cron": "0 3 * * *"}}, "exactly one of interval and cron"),
        ({"grace": "a while"}, "should match"),
        ({"remoteKey": ""}, "remoteKey"),
    ],
)
def test_the_api_server_refuses_what_nobody_could_carry_out(
    estate: Estate, team: Team, change: Body, message: str
) -> None:
    order = rotation(team, "nowhere", ("a", "b"))
    with pytest.raises(ApiError, match=message):
        estate.apply({**order, "spec": {**order["spec"], **change}})


def phase(estate: Estate, order: Body) -> str:
    return str(((estate.found(order) or {}).get("status") or {}).get("phase", ""))


def version(estate: Estate, order: Body) -> int:
    return int(((estate.found(order) or {}).get("status") or {}).get("version", 0))
