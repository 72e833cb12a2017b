"""The fixtures of servers from packages do what tests rely on."""

import json
from collections.abc import Callable

import pytest

from tests.alertmanager import Alertmanager
from tests.postgres import Postgres
from tests.redis import Redis

pytestmark = pytest.mark.e2e
_CONFIGURATION = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


def test_an_alertmanager_takes_alerts_and_can_be_restarted(start_alertmanager: Callable[[str], Alertmanager]) -> None:
    server = start_alertmanager(_CONFIGURATION)
    server.fire({"labels": {"alertname": "SecretLeaked", "path": "a/b"}})
    status, body = server.request("GET", "/api/v2/alerts")
    assert status == 200
    assert [alert["labels"] for alert in json.loads(body)] == [{"alertname": "SecretLeaked", "path": "a/b"}]
    server.stop()
    server.start()
    assert server.request("GET", "/-/healthy")[0] == 200


def test_a_configuration_that_is_wrong_fails_at_once(start_alertmanager: Callable[[str], Alertmanager]) -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        start_alertmanager("route: {}\n")


def test_a_redis_of_ones_own_keeps_its_users(start_redis: Callable[..., Redis]) -> None:
    server = start_redis()
    user = server.user(password="first")
    server.stop()
    server.start()
    with server.client(user, "first") as client:
        assert client.ping()


def test_a_postgres_of_ones_own_keeps_its_roles(own_postgres: Postgres) -> None:
    role = own_postgres.role(password="first")
    own_postgres.stop()
    own_postgres.start()
    own_postgres.session(role, "first").close()
