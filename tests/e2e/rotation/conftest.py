"""A shop for each test: its own ROOT; a PostgreSQL that the worker's tests share, or its own to be broken."""

import pytest

from tests.e2e.rotation.shop import Shop
from tests.instance import Installation
from tests.postgres import Postgres


@pytest.fixture
def shop(embedded: Installation, postgres: Postgres) -> Shop:
    """At an embedded OpenBao, whose policies let each step at what it needs and no more."""
    return Shop(embedded, postgres)


@pytest.fixture
def shop_apart(external: Installation, own_postgres: Postgres) -> Shop:
    """At an existing OpenBao, with a server that may be stopped."""
    return Shop(external, own_postgres)
