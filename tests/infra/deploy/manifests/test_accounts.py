"""What every ServiceAccount may do, asked of a real API server: what is declared, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from functions import STEPS
from infra.deploy.manifests.accounts import account_grants, accounts, permissions
from infra.deploy.manifests.installation import TARGETS, Installation, Target
from infra.deploy.manifests.workloads import workloads
from infra.deploy.rbac import ESO, OURS, WIRING_KINDS, WORKLOAD_KINDS
from infra.hosts.installing import KnownWiring
from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError
from tests.infra.deploy.manifests import kit
from tests.infra.deploy.manifests.kit import Request, Reviews
from tests.instance import external_secret, push_secret, store

PREFIX = "rbac"
DATA, ONE, TWO, STRANGER = (f"{PREFIX}-{team}" for team in ("data", "one", "two", "stranger"))
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
NAMES = ("source", "target", "one", "rotated", "orders", "not-wired")
# Resources with the API group that each is in: what is granted to somebody, and what is granted to nobody.
RESOURCES = (
    *(("", name) for name in ("secrets", "configmaps", "services", "pods", "pods/exec", "serviceaccounts/token")),
    *((ESO, f"{kind}{part}") for kind in ("pushsecrets", "externalsecrets") for part in ("", "/status")),
    *(("apps", kind) for kind in WORKLOAD_KINDS),
    *((OURS, kind) for kind in ("rotations", "rotations/status", "rotationtargets", "rotationtargets/status")),
    ("rbac.authorization.k8s.io", "roles"),
)  # fmt: skip


@pytest.fixture(scope="module")
def reviews(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviews]:
    """The cluster with the permissions of both targets; their accounts have other names where they differ."""
    folder = tmp_path_factory.mktemp("wiring")
    for namespace in ("lockstep", DATA, ONE, TWO, STRANGER):
        kit.ensure_namespace(cluster, namespace)
    for target in TARGETS:
        kit.apply(cluster, permissions(wired(folder).wired.objects, Installation(target=target)))
    made = Reviews(cluster)
    yield made
    made.close()


def wired(folder: Path) -> KnownWiring:
    return kit.wiring(folder, kit.teams(PREFIX))


def requests() -> Iterator[Request]:
    for namespace in (DATA, ONE, TWO, STRANGER, "lockstep"):
        for group, resource in RESOURCES:
            for verb in VERBS:
                # What a verb without a name asks is the same for all names.
                for name in ("",) if verb in {"list", "watch", "create", "deletecollection"} else NAMES:
                    yield namespace, group, resource, verb, name


@pytest.mark.parametrize("account", [step.name for step in STEPS] + ["watch", "broker", "alertmanager"])
def test_an_account_may_do_what_is_declared_and_nothing_else(account: str, reviews: Reviews, tmp_path: Path) -> None:
    target: Target = "kubernetes" if account == "broker" else "knative"
    granted = account_grants(wired(tmp_path).wired.objects, Installation(target=target)).get(account, ())
    wrong = []
    for request in requests():
        namespace, group, resource, verb, name = request
        declared = any(grant.allows(namespace, group, resource, verb, name) for grant in granted)
        if reviews.allowed(account, request) != declared:
            wrong.append((request, declared))
    assert not wrong


# The same by hand, for the step and the thing: so that the comparison above does not only agree with itself.
EXPECTED: dict[Request, set[str]] = {
    (DATA, "", "secrets", "get", "source"): {"publish", "retract", "sweep", "watch", "broker"},
    (DATA, "", "secrets", "list", ""): {"watch", "broker"},
    (DATA, "", "pods", "list", ""): set(),
    (ONE, "", "pods", "list", ""): {"restart", "adopted", "revoke"},
    (ONE, OURS, "rotations/status", "patch", "rotated"): {"create", "apply", "verify", "promote", "revoke"},
    (ONE, OURS, "rotations/status", "patch", "not-wired"): set(),
    (ONE, OURS, "rotations", "patch", "rotated"): set(),
    ("", OURS, "rotationtargets", "list", ""): {step.name for step in STEPS} - {"record"} | {"watch", "broker"},
    ("", OURS, "rotationtargets", "update", "any"): set(),
    ("", OURS, "rotationtargets", "patch", "orders"): set(),
    ("", OURS, "rotationtargets/status", "patch", "orders"): {"apply"},
    ("", OURS, "rotationtargets/status", "update", "orders"): set(),
    ("", OURS, "rotationtargets/status", "patch", "not-wired"): set(),
    (ONE, "", "pods/exec", "create", ""): set(),
    (ONE, "", "serviceaccounts/token", "create", "any"): set(),
    (ONE, "apps", "deployments", "patch", "any"): {"restart"},
    (ONE, "apps", "deployments", "delete", "any"): set(),
    (ONE, "apps", "deployments", "watch", ""): {"watch", "broker"},
    (STRANGER, "apps", "deployments", "patch", "any"): set(),
    (DATA, "", "secrets", "watch", ""): {"watch", "broker"},
    (DATA, "", "secrets", "get", "not-wired"): {"watch", "broker"},
    (DATA, "", "secrets", "update", "source"): set(),
    (DATA, "", "secrets", "delete", "source"): set(),
    (DATA, "", "secrets", "create", ""): set(),
    (ONE, "", "secrets", "update", "target"): {"materialize"},
    (ONE, "", "secrets", "patch", "target"): set(),
    (ONE, "", "secrets", "create", ""): {"materialize"},
    (ONE, "", "secrets", "delete", "target"): {"retract"},
    (ONE, "", "secrets", "delete", "not-wired"): set(),
    (ONE, "", "secrets", "update", "not-wired"): set(),
    (ONE, "", "secrets", "get", "source"): {"watch", "broker"},
    (TWO, "", "configmaps", "get", "endpoint"): {"publish", "retract", "sweep", "watch", "broker"},
    (TWO, "", "secrets", "get", "endpoint"): {"watch", "broker"},
    (DATA, "", "configmaps", "get", "endpoint"): set(),
    (DATA, ESO, "pushsecrets/status", "patch", "one"): {"publish", "retract"},
    (DATA, ESO, "pushsecrets/status", "patch", "two"): set(),
    (DATA, ESO, "pushsecrets", "patch", "one"): set(),
    (ONE, ESO, "externalsecrets/status", "patch", "target"): {"materialize", "retract", "sweep"},
    (STRANGER, "", "secrets", "get", "target"): set(),
    (STRANGER, "", "secrets", "list", ""): set(),
    (STRANGER, "", "secrets", "create", ""): set(),
    ("", "", "secrets", "list", ""): set(),
    ("", "", "secrets", "watch", ""): set(),
    ("lockstep", "", "secrets", "get", "any"): set(),
    ("kube-system", "", "secrets", "list", ""): set(),
}  # fmt: skip


@pytest.mark.parametrize("request_", EXPECTED, ids=lambda each: " ".join(filter(None, each)))
def test_by_hand(request_: Request, reviews: Reviews) -> None:
    everybody = {step.name for step in STEPS} | {"watch", "broker", "alertmanager"}
    assert {account for account in everybody if reviews.allowed(account, request_)} == EXPECTED[request_]


@pytest.mark.parametrize("kind", WIRING_KINDS)
def test_the_wiring_is_read_everywhere_and_written_nowhere(kind: str, reviews: Reviews) -> None:
    readers = {step.name for step in STEPS if step.name != "record"} | {"watch", "broker"}
    for account in readers | {"record"}:
        for verb in VERBS:
            may = reviews.allowed(account, ("", ESO, kind, verb, ""))
            assert may == (account in readers and verb in {"get", "list", "watch"}), (account, verb)


def test_the_policy_is_read_by_name_and_written_by_nobody(reviews: Reviews) -> None:
    for account in (step.name for step in STEPS):
        for name in ("access.yaml", "lockstep-suspended", "lockstep-settings", "other"):
            for verb in VERBS:
                expected = verb in {"get", "list", "watch"} and name != "other" and account != "record"
                request = ("lockstep", "", "configmaps", verb, name)
                assert reviews.allowed(account, request) == expected, (account, verb, name)


def test_real_calls_with_a_steps_own_token(cluster: Cluster, reviews: Reviews) -> None:
    """What the reviews say is what happens: publish reads its source, and nothing else anywhere."""
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "canary"}}
    made = [(DATA, "source"), (DATA, "not-wired"), (ONE, "target"), (STRANGER, "source")]
    kit.apply(cluster, [{**secret, "metadata": {"namespace": where, "name": name}} for where, name in made])
    kit.apply(cluster, accounts(Installation()))
    publish = cluster.api(cluster.service_account_token("lockstep", "publish"))
    assert publish.get(f"/api/v1/namespaces/{DATA}/secrets/source")["data"]
    for where, name in made[1:]:
        with pytest.raises(ApiError) as refused:
            publish.get(f"/api/v1/namespaces/{where}/secrets/{name}")
        assert refused.value.status == 403
    for path in (f"/api/v1/namespaces/{DATA}/secrets", "/api/v1/secrets"):
        with pytest.raises(ApiError) as refused:
            publish.get(path)
        assert refused.value.status == 403


def test_targets_that_are_no_longer_wired_may_be_retracted_and_not_written(tmp_path: Path) -> None:
    known = kit.wiring(
        tmp_path / "now",
        [store(), push_secret("p", "data/s", "p/a"), external_secret("app/kept", "p/a")],
        kit.written(
            tmp_path / "before", [store(), external_secret("app/kept", "p/a"), external_secret("app/gone", "p/a")]
        ),
    )
    granted = account_grants(known.wired.objects, Installation())
    verbs = {
        account: {
            verb for verb in VERBS for grant in granted[account] if grant.allows("app", "", "secrets", verb, "gone")
        } - {"create"}
        for account in ("retract", "materialize")
    }  # fmt: skip
    assert verbs == {"retract": {"get", "delete"}, "materialize": {"get"}}


@pytest.mark.parametrize("target", TARGETS)
def test_one_account_per_workload_and_no_token_by_itself(target: Target) -> None:
    made = accounts(Installation(target=target))
    assert [one["metadata"]["name"] for one in made] == [each.name for each in workloads(Installation(target=target))]
    assert not any(one["automountServiceAccountToken"] for one in made)
