"""Paths and properties by seed 001, 5a.5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions._manifests.conventions import ConventionPolicy, path_breaches, property_breaches


@pytest.mark.parametrize(
    "path",
    [
        "platform-data/postgres/temporal",
        "platform-data/redis/temporal-web",
        "platform-config/postgres/platform-postgres",
        "platform-data/postgres/latest",
        "platform-data/postgres/product-developer",
        "platform-data/postgres/a1",
    ],
)
def test_the_seeds_paths_are_good(path: str) -> None:
    assert path_breaches(path) == ()


@pytest.mark.parametrize(
    ("path", "conventions"),
    [
        ("databases/postgres/temporal", ["prefix"]),
        ("secret/platform-data/postgres/temporal", ["prefix"]),
        ("platform-data/postgres", ["segments"]),
        ("platform-data/postgres/temporal/web", ["segments"]),
        ("platform-data/postgres/Temporal", ["case"]),
        ("platform-data/postgres/temporal_web", ["case"]),
        ("platform-data/postgres/-temporal", ["case"]),
        ("platform-data/postgres/temporal-prod", ["environment"]),
        ("platform-data/postgres/qa-temporal", ["environment"]),
        ("platform-data/staging/temporal", ["environment"]),
        ("platform-data/postgres/temporal_PROD", ["case", "environment"]),
        ("prod/x", ["prefix", "environment"]),
    ],
)
def test_breaches_are_named(path: str, conventions: list[str]) -> None:
    assert [breach.convention for breach in path_breaches(path)] == conventions


@pytest.mark.parametrize("name", ["username", "password", "host", "port", "token", "ca-certificate", "uri"])
def test_good_properties(name: str) -> None:
    assert property_breaches(name) == ()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("user", "'username'"), ("PGPASSWORD", "'password'"), ("userName", "'username'"), ("DB_HOST", "'host'"),
        ("api_token", "'token'"), ("caCert", "lowercase"), ("a b", "lowercase"), ("", "lowercase"),
    ],
)  # fmt: skip
def test_other_spellings_are_told_the_right_one(name: str, part: str) -> None:
    (breach,) = property_breaches(name)
    assert part in breach.message


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    path_breaches(text)
    property_breaches(text)


def test_a_namespace_may_differ_from_the_default() -> None:
    policy = ConventionPolicy(default="warn", namespaces=(("strict", "enforce"),))
    assert policy.enforced("strict")
    assert not policy.enforced("other")
