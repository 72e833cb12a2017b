"""Rotations that go well, on a real PostgreSQL, under policies that let each step at what it needs and no more."""

import pytest

from tests.e2e.rotation.shop import Client, Shop, completed, established, rotate, state

pytestmark = pytest.mark.e2e


def test_alternating_users_without_a_failed_login(shop: Shop) -> None:
    users = (shop.server.role(), shop.server.role())
    shop.lay_out(*users)
    with shop.at.running() as up:
        begun = established(shop, up)
        with Client(shop) as client:
            up.wait_for(lambda: client.succeeded >= 5, "logins")
            ended = completed(up, rotate(up))
            up.wait_for(lambda: shop.credential() != begun, "the new credential")
            seen = client.succeeded
            up.wait_for(lambda: client.succeeded >= seen + 5, "logins with the new credential")
        assert ended["phase"] == "completed"
        assert ended["record"]["proof"] == "refused"
        assert client.failed == []
        assert client.users == set(users)
        assert not shop.lets_in(begun)
        assert up.version(shop.full_path) == 2
        assert up.at.dead_letters() == []


def test_a_single_user_gets_another_password(shop: Shop) -> None:
    user = shop.server.role()
    shop.lay_out(user)
    with shop.at.running() as up:
        begun = established(shop, up)
        ended = completed(up, rotate(up))
        up.wait_for(lambda: shop.credential() not in (None, begun), "the new credential")
        made = shop.credential()
        assert ended["phase"] == "completed"
        assert made is not None
        assert made[0] == begun[0] == user
        assert shop.lets_in(made)
        assert not shop.lets_in(begun)
        assert up.at.dead_letters() == []


def test_a_leak_does_not_wait_for_grace(shop: Shop) -> None:
    users = (shop.server.role(), shop.server.role())
    shop.lay_out(*users, grace="24h")
    with shop.at.running() as up:
        begun = established(shop, up, policy="leak")
        given = rotate(up)
        up.wait_for(lambda: state(up)["phase"] == "promoted", "the promotion, whose grace is a day")
        up.wait_for(lambda: shop.credential() not in (None, begun), "the new credential")
        assert shop.lets_in(begun)  # until the grace is over
        again = rotate(up)
        assert again["joined"]
        assert again["rotation"] == given["rotation"]
        second = completed(up, rotate(up, "leak"))  # what was promoted leaked, too: nothing of the former may live
        up.wait_for(lambda: up.version(shop.full_path) == 3, "the third version")
        assert second["phase"] == "completed"
        assert not shop.lets_in(begun)


def test_asking_twice_begins_nothing_twice(shop: Shop) -> None:
    shop.lay_out(shop.server.role(), shop.server.role(), consumer=False)
    with shop.at.running() as up:
        up.wait_for(lambda: state(up)["phase"] == "never", "the Rotation is wired")
        given = [rotate(up) for _ in range(5)]
        ended = completed(up, given[0])
        assert {one["rotation"] for one in given} == {given[0]["rotation"]}
        assert ended["phase"] == "completed"
        assert ended["version"]["number"] == 1
