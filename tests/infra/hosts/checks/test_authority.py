import pytest

from infra.hosts.checks.authority import judged_clock


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(0.0, "ok"), (0.9, "ok"), (-4.0, "ok"), (6.0, "warn"), (-6.0, "warn"), (61.0, "fail"), (-61.0, "fail")],
)
def test_the_clocks_distance_is_judged(ahead: float, status: str) -> None:
    check = judged_clock(ahead)
    assert check.status == status
    if status != "ok":
        assert ("ahead of" if ahead > 0 else "behind") in check.message
        assert "NTP" in check.action
