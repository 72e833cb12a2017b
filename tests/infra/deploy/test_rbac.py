"""Grants in Kubernetes: from capabilities, bound to names; what the API server makes of them is in test_accounts."""

from dataclasses import replace
from pathlib import Path

import pytest

from events.references import ManifestRef, SecretRef
from functions import STEPS
from functions._capability import Capability
from functions._step import Step
from infra.deploy import permission_matrix
from infra.deploy.rbac import (
    AT_THE_AUTHORITY,
    BOUND,
    SETTINGS,
    Grant,
    all_grants,
    grants,
    merged,
    notices,
    watch_grants,
)
from infra.deploy.triggers import NAMESPACE
from infra.deploy.wired import Source, WiredObjects

ROOT = Path(__file__).parents[3]
OBJECTS = WiredObjects(
    sources=frozenset({Source("a", "secrets", "one"), Source("a", "services", "db"), Source("b", "secrets", "two")}),
    selecting=frozenset({"b"}),
    targets=frozenset({SecretRef(namespace="c", name="three")}),
)


def test_every_capability_is_bound_here_or_is_the_authoritys() -> None:
    assert set(BOUND) | AT_THE_AUTHORITY == set(Capability)
    assert not set(BOUND) & AT_THE_AUTHORITY


def test_a_step_without_needs_gets_nothing() -> None:
    assert grants(Step("any", "", (), (), frozenset(), lambda event, ports: iter(())), OBJECTS) == ()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_nobody_but_the_watch_lists_secrets_that_are_named(step: Step) -> None:
    listing = {
        grant.namespace for grant in grants(step, OBJECTS) if grant.resource == "secrets" and "list" in grant.verbs
    }
    assert listing <= OBJECTS.selecting
    assert not [grant for grant in grants(step, OBJECTS) if grant.resource == "secrets" and "watch" in grant.verbs]


@pytest.mark.parametrize("account", [*(step.name for step in STEPS), "watch"])
def test_no_secret_is_granted_to_the_whole_cluster(account: str) -> None:
    for grant in all_grants(OBJECTS)[account]:
        if not grant.namespace:
            assert grant.resource not in {"secrets", "configmaps", "services", "pods", "*"}
            assert grant.verbs == {"get", "list", "watch"}
        if grant.namespace == NAMESPACE:
            assert grant.names == set(SETTINGS)


def test_the_watch_reads_where_something_is_wired_and_writes_nothing() -> None:
    found = {(grant.namespace, grant.resource) for grant in watch_grants(OBJECTS) if grant.resource == "secrets"}
    assert found == {("a", "secrets"), ("b", "secrets"), ("c", "secrets")}
    assert {verb for grant in watch_grants(OBJECTS) for verb in grant.verbs} == {"get", "list", "watch"}


def test_selecting_by_label_is_told() -> None:
    assert [notice.split(":")[0] for notice in notices(OBJECTS)] == ["b"]


def test_what_holds_for_every_name_is_not_repeated_by_name() -> None:
    every = Grant("a", "", "secrets", frozenset({"get", "list"}))
    one = Grant("a", "", "secrets", frozenset({"get", "update"}), frozenset({"x"}))
    only = Grant("a", "", "secrets", frozenset({"get"}), frozenset({"y"}))
    assert merged([one, every, only]) == (
        every,
        Grant("a", "", "secrets", frozenset({"update"}), frozenset({"x"})),
    )


def test_the_page_is_what_the_code_says() -> None:
    ((name, text),) = permission_matrix.render().items()
    assert (ROOT / name).read_text(encoding="utf-8") == text, "out of date: run `make generate`"
    for account in all_grants(OBJECTS):
        assert f" {account} |" in text


def test_the_watch_touches_assisted_manifests_by_name_and_nobody_else_does() -> None:
    push = ManifestRef(kind="PushSecret", namespace="a", name="push")
    pull = ManifestRef(kind="ExternalSecret", namespace="c", name="pull")
    objects = replace(OBJECTS, assisted=frozenset({push, pull}))
    patching = {
        (account, grant.namespace, grant.resource, grant.names)
        for account, granted in all_grants(objects).items()
        for grant in granted
        if "patch" in grant.verbs and grant.resource in {"pushsecrets", "externalsecrets"}
    }
    assert patching == {
        ("watch", "a", "pushsecrets", frozenset({"push"})), ("watch", "c", "externalsecrets", frozenset({"pull"}))
    }  # fmt: skip
    assert not [grant for grant in watch_grants(OBJECTS) if "patch" in grant.verbs]
