"""What one namespace may not do to another: by claims, by the access policy, and by a store's own conditions."""

from collections.abc import Callable, Iterator

import pytest
import yaml

from infra.testbed.failures import ApiError
from tests import eso
from tests.e2e.cluster.estate import Estate, Team

_POLICIES = "/api/v1/namespaces/lockstep/configmaps"


@pytest.fixture
def allow(estate: Estate) -> Iterator[Callable[..., None]]:
    """`allow({namespace: rules})` as the platform's team applies the ConfigMap access.yaml. A policy that went stays
    in force, so that whoever comes next gets an instance that never saw it."""

    def apply(namespaces: dict[str, dict[str, list[str]]]) -> None:
        document = {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "AccessPolicy", "spec": {"namespaces": namespaces}
        }  # fmt: skip
        body = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "access.yaml", "namespace": "lockstep"},
            "data": {"access.yaml": yaml.safe_dump(document)},
        }  # fmt: skip
        estate.admin.apply(f"{_POLICIES}/access.yaml", body, "test")

    yield apply
    estate.admin.delete(f"{_POLICIES}/access.yaml")
    estate.up.kill()


def test_whoever_names_anothers_path_gets_nothing_there(estate: Estate, teams: Callable[..., Team]) -> None:
    """The claim decides: its owner goes on as if nothing was, and the other is told whose the path is."""
    team, thief = teams(), teams()
    estate.put(team.source, {"password": b"ours"})
    estate.apply(*team.manifests)
    estate.arrives(team, b"ours")
    estate.put(thief.source, {"password": b"theirs"})
    hostile = eso.push_body(thief.producer, team.name, path=team.path)
    estate.apply(hostile)
    estate.says(hostile, "False", f"belongs to PushSecret {team.producer}/push")
    estate.put(team.source, {"password": b"rotated meanwhile"})
    estate.arrives(team, b"rotated meanwhile")
    estate.put(thief.source, {"password": b"theirs again"})
    estate.annotate(hostile, adopt=f"{team.full_path}@1")
    estate.wait_for(lambda: estate.at.dead_letters(team.path), "the order to be refused")
    estate.says(hostile, "False", "remove it there first")
    estate.sweep()
    assert estate.values(team.target) == {"password": b"rotated meanwhile"}
    assert estate.up.version(team.full_path) == 2
    estate.says(team.push, "True")
    estate.delete(hostile)
    estate.put(team.source, {"password": b"ours again"})
    estate.arrives(team, b"ours again")


def test_a_claim_outlives_its_manifest_until_that_comes_back(estate: Estate, teams: Callable[..., Team]) -> None:
    team, thief = teams(), teams()
    estate.put(team.source, {"password": b"ours"})
    estate.apply(*team.manifests)
    estate.arrives(team, b"ours")
    estate.delete(team.push)
    estate.put(thief.source, {"password": b"theirs"})
    hostile = eso.push_body(thief.producer, team.name, path=team.path)
    estate.apply(hostile)
    estate.says(hostile, "False", "belongs to")
    assert estate.values(team.target) == {"password": b"ours"}
    estate.delete(hostile)
    estate.put(team.source, {"password": b"ours again"})
    estate.apply(team.push)  # another object of the same name, as after a `helm uninstall` and install
    estate.arrives(team, b"ours again")
    estate.says(team.push, "True")


def test_an_annotation_hands_a_path_over(estate: Estate, teams: Callable[..., Team]) -> None:
    team, heir = teams(), teams()
    estate.put(team.source, {"password": b"ours"})
    estate.apply(*team.manifests)
    estate.arrives(team, b"ours")
    estate.delete(team.push)
    estate.put(heir.source, {"password": b"theirs"})
    inheriting = eso.push_body(heir.producer, team.name, path=team.path)
    estate.apply(inheriting)
    estate.says(inheriting, "False", "lockstep adopt")
    estate.annotate(inheriting, adopt=f"{team.full_path}@1")
    estate.arrives(team, b"theirs")
    estate.says(inheriting, "True")


def test_a_manifest_reaches_no_secret_of_another_namespace(estate: Estate, teams: Callable[..., Team]) -> None:
    """A PushSecret has no way to name another namespace: the same name in its own is what it means."""
    team, thief = teams(), teams()
    estate.put(team.source, {"password": b"ours"})
    estate.apply(*team.manifests)
    estate.arrives(team, b"ours")
    estate.apply(thief.store)
    hostile = eso.push_body(thief.producer, thief.name, path=thief.path)
    hostile["spec"]["selector"]["secret"]["name"] = f"{team.producer}/source"
    try:
        estate.apply(hostile, thief.pull)
    except ApiError as refused:
        assert refused.status == 422  # noqa: PT017  the definitions' own schema may refuse it already
        return
    estate.wait_for(lambda: estate.up.secret(thief.full_path), "the hostile manifest to be shown")
    estate.sweep()
    estate.settle()
    assert estate.up.version(thief.full_path) == 0
    assert estate.secret(thief.target) is None


def test_the_access_policy_of_the_cluster_decides(
    estate: Estate, teams: Callable[..., Team], allow: Callable[..., None]
) -> None:
    team, unread, unpublished = teams(), teams(), teams()
    rules = {
        team.producer: {"publish": [f"secret/{team.path}"]}, team.consumer: {"read": [f"secret/{team.path}"]},
        unread.producer: {"publish": [f"secret/{unread.path}"]},
        unpublished.consumer: {"read": [f"secret/{unpublished.path}"]},
    }  # fmt: skip
    allow(rules)
    for one in (team, unread, unpublished):
        estate.put(one.source, {"password": b"one"})
        estate.apply(*one.manifests)
    estate.arrives(team, b"one")
    estate.wait_for(lambda: estate.up.version(unread.full_path) == 1, "what may be published")
    estate.says(unread.pull, "False", unread.consumer)
    estate.says(unpublished.push, "False", unpublished.producer)
    assert estate.secret(unread.target) is None
    assert estate.up.version(unpublished.full_path) == 0
    allow(rules | {unread.consumer: {"read": [f"secret/{unread.path}"]}})
    estate.arrives(unread, b"one")
    estate.says(unread.pull, "True")


def test_the_conditions_of_a_store_are_kept(estate: Estate, team: Team) -> None:
    store = eso.store_body(team.name, conditions=[{"namespaces": [team.producer]}])
    estate.put(team.source, {"password": b"one"})
    estate.apply(store, team.push, team.pull)
    estate.wait_for(lambda: estate.up.version(team.full_path) == 1, "the producer, whom the store admits")
    estate.says(team.pull, "False")
    assert estate.secret(team.target) is None
    estate.apply(eso.store_body(team.name, conditions=[{"namespaces": [team.producer, team.consumer]}]))
    estate.arrives(team, b"one")
    estate.says(team.pull, "True")


def test_two_push_secrets_of_one_path_have_one_owner_which_both_show(estate: Estate, team: Team) -> None:
    second = eso.push_body(team.producer, team.name, name="second", path=team.path)
    second["spec"]["selector"]["secret"]["name"] = "other"
    estate.put(team.source, {"password": b"first"})
    estate.apply(*team.manifests)
    estate.arrives(team, b"first")
    estate.put(f"{team.producer}/other", {"password": b"second"})
    estate.apply(second)
    estate.says(second, "False", f"{team.producer}/push")
    estate.sweep()
    estate.up.wait_idle()
    assert estate.values(team.target) == {"password": b"first"}
    assert estate.up.version(team.full_path) == 1
    estate.delete(second)
    estate.put(team.source, {"password": b"first again"})
    estate.arrives(team, b"first again")
    estate.says(team.push, "True")
