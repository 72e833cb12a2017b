"""A Secret changes in one namespace and arrives in another; everybody can see how, and it costs few calls."""

from collections import Counter

import pytest

from tests.e2e.cluster.estate import Estate, Team
from tests.eso import external_body

FLOOR = 5  # GET source, read the path's metadata, CAS write, read it, write the target


def wired(estate: Estate, team: Team, value: bytes = b"one") -> None:
    estate.put(team.source, {"password": value})
    estate.apply(*team.manifests)
    estate.arrives(team, value)


def test_a_changed_secret_arrives_and_says_whose_it_is(estate: Estate, team: Team) -> None:
    wired(estate, team)
    for value in (b"two", b"three", b"two"):
        estate.put(team.source, {"password": value})
        estate.arrives(team, value)
    made, pull = estate.secret(team.target), estate.found(team.pull)
    assert made is not None
    assert pull is not None
    metadata = made["metadata"]
    owner = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "pull"}
    assert [one.items() >= owner.items() for one in metadata["ownerReferences"]] == [True]
    assert metadata["ownerReferences"][0]["uid"] == pull["metadata"]["uid"]
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "lockstep"
    assert f'"{team.full_path}"' in metadata["annotations"]["lockstep.dev/stamp"]
    assert {one["manager"] for one in metadata["managedFields"]} == {"lockstep"}
    assert estate.up.version(team.full_path) == 4


def test_manifests_say_what_users_of_eso_expect(estate: Estate, team: Team) -> None:
    wired(estate, team)
    estate.says(team.push, "True")
    estate.says(team.pull, "True")
    assert estate.condition(team.push)[1:] == ("Synced", "PushSecret synced successfully")
    assert estate.condition(team.pull)[1:] == ("SecretSynced", "secret synced")
    push, pull = estate.found(team.push), estate.found(team.pull)
    assert push is not None
    assert pull is not None
    synced = push["status"]["syncedPushSecrets"][f"ClusterSecretStore/{team.name}"][f"{team.path}/password"]
    assert synced["match"]["secretKey"] == "password"
    assert synced["metadata"]["lockstep.dev"]["version"] == 1
    assert push["status"]["refreshTime"]
    assert pull["status"]["refreshTime"]
    assert pull["status"]["binding"] == {"name": "target"}


def test_the_command_line_tells_the_same_of_a_cluster(estate: Estate, team: Team) -> None:
    wired(estate, team)
    (shown,) = estate.asked("status", team.full_path)["secrets"]
    assert shown["inStep"]
    assert shown["sources"] == [team.source]
    assert [one["version"] for one in shown["consumers"]] == [shown["version"]]
    explained = estate.run("explain", team.full_path)
    assert explained.returncode == 0, explained
    for word in (team.source, team.target, team.full_path):
        assert word in explained.stdout
    for name, fact in ((team.full_path, "published"), (team.target, "materialized")):
        told = estate.run("events", "--since", "0", "--limit", "1000", "--subject", name)
        assert told.returncode == 0, told
        assert fact in told.stdout


def change(estate: Estate, team: Team, value: bytes) -> None:
    """As `arrives`, asking nobody but the API server: `status` makes calls itself."""
    estate.put(team.source, {"password": value})
    estate.wait_for(lambda: estate.values(team.target) == {"password": value}, f"{value!r} at the target")
    estate.settle()


@pytest.mark.orderly("it counts the calls of one change")
def test_one_change_costs_the_floor_and_three_calls(estate: Estate, team: Team) -> None:
    wired(estate, team)
    change(estate, team, b"two")
    kubernetes, authority = estate.calls(), estate.authority_calls()
    change(estate, team, b"three")
    made, asked = estate.calls() - kubernetes, estate.authority_calls() - authority
    # What comes with the clock is not the change's: watches that end, lists of what may be due, the ledger's anchor.
    made = Counter({key: count for key, count in made.items() if key[0] != "watch"})
    asked = Counter({key: count for key, count in asked.items() if key[0] not in ("list", "anchor", "sign")})
    assert made == {
        ("get", "secrets"): 2, ("update", "secrets"): 1, ("patch", "pushsecrets/status"): 1
    }  # fmt: skip
    assert made.total() + asked.total() <= FLOOR + 3, (made, asked)


@pytest.mark.orderly("it counts the calls of one change")
def test_what_changes_and_is_not_wired_costs_nothing(estate: Estate, team: Team) -> None:
    """Other Secrets of namespaces that are watched, and the metadata of a source."""
    wired(estate, team)
    change(estate, team, b"two")
    before = estate.calls()
    estate.put(f"{team.producer}/other", {"password": b"nobody's"})
    estate.put(f"{team.consumer}/other", {"password": b"nobody's"})
    estate.put(team.source, {}, metadata={"annotations": {"note": "anything"}})
    change(estate, team, b"three")  # told in the order of the watch: after all of that
    made = estate.calls() - before
    assert sum(count for (verb, _), count in made.items() if verb != "watch") == 4, made  # a watch ends by itself


def test_a_sweep_writes_nothing_where_nothing_changed(estate: Estate, team: Team) -> None:
    wired(estate, team)
    for _ in range(2):
        estate.sweep()  # carries out what earlier tests left behind
    estate.settle()
    before, version = estate.calls(), estate.version(team.target)
    for _ in range(2):
        estate.sweep()
    estate.settle()
    made = estate.calls() - before
    writes = {key: count for key, count in made.items() if key[0] not in ("get", "list", "watch")}
    assert writes == {}
    assert estate.version(team.target) == version


def test_every_consumer_of_a_path_is_served(estate: Estate, team: Team) -> None:
    more = [external_body(team.consumer, team.name, team.path, name=f"pull-{n}") for n in range(3)]
    for number, body in enumerate(more):
        body["spec"]["target"] = {"name": f"target-{number}"}
    estate.put(team.source, {"password": b"one"})
    estate.apply(*team.manifests, *more)
    estate.arrives(team, b"one")
    estate.put(team.source, {"password": b"two"})
    estate.arrives(team, b"two")
    for number in range(3):
        assert estate.values(f"{team.consumer}/target-{number}") == {"password": b"two"}
