"""What is near a mistyped path is what differs little in what differs."""

import pytest

from infra.hosts.views.near import near
from tests.fakes.world import path
from tests.functions.leaking import ORDERS, leaking


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("platform-data/postgres/ordres", [str(ORDERS)]),
        ("platform-dta/postgres/orders", [str(ORDERS)]),
        ("platform-data/postgres/temporal", []),
        ("platform-data/redis/ordrs", ["secret/platform-data/redis/orders"]),
    ],
)
def test_near(typed: str, found: list[str]) -> None:
    assert near(path(typed), leaking().ports.wiring)[:1] == found
