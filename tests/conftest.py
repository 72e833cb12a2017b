"""What every test shares: hypothesis profiles that make the suite deterministic."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests import chaos

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, max_examples=2000)  # HYPOTHESIS_PROFILE=search: look for new cases
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot hold under a chaotic broker, and say why (tests/chaos.py)."""
    if chaos.seed() is None:
        return
    for item in items:
        if marker := item.get_closest_marker("orderly"):
            item.add_marker(pytest.mark.skip(reason=f"under a chaotic broker: {marker.args[0]}"))


pytest_plugins = [
    "tests.cluster",
    "tests.eso",
    "tests.openbao",
    "tests.postgres",
    "tests.redis",
    "tests.alertmanager",
    "tests.database_engine",
    "tests.aws",
    "tests.aws_permissions",
]
